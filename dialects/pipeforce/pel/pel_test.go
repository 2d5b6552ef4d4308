package pel_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/dialects/pipeforce/pel"
	"github.com/sluiceio/sluice/entity"
)

var update = flag.Bool("update", false, "rewrite the expected results")

const casesFile = "testdata/cases.txt"

func value(t testing.TB, text string) entity.Value {
	t.Helper()
	v, err := entity.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func scope(t testing.TB) *pel.Scope {
	return &pel.Scope{
		Roots: map[string]entity.Value{
			"body": value(t, `{"eventKey":"webhook.lead.created","payload":{"origin":"eyJuYW1lIjoiSmFuZSBEb2UiLCJlbWFpbCI6ImphbmVAZXhhbXBsZS5jb20ifQ=="},
				"n":3,"f":1.5,"s":"abc","list":[{"a":1,"b":"x"},{"a":2,"b":"y"},{"a":3,"b":"x"}],"none":null,"yes":true,"d":{"k":1,"m":5}}`),
			"vars": value(t, `{"lead":"Jane"}`), "headers": value(t, `{}`),
		},
		User: value(t, `{"username":"systemuser","email":"s@example.com","anonymous":false}`),
		Now:  time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC),
	}
}

func roots() []string { return []string{"body", "vars", "headers"} }

// told is what becomes of a line of the cases: a template.
func told(t testing.TB, text string) string {
	tpl, errs := pel.ParseTemplate(text, pel.TemplateOptions{Roots: roots()})
	var b strings.Builder
	for _, e := range errs {
		fmt.Fprintf(&b, "! parse %d: %s", e.Offset, e.Msg)
		if e.Help != "" {
			b.WriteString("; " + e.Help)
		}
		b.WriteByte('\n')
	}
	if tpl == nil {
		return b.String()
	}
	v, err := tpl.Eval(scope(t))
	if err != nil {
		var e *pel.Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: the error %v has no place", text, err)
		}
		return fmt.Sprintf("! %d: %s\n", e.Offset, e.Msg)
	}
	return "= " + string(entity.AppendJSON(nil, v)) + "\n"
}

// TestCases compares each line of the file with what follows it behind = or !.
func TestCases(t *testing.T) {
	data, err := os.ReadFile(casesFile)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	lines := strings.SplitAfter(string(data), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		out.WriteString(line)
		i++
		if line == "\n" || line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		var want strings.Builder
		for ; i < len(lines) && (strings.HasPrefix(lines[i], "= ") || strings.HasPrefix(lines[i], "! ")); i++ {
			want.WriteString(lines[i])
		}
		got := told(t, strings.TrimSuffix(line, "\n"))
		out.WriteString(got)
		if !*update && got != want.String() {
			t.Errorf("%s: got\n%swant\n%s", strings.TrimSpace(line), got, want.String())
		}
	}
	if *update {
		if err := os.WriteFile(casesFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What would take long or much is broken off.
func TestBounds(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	s := &pel.Scope{Roots: map[string]entity.Value{"body": entity.NewString(big), "vars": entity.NewList(make([]entity.Value, 5000)...)}}
	for text, want := range map[string]string{
		strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000): "nested deeper",
		strings.Repeat("!", 1000) + "true":                          "nested deeper",
		strings.Repeat("1+", 20000) + "1":                           "more than 16384 bytes",
		"{" + strings.Repeat("body+body,", 200) + "1}":              "bytes of text",
		"vars.![vars.![1]]":                                         "takes too long",
		"2^2000*2^2000*2^2000":                                      "too large",
		"body matches '" + strings.Repeat("x", 1001) + "'":          "a pattern is a text",
		"body matches '(x+x+)+y'":                                   "",
	} {
		e, err := pel.Parse(text, roots())
		got := ""
		if err != nil {
			got = err.Msg
		} else if _, err := e.Eval(s); err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.40s: got %q, want %q", text, got, want)
		}
	}
}

// Other prefixes than $ and #.
func TestPrefix(t *testing.T) {
	tpl, errs := pel.ParseTemplate("%{vars.lead} ${x}", pel.TemplateOptions{Roots: roots(), Prefixes: []string{"%"}})
	if errs != nil {
		t.Fatal(errs[0])
	}
	if v, err := tpl.Eval(scope(t)); err != nil || v.Text() != "Jane ${x}" {
		t.Error(v.Text(), err)
	}
}

// No text makes it panic, and what it says of places is in the text.
func FuzzTemplate(f *testing.F) {
	data, err := os.ReadFile(casesFile)
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(strings.TrimSuffix(line, "\n"))
	}
	s := scope(f)
	f.Fuzz(func(t *testing.T, text string) {
		tpl, errs := pel.ParseTemplate(text, pel.TemplateOptions{Roots: roots()})
		if (tpl == nil) == (len(errs) == 0) {
			t.Fatal("a template or errors, not both or neither")
		}
		for _, e := range errs {
			if e.Offset < 0 || e.Offset > len(text) || e.Msg == "" {
				t.Fatalf("%d %q", e.Offset, e.Msg)
			}
		}
		if tpl == nil {
			return
		}
		var e *pel.Error
		if _, err := tpl.Eval(s); err != nil && (!errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text)) {
			t.Fatal(err)
		}
	})
}
