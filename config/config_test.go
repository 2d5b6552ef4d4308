package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite expected output")

// TestCases loads the files of each case as a node folder; the section "want"
// holds the effective components and the findings.
func TestCases(t *testing.T) {
	files, _ := filepath.Glob("../testdata/config/*.txtar")
	if len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runCase(t, file) })
	}
}

func runCase(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	want := -1
	for i, f := range ar.Files {
		if f.Name == "want" {
			want = i
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(f.Data), "<BOM>", "\uFEFF")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := describe(dir)
	if *update {
		ar.Files[want].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if string(ar.Files[want].Data) != got {
		t.Errorf("got:\n%s\nwant:\n%s", got, ar.Files[want].Data)
	}
}

func describe(dir string) string {
	c, finds := Load([]string{dir}, Options{Environ: []string{"SLUICE_SECRET_a=from-environment"}})
	var b strings.Builder
	for _, comp := range c.Components {
		fmt.Fprintf(&b, "%s %s %s\n", comp.ID, comp.Type, comp.Effective.AppendJSON(nil))
	}
	for _, name := range []string{"a", "b"} {
		if v, ok := c.Secrets.Lookup("shop", name); ok {
			fmt.Fprintf(&b, "secret %s = %s\n", name, v)
		}
	}
	for _, f := range finds {
		rel, _ := filepath.Rel(dir, f.Span.File)
		fmt.Fprintf(&b, "%s:%d:%d %s %s: %s", filepath.ToSlash(rel), f.Span.Start.Line, f.Span.Start.Col, f.Severity, f.Rule, strings.ReplaceAll(f.Message, dir+"/", ""))
		if f.Help != "" {
			fmt.Fprintf(&b, " (%s)", f.Help)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestUnreadable(t *testing.T) {
	_, finds := Load([]string{filepath.Join(t.TempDir(), "nowhere")}, Options{})
	if len(finds) != 1 || finds[0].Rule != "config/unreadable" {
		t.Error(finds)
	}
}

func TestUTF16(t *testing.T) {
	for _, data := range []string{"\xff\xfe[\x00]\x00", "\xfe\xff\x00[\x00]"} {
		if _, finds := Parse("x", []byte(data), Options{}); len(finds) != 1 || finds[0].Rule != "config/encoding" {
			t.Error(finds)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c, _ := Parse("x", []byte(`[]`), Options{Environ: []string{"SLUICE_SECRET_a=hidden"}})
	if s := fmt.Sprintf("%v %+v %#v %s", c.Secrets, c.Secrets, c.Secrets, c.Secrets); strings.Contains(s, "hidden") {
		t.Error(s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"_id":"a","type":"pipe","x":"$ENV(y) $SECRET(z)","$conditional_properties":{"condition":"a","alternatives":{"a":{"b":1}}}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, _ := Parse("f", data, Options{}); c == nil {
			t.Fatal("no configuration")
		}
	})
}
