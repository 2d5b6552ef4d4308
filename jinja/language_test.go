package jinja

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
)

// TestLanguage runs short templates whose results Python's jinja2 has given;
// null stands for an error.
func TestLanguage(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(caseDir, "language", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vars  json.RawMessage
		Cases [][2]*string
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		var k conformanceCase
		k.Template, k.Mode, k.Vars, k.Expected.OK = *c[0], "strict", file.Vars, c[1]
		got, err := renderCase(t, k)
		switch {
		case errors.Is(err, ErrLimit) || err != nil && strings.Contains(err.Error(), "internal"):
			t.Errorf("%s: %v", k.Template, err)
		case (err != nil) != (c[1] == nil):
			t.Errorf("%s: %q %v", k.Template, got, err)
		case c[1] != nil && got != *c[1]:
			t.Errorf("%s:\n want %q\n got  %q", k.Template, *c[1], got)
		}
	}
}

// TestChainable is undefined as REST operations have it.
func TestChainable(t *testing.T) {
	for src, want := range map[string]string{
		`{% if previous_params.Page is not defined %}1{% endif %}`:   "1",
		`{% if a.b.c['d'][0].e is defined %}T{% else %}F{% endif %}`: "F",
		`{{ a.b|default('x') }}`:                                     "x",
		`{{ d.zz.yy|default('x') }}`:                                 "x",
		`{{ d.x.y.z is defined }}`:                                   "False",
		`{{ a.b.c }}`:                                                "undefined",
		`{{ d.zz.yy }}`:                                              "undefined",
		`{{ a.b() }}`:                                                "undefined",
		`{{ body.paging.next.link.split('?')[0] }}`:                  "undefined",
		`{% if a.b %}{% endif %}`:                                    "undefined",
		`{{ a.b == 1 }}`:                                             "undefined",
		`{{ a.b ~ 'x' }}`:                                            "undefined",
		`{{ a.b|length }}`:                                           "undefined",
		`{{ nul }}`:                                                  "None",
		`{{ 'x' if d.x }}`:                                           "x",
		`{{ 'x' if not d.x }}`:                                       "",
	} {
		tmpl, err := Compile(src, Options{Undefined: ChainableStrict})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Render(t.Context(), VarMap{"d": Dict(Member{"x", Int(1)}), "nul": None()})
		if errors.Is(err, ErrUndefined) {
			got, err = "undefined", nil
		}
		if err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", src, got, err, want)
		}
	}
}

// TestErrorsSayWhere checks place, text and help of mistakes.
func TestErrorsSayWhere(t *testing.T) {
	for src, want := range map[string]string{
		"a\nb {{ x y }}":            `2:8: expected the end of the value, got "y"`,
		"{{ x | uper }}":            "1:8: there is no filter \"uper\" (did you mean `upper`?)",
		"{{ x is defind }}":         "1:9: there is no test \"defind\" (did you mean `defined`?)",
		"{{ x && y }}":              "1:6: unexpected character '&' (write `and`)",
		"{{ x ? 1 : 2 }}":           "1:6: unexpected character '?' (write `a if condition else b`)",
		"{% if x = 5 %}{% endif %}": `1:9: expected the end of the statement, got "=" (compare with ==)`,
		"{% include 'x' %}":         `1:4: the statement "include" is not available (templates here stand alone and cannot load others)`,
		"{% import 'x' as y %}":     `1:4: the statement "import" is not available`,
		"{% from 'x' import y %}":   `1:4: the statement "from" is not available`,
		"{% extends 'x' %}":         `1:4: the statement "extends" is not available`,
		"{% if x %}":                "1:11: the template ends where elif or else or endif is expected",
		"{{ 'abc }}":                `1:4: this text is never closed: expected "'"`,
		"{{ x ":                     `1:3: expected "}}" before the end of the template`,
		"{{ (1] }}":                 `1:6: unexpected "]", expected ")"`,
		"æ{{ d.x.y }}":              "1:9: 'int object' has no attribute 'y'",
		"{{ naem }}":                "1:4: 'naem' is undefined (did you mean `name`?)",
		"{{ 1 + d.x + 'a' }}":       "1:12: operator + is not there for 'int' and 'str'",
		"{{ name|truncate('x') }}":  "1:9: argument 1 of truncate must be int, not str",
		"{{ name|replace('x') }}":   `1:9: replace needs the argument "new"`,
		"{{ name.split(1, 2, 3) }}": "1:14: split takes 2 arguments, 3 were given",
		"{{ fetch() }}":             "1:9: fetch: out of order",
	} {
		tmpl, err := Compile(src, Options{Sets: []Set{{Funcs: map[string]*Func{
			"fetch": NewFunc("", func(c *Call) Value { return c.Fail(os.ErrClosed) }),
		}}}})
		if err == nil {
			_, err = tmpl.Render(t.Context(), VarMap{"d": Dict(Member{"x", Int(1)}), "name": Str("n"), "x": Int(1), "y": Int(1)})
		}
		if errors.Is(err, os.ErrClosed) {
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\n want %s\n got  %v", src, want, err)
		}
	}
	_, err := Compile("{{ x y }}", Options{Pos: func(o int) (string, int, int) { return "p.conf.json", 7, 10 + o }})
	if err == nil || !strings.HasPrefix(err.Error(), "p.conf.json:7:15: ") {
		t.Errorf("place in the file: %v", err)
	}
}

func TestFromEntity(t *testing.T) {
	v, err := entity.DecodeString(`{"_id":"1","a":{"b":[1,"x",null,true]},"d":"~f12345678901234567890.10","t":"~t2024-05-01T10:11:12Z","y":"~bYWJj","n":"~:ns:x","u":"~rhttp://x/","big":123456789012345678901234567890,"f":1.5,"day":"~t2024-05-01"}`)
	if err != nil {
		t.Fatal(err)
	}
	vars := VarMap{"entity": FromEntity(v)}
	for _, m := range v.Object().Members() {
		vars[m.Key] = FromEntity(m.Value)
	}
	for src, want := range map[string]string{
		`{{ a.b[1] }}{{ a.b|length }}`: "x4", `{{ a }}`: "{'b': [1, 'x', None, True]}", `{{ d }}`: "12345678901234567890.10",
		`{{ d > 1 }}`: "True", `{{ t.year }} {{ t }}`: "2024 2024-05-01 10:11:12+00:00", `{{ y }}`: "b'abc'", `{{ n }}`: "ns:x",
		`{{ u }}`: "http://x/", `{{ big + 1 }}`: "123456789012345678901234567891", `{{ f }}`: "1.5", `{{ entity._id ~ _id }}`: "11",
		`{{ entity|list|length }}`: "10", `{{ entity|tojson|length > 50 }}`: "error", `{{ zz is defined }}`: "False", `{{ day }}`: "2024-05-01",
	} {
		tmpl, err := Compile(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Render(t.Context(), vars)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q %v, want %q", src, got, err, want)
		}
	}
}

func TestUsesName(t *testing.T) {
	tmpl, err := Compile(`{{ a.since }}{% if since %}{% endif %}{{ 'page' }}`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !tmpl.UsesName("since") || !tmpl.UsesName("a") || tmpl.UsesName("page") || tmpl.IsStatic() {
		t.Errorf("names %v", tmpl.Names())
	}
}
