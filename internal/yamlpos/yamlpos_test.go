package yamlpos_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/yamlpos"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected results")

// TestCases reads every file named NAME.yml of the archive and compares with
// NAME.json: the value with its places, or the errors.
func TestCases(t *testing.T) {
	const name = "testdata/cases.txtar"
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range a.Files {
		want[f.Name] = string(f.Data)
	}
	out := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		base, ok := strings.CutSuffix(f.Name, ".yml")
		if !ok {
			continue
		}
		got := told(f.Name, f.Data)
		out.Files = append(out.Files, f, txtar.File{Name: base + ".out", Data: []byte(got)})
		if !*update && got != want[base+".out"] {
			t.Errorf("%s: got\n%swant\n%s", f.Name, got, want[base+".out"])
		}
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func told(name string, data []byte) string {
	var b strings.Builder
	n, errs := yamlpos.Parse(name, data)
	for _, e := range errs {
		fmt.Fprintf(&b, "%s: %v\n", e.Code, e)
	}
	if n != nil {
		fmt.Fprintf(&b, "%s\n", n.AppendJSON(nil))
		places(&b, "", n)
	}
	return b.String()
}

func places(b *strings.Builder, path string, n *jsonpos.Node) {
	fmt.Fprintf(b, "%d:%d %s\n", n.Span.Start.Line, n.Span.Start.Col, path)
	for _, m := range n.Members {
		places(b, path+"/"+m.Key, m.Value)
	}
	for i, e := range n.Elems {
		places(b, fmt.Sprintf("%s/%d", path, i), e)
	}
}

func FuzzParse(f *testing.F) {
	a, err := txtar.ParseFile("testdata/cases.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, errs := yamlpos.Parse("f.yml", data)
		if (n == nil) == (len(errs) == 0) {
			t.Fatal("a node or errors, not both or neither")
		}
		if n != nil && !json.Valid(n.AppendJSON(nil)) {
			t.Fatalf("no JSON: %s", n.AppendJSON(nil))
		}
	})
}
