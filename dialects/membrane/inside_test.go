package membrane

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/internal/yamlpos"
	"github.com/sluiceio/sluice/sources"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected results")

// TestFindings compiles each folder of the archive and compares what is said of it
// with its file want.
func TestFindings(t *testing.T) {
	const name = "testdata/findings.txtar"
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range a.Files {
		folder, ok := strings.CutSuffix(f.Name, "/want")
		if !ok {
			continue
		}
		dir := t.TempDir()
		for _, g := range a.Files {
			if file, ok := strings.CutPrefix(g.Name, folder+"/"); ok && file != "want" {
				path := filepath.Join(dir, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, g.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := told(dir)
		if *update {
			a.Files[i].Data = []byte(got)
		} else if got != string(f.Data) {
			t.Errorf("%s: got\n%swant\n%s", folder, got, f.Data)
		}
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func told(dir string) string {
	c, finds := config.Load([]string{dir}, config.Options{Fronts: []config.Front{front{}}})
	var b strings.Builder
	for _, f := range finds {
		file, _ := filepath.Rel(dir, f.Span.File)
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s [%s]", filepath.ToSlash(file), f.Span.Start.Line, f.Span.Start.Col, f.Severity, f.Message, f.Rule)
		if f.Help != "" {
			fmt.Fprintf(&b, " %s", f.Help)
		}
		b.WriteByte('\n')
	}
	for _, comp := range c.Components {
		fmt.Fprintf(&b, "%s %s\n", comp.Type, comp.ID)
	}
	return b.String()
}

// TestFormulas runs the lines of testdata/formulas.txt: a formula, an arrow and
// what it is, over the variables of the first line.
func TestFormulas(t *testing.T) {
	const name = "testdata/formulas.txt"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	vars, err := anyOf([]byte(lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines[1:] {
		expr, want, _ := strings.Cut(line, " → ")
		got := evaluate(expr, vars.(map[string]any))
		if *update {
			lines[i+1] = expr + " → " + got
		} else if got != want {
			t.Errorf("%s\n got %s\nwant %s", expr, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func evaluate(expr string, vars map[string]any) string {
	n, errs := yamlpos.Parse("f.yml", []byte(expr))
	if len(errs) > 0 {
		return "error: " + errs[0].Error()
	}
	f, finds := parseFormula(n)
	if len(finds) > 0 {
		return "error: " + finds[0].Message + "; " + finds[0].Help
	}
	v, err := f(vars)
	if err != nil {
		return "error: " + err.Error()
	}
	out, err := json.Marshal(v)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(out)
}

// FuzzFormula: whatever is written, a formula is refused or makes a value.
func FuzzFormula(f *testing.F) {
	data, err := os.ReadFile("testdata/formulas.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		expr, _, _ := strings.Cut(line, " → ")
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		evaluate(expr, map[string]any{"parameters": map[string]any{"a": []any{"x", nil}}, "input": json.Number("1")})
	})
}

// FuzzFront: whatever stands in the files, there are findings or components, and
// those have ids and types.
func FuzzFront(f *testing.F) {
	f.Add("key: k\nmethods: {handle: {implementationType: javascript}}", "export default () => 1", "connector: c\nparameters: {a: $SECRET(x)}\nconnections: {a: {system: s}}")
	f.Add("// spec.yml\nname: x", "$ENV(x)", "connector: d")
	f.Fuzz(func(t *testing.T, spec, script, installed string) {
		files := map[string]string{"connectors/c/global-webhooks/k/spec.yml": spec, "connectors/c/global-webhooks/k/handle.js": script,
			"connectors/c/events/k/spec.yml": spec, "connectors/c/events/k/get-event-selector.map.yml": script, "connectors/c/spec.yml": installed,
			"integrations/i.yml": installed}
		var names []string
		for name := range files {
			names = append(names, name)
		}
		nodes, _ := front{}.Compile("", names, func(path string) ([]byte, error) { return []byte(files[filepath.ToSlash(path)]), nil })
		for _, n := range nodes {
			id, okID := n.Get("_id").Str()
			typ, okType := n.Get("type").Str()
			if !okID || !okType || id == "" || typ == "" || !json.Valid(n.AppendJSON(nil)) {
				t.Errorf("a component %s", n.AppendJSON(nil))
			}
		}
	})
}

// FuzzRequest: whatever is sent, handle gets JSON or the sender an error.
func FuzzRequest(f *testing.F) {
	f.Add("application/json", "{}", "a=1&a=2")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\ny\r\n--x--\r\n", "")
	f.Add("application/x-www-form-urlencoded", "a=%ff", "%zz")
	f.Fuzz(func(t *testing.T, kind, body, query string) {
		params, _ := url.ParseQuery(query) // what can be read of it
		c, err := callOf(sources.Request{Params: params, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)}, false)
		if err != nil {
			return
		}
		c.Parameters = json.RawMessage("{}")
		if text, err := json.Marshal(c); err != nil || !json.Valid(text) {
			t.Errorf("%v %s", err, text)
		}
	})
}

// FuzzReturned: whatever a handler returns, its answer can be sent.
func FuzzReturned(f *testing.F) {
	f.Add(`{"events": [{"selector": "a", "payload": 1, "dedupKey": 7}], "response": {"status": 201, "headers": {"a": ["b", 1]}, "data": {"x": 1}}}`)
	f.Add(`null`)
	f.Add(`{"response": {"status": 1e3, "headers": {"a b": "c"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readReturned([]byte(text))
		if err != nil {
			return
		}
		a, err := answerOf(r.Response)
		if err != nil {
			return
		}
		if a.status < 200 || a.status > 599 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%+v", a)
		}
	})
}
