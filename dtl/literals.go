package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// checkLiterals warns of literals that an argument's type does not take. It is
// no error: what the body makes of them, mostly null, is what files that are in
// use live with.
func (b *Builder) checkLiterals(f *declared, bound [][]*jsonpos.Node) {
	for i, group := range bound {
		p := f.sig.params[i]
		for _, n := range group {
			if kind, ok := literalKind(n); ok && !takes(p.typ, kind) {
				b.Warnf(n, "dtl/argument-type", f.Name+" takes "+f.sig.text, "%s: %s is %s, found the %s %s",
					f.Name, p.name, withArticle(p.typ), kind, n.AppendJSON(nil))
			}
		}
	}
}

// literalKind is the kind of a literal that is no list; false for paths, calls
// and null, which any argument may be.
func literalKind(n *jsonpos.Node) (entity.Kind, bool) {
	path := n.Kind == jsonpos.String && strings.Contains(n.Text, ".")
	if path || n.Kind == jsonpos.Array || n.Kind == jsonpos.Null {
		return 0, false
	}
	if _, secret := secretName(n); secret {
		return 0, false
	}
	v, err := Literal(n)
	return v.Kind(), err == nil
}

func takes(typ string, k entity.Kind) bool {
	switch typ {
	case "string", "character-expression":
		return k == entity.String
	case "integer", "integer-expression":
		return k == entity.Int
	case "numeric-expression":
		return k == entity.Int || k == entity.Float || k == entity.Decimal
	case "dict":
		return k == entity.Dict
	default:
		return true
	}
}

func withArticle(typ string) string {
	word := strings.TrimSuffix(typ, "-expression")
	if word == "numeric" {
		word = "number"
	}
	if strings.HasPrefix(word, "i") {
		return "an " + word
	}
	return "a " + word
}
