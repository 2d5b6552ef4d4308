package transforms

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/vendortest"
)

var update = flag.Bool("update", false, "rewrite the case files")

// TestCases applies the transform of each case to the lines of in, batch by
// batch; an empty line ends a batch.
func TestCases(t *testing.T) {
	vendortest.Run(t, "../testdata/components/transforms", *update, func(c *vendortest.Case) string {
		tr, out := build(c)
		if tr == nil {
			return out
		}
		if tr.SideEffects() {
			out += "side effects\n"
		}
		return out + apply(t, tr, c.Text("in"))
	})
}

func build(c *vendortest.Case) (Transform, string) {
	sys, out := c.System()
	env := Env{PipeID: "p", Node: c.Node("transform.json"), Lib: lib(c.T), Now: c.Env().Now,
		System: func(string) systems.System { return sys }}
	if c.Text("metadata.json") != "" {
		env.Metadata = c.Node("metadata.json")
		env.DTL.URINamespaces = map[string]string{"x": "http://x.org/", "foo": "http://foo.org/"}
	}
	tr, diags := NewSet(Standard()...).Build(env)
	out += vendortest.Findings(diags)
	if l, ok := tr.(systems.Linker); ok && !diags.HasErrors() {
		more := l.Link()
		out += vendortest.Findings(more)
		diags.Add(more...)
	}
	if diags.HasErrors() {
		return nil, out
	}
	return tr, out
}

// library is made once: it is the same for all.
var library = sync.OnceValues(stdlib.Lib)

func lib(t *testing.T) *dtl.Lib {
	t.Helper()
	l, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func apply(t *testing.T, tr Transform, in string) string {
	var b strings.Builder
	step := tr.Start(Run{Host: &dtl.MemHost{}})
	batch := &entity.Batch{Arena: entity.NewArena()}
	for part := range strings.SplitSeq(strings.TrimSpace(in), "\n\n") {
		batch.Arena.Reset()
		batch.Entities = nil
		for line := range strings.Lines(part) {
			e, err := entity.Decode(batch.Arena, []byte(line), entity.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			batch.Entities = append(batch.Entities, e)
		}
		if err := step.Apply(context.Background(), batch); err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
			continue
		}
		for _, e := range batch.Entities {
			fmt.Fprintf(&b, "%s\n", e)
		}
		b.WriteString("\n")
	}
	if f, ok := step.(Finisher); ok {
		if err := f.Finish(context.Background()); err != nil {
			fmt.Fprintf(&b, "finish: %v\n", err)
		}
	}
	return b.String()
}
