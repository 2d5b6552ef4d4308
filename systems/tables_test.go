package systems

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// table reads a table of cases.
func table[T any](t *testing.T, name string) []T {
	t.Helper()
	b, err := os.ReadFile("../testdata/components/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	return cases
}

func TestStatusRules(t *testing.T) {
	type c struct {
		Rule  string
		Has   []int
		Lacks []int
		Error string
	}
	for _, c := range table[c](t, "status.json") {
		set, err := ParseStatusSet(c.Rule)
		if got := text(err); got != c.Error {
			t.Errorf("%q: error %q, want %q", c.Rule, got, c.Error)
		}
		for _, code := range c.Has {
			if !set.Has(code) {
				t.Errorf("%q lacks %d", c.Rule, code)
			}
		}
		for _, code := range c.Lacks {
			if set.Has(code) {
				t.Errorf("%q has %d", c.Rule, code)
			}
		}
		if err == nil && set.String() != c.Rule {
			t.Errorf("%q prints as %q", c.Rule, set)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLinkHeader(t *testing.T) {
	type c struct {
		Header []string
		Links  map[string]string
	}
	for _, c := range table[c](t, "link.json") {
		got := map[string]string{}
		for _, l := range parseLinks(c.Header) {
			got[l.rel] = l.url
		}
		if !reflect.DeepEqual(got, c.Links) {
			t.Errorf("%q: %v, want %v", c.Header, got, c.Links)
		}
	}
}

func TestAddresses(t *testing.T) {
	type c struct{ Pattern, Base, Rel, Current, Want, Error string }
	for _, c := range table[c](t, "address.json") {
		a, k := address{c.Pattern, c.Base}, &keyring{}
		got, err := a.resolve(c.Rel, k)
		if c.Current != "" {
			got, err = a.next(c.Rel, c.Current, k)
		}
		if got != c.Want || text(err) != c.Error {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestSecretSources(t *testing.T) {
	type c struct{ In, Out string }
	for _, c := range table[c](t, "secret.json") {
		if got := rewriteSecrets(c.In).text; got != c.Out {
			t.Errorf("%s\ngives %s\nwant  %s", c.In, got, c.Out)
		}
	}
}

func TestRedact(t *testing.T) {
	k := &keyring{find: func(string) (string, bool) { return "p@ss word", true }}
	k.get("x")
	for in, want := range map[string]string{
		"the p@ss word":                            "the ***",
		"http://u:pw@h/a?x=1&api_key=12#f":         "http://***@h/a?x=1&api_key=***",
		"http://h/p%40ss+word/p@ss%20word?q=%zz&b": "http://h/***/***?q=%zz&b",
	} {
		got := k.redact(in)
		if in[:4] == "http" {
			got = k.redactURL(in)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// What a receiver echoes is hidden however it writes it.
func TestRedactEchoes(t *testing.T) {
	const secret = `a/b+"c\d&e'f`
	for _, in := range []string{
		`<a/b+"c\d&e'f>`, `<a/b+\"c\\d&e'f>`, `<a\/b+\"c\\d&e'f>`, `<a/b+\"c\\d\u0026e'f>`,
		`<a/b+&#34;c\d&amp;e&#39;f>`, `<a%2Fb%2B%22c%5Cd%26e%27f>`, `<a%2fb%2b%22c%5cd%26e%27f>`,
	} {
		k := &keyring{find: func(string) (string, bool) { return secret, true }}
		k.get("x")
		if got := k.redact(in); got != "<***>" {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func FuzzParseLinks(f *testing.F) {
	f.Add(`<a>; rel="next", <b>; rel=prev; x="\""`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range parseLinks([]string{s}) {
			if l.rel == "" {
				t.Errorf("%q gives a link without relation", s)
			}
		}
	})
}

func FuzzRewriteSecrets(f *testing.F) {
	f.Add(`Bearer $SECRET(a){{ 'x$SECRET(b)' ~ "$SECRET(c" }}{% if $SECRET(d) %}{# $SECRET(e) #}`)
	f.Fuzz(func(t *testing.T, s string) {
		src := rewriteSecrets(s)
		for i := range len(src.text) {
			if at := src.origin(i); at < -len(src.text) || at > len(s)+len(src.text) {
				t.Errorf("%q: offset %d maps to %d", s, i, at)
			}
		}
		if !HasSecret(s) && src.text != s {
			t.Errorf("%q became %q", s, src.text)
		}
	})
}
