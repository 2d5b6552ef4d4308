package jinja

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzTemplate compiles and renders anything: it must neither panic nor spend
// more than its limits, and must give the same answer twice.
func FuzzTemplate(f *testing.F) {
	for _, file := range []string{"control", "operators", "filters", "security", "slicing", "python-methods"} {
		for _, c := range loadCases(f, filepath.Join(caseDir, file+".json")) {
			f.Add(c.Template, byte(c.ID))
		}
	}
	for _, b := range bombs {
		if len(b) < 1000 {
			f.Add(b, byte(0))
		}
	}
	vars, err := ParseVars([]byte(`{"s":"Hello","l":[3,1,2],"d":{"b":2,"a":[1]},"x":5,"f":2.5,"n":null,"b":true,"by":{"$bytes":"YWJj"},"dt":{"$datetime":"2024-05-01T10:11:12Z"}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string, mode byte) {
		o := Options{Undefined: Undefined(mode % 4), Sets: []Set{StdSet()}, Host: conformanceHost(),
			Limits: Limits{Steps: 50_000, Memory: 1 << 20, Output: 1 << 16, Source: 1 << 14}}
		if mode&4 != 0 {
			o.Delimiters = ConnectorDelimiters()
		}
		tmpl, err := Compile(src, o)
		if err != nil {
			mustBeError(t, src, err)
			return
		}
		first, err := tmpl.Render(t.Context(), vars)
		if err != nil {
			mustBeError(t, src, err)
			return
		}
		second, err := tmpl.Render(t.Context(), vars)
		if (err != nil || first != second) && !strings.Contains(src, "random") {
			t.Errorf("%q gives %q, then %q %v", src, first, second, err)
		}
	})
}

func mustBeError(t *testing.T, src string, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Code == CodeInternal || e.Line < 1 || e.Col < 1 || e.Msg == "" {
		t.Errorf("%q: %#v", src, err)
	}
}

// FuzzJSON reads anything as variables.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,1.0,"x",null,true]}`, `{"$bytes":"!"}`, `{"$datetime":"x"}`, `[[[[`, `1e999`, strings.Repeat("[", 500)} {
		f.Add(s)
	}
	tmpl, err := Compile("{{ v }}{{ v|tojson }}", Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		v, err := ParseJSON([]byte(src))
		if err != nil {
			return
		}
		if _, err := tmpl.Render(t.Context(), VarMap{"v": v}); err != nil {
			mustBeError(t, src, err)
		}
	})
}

func benchmark(b *testing.B, src string, o Options, vars Vars) {
	tmpl, err := Compile(src, o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(b.Context(), vars); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkURL(b *testing.B) {
	benchmark(b, "https://api.example.com/{{ properties.datatype }}/{{ entity.id }}", Options{Undefined: ChainableStrict}, VarMap{
		"properties": Dict(Member{"datatype", Str("customers")}), "entity": Dict(Member{"id", Int(12345)}),
	})
}

func BenchmarkHMAC(b *testing.B) {
	v, err := CompileValidation(`{% if request_headers['X-Shopify-Hmac-SHA256'] == b64encode(hmacsha256digest(secret('standard'), request_body)) %}{% else %}FAIL!{% endif %}`, Options{})
	if err != nil {
		b.Fatal(err)
	}
	r := Request{Headers: headers(map[string]string{"X-Shopify-Hmac-SHA256": "x"}), Body: []byte(`{"id": 1, "name": "some small body"}`)}
	secret := func(context.Context, string) (string, error) { return "wh-s3cr3t", nil }
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, text, err := v.Check(ctx, r, secret); err != nil || text != "FAIL!" {
			b.Fatal(text, err)
		}
	}
}
