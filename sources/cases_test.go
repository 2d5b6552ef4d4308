package sources

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/vendortest"
)

var update = flag.Bool("update", false, "rewrite the case files")

// TestCases reads the source of each case and prints what comes: findings, or
// entities and offsets batch by batch.
func TestCases(t *testing.T) {
	vendortest.Run(t, "../testdata/components/sources", *update, func(c *vendortest.Case) string {
		src, out := build(c)
		if src == nil {
			return out
		}
		since := strings.TrimSpace(c.Text("since"))
		return out + read(src, since)
	})
}

// build compiles the case's system and source.
func build(c *vendortest.Case) (Source, string) {
	sys, out := c.System()
	get := func(id string) systems.System {
		if sys == nil || id != sys.ID() {
			return nil
		}
		return sys
	}
	env := Env{PipeID: "p", Node: c.Node("source.json"), System: get, Secret: c.Env().Secret,
		Now: c.Env().Now, Context: context.Background()}
	src, diags := NewSet(Standard()...).Build(env)
	out += vendortest.Findings(diags)
	if l, ok := src.(systems.Linker); ok && !diags.HasErrors() {
		more := l.Link()
		out += vendortest.Findings(more)
		diags.Add(more...)
	}
	if diags.HasErrors() {
		return nil, out
	}
	return src, out
}

func read(src Source, since string) string {
	var b strings.Builder
	for batch, err := range src.Read(context.Background(), since, 3) {
		if err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
			break
		}
		for _, e := range batch.Entities {
			fmt.Fprintf(&b, "%s\n", e)
		}
		fmt.Fprintf(&b, "batch since=%q last=%v\n", batch.Since, batch.Last)
	}
	return b.String()
}

func mustBuild(t *testing.T, env Env) Source {
	t.Helper()
	src, diags := NewSet(Standard()...).Build(env)
	for _, f := range diags {
		if f.Severity == diag.Error {
			t.Fatal(f.Message)
		}
	}
	return src
}
