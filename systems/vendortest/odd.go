package vendortest

import (
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Odd builds a type with every property of every JSON kind in turn, and with
// none at all: build must never panic, and what spec refuses must be refused.
func Odd(t *testing.T, name string, config any, build func(n *jsonpos.Node) diag.List) {
	t.Helper()
	build(parse(t, `{"type": "`+name+`"}`))
	for _, f := range spec.Fields(config) {
		if strings.TrimSpace(f.Doc) == "" {
			t.Errorf("%s: property %s has no doc", name, f.Name)
		}
		if f.Name == "type" {
			continue
		}
		for _, v := range []string{`null`, `true`, `1`, `"x"`, `""`, `[]`, `[1]`, `["x"]`, `[[]]`, `{}`, `{"a": 1}`, `{"a": {"b": []}}`} {
			n := parse(t, `{"type": "`+name+`", "`+f.Name+`": `+v+`}`)
			refused := spec.Decode(n, config).HasErrors()
			if got := build(n).HasErrors(); refused && !got {
				t.Errorf("%s is accepted", n.AppendJSON(nil))
			}
		}
	}
}

func parse(t *testing.T, s string) *jsonpos.Node {
	t.Helper()
	n, errs := jsonpos.Parse("odd.json", []byte(s))
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	return n
}
