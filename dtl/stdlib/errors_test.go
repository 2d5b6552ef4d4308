package stdlib_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

var update = flag.Bool("update", false, "rewrite the expected parts of the cases")

// TestErrors runs testdata/dtl/errors: rules that do not compile, or fail on
// an entity, and what is said about them with place and remedy.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("../../testdata/dtl/errors/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { errorCase(t, file) })
	}
}

func errorCase(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for _, f := range a.Files {
		parts[f.Name] = f.Data
	}
	got := errorText(t, parts)
	if *update {
		setPart(a, "out", got)
		if err := os.WriteFile(file, txtar.Format(a), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := string(parts["out"]); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func setPart(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

// errorText compiles rules.json or expr.json and, if that goes well, runs it on
// in.json over datasets.json; an error that nobody expected is in the text too.
func errorText(t *testing.T, parts map[string][]byte) string {
	t.Helper()
	o := dtl.Options{Lib: lib(t), PipeID: "pipe", IDRequired: true, Pointer: "/rules", Limits: dtl.Limits{Steps: 5000, List: 2000, Text: 10000, Depth: 20}}
	if src := parts["subset.json"]; src != nil {
		_, finds := dtl.CompileSubset("d", node(t, "subset.json", src), o)
		return findings(finds)
	}
	p, finds := dtl.CompileRules(node(t, "rules.json", parts["rules.json"]), o)
	if p == nil || parts["in.json"] == nil {
		return findings(finds)
	}
	h := &dtl.MemHost{Datasets: map[string][]entity.Value{}}
	for _, m := range value(t, parts["datasets.json"]).Object().Members() {
		h.Datasets[m.Key] = m.Value.Elems()
	}
	in := entity.Batch{Arena: entity.NewArena(), Entities: []entity.Value{value(t, parts["in.json"])}}
	var out entity.Batch
	if err := dtl.NewRun(p, h).Transform(t.Context(), &in, &out); err != nil {
		e, _ := dtl.IsRunError(err)
		return findings(finds) + fmt.Sprintf("%v [%s] at %s\n", err, e.Code, e.Pointer)
	}
	return findings(finds) + entity.NewList(out.Entities...).String() + "\n"
}

func node(t testing.TB, name string, src []byte) *jsonpos.Node {
	t.Helper()
	n, errs := jsonpos.Parse(name, src)
	if errs != nil {
		t.Fatal(errs[0])
	}
	return n
}

func findings(l diag.List) string {
	var b strings.Builder
	l.Sort()
	for _, f := range l {
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s [%s] at %s\n", f.Span.File, f.Span.Start.Line, f.Span.Start.Col, f.Severity, f.Message, f.Rule, f.Pointer)
		if f.Help != "" {
			fmt.Fprintf(&b, "  help: %s\n", f.Help)
		}
	}
	return b.String()
}
