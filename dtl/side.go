package dtl

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// Alias is a dataset with the name that expressions know it by.
type Alias struct{ Dataset, Name string }

// ParseAlias reads "dataset-id alias"; false if that is not what it is.
func ParseAlias(text string) (Alias, bool) {
	words := strings.Fields(text)
	if len(words) != 2 {
		return Alias{}, false
	}
	return Alias{words[0], words[1]}, true
}

// CompileSide compiles one side of a join between datasets: an expression over
// exactly one alias. It returns that alias' place in the list, and the index
// of the values that entities of the dataset are joined by; nil after an error.
func CompileSide(n *jsonpos.Node, aliases []Alias, o Options) (place int, ix *Index, finds diag.List) {
	b := newBuilder(o, n)
	for _, a := range aliases {
		b.aliases = append(b.aliases, a.Name)
	}
	e := b.Expr(n)
	name, one := onlyRef(e)
	place = slices.Index(b.aliases, name)
	if !b.finds.HasErrors() && (!one || place < 0) {
		b.Errorf(n, "dtl/join-side", sideHelp(n, b.aliases), "each side of a join is an expression over exactly one alias%s", sideFound(e, n))
	}
	if b.finds.HasErrors() {
		return 0, nil, b.finds
	}
	ix, more := newIndex(aliases[place].Dataset, renamed(n, name), o)
	if ix == nil {
		return 0, nil, append(b.finds, more...)
	}
	if b.impureIn(ix, "dtl/join-side", "a join") {
		return 0, nil, b.finds
	}
	return place, ix, b.finds
}

// impureIn reports what in an index' expression can change without the entity,
// and whether there is any.
func (b *Builder) impureIn(ix *Index, code, what string) (bad bool) {
	for _, use := range ix.expr.p.facts.Functions {
		if f, _ := b.o.Lib.Func(use.Name); f.Impure {
			b.report(diag.Error, use.Span, code, "", what+" may not use "+use.Name+", whose result can change without the entity")
			bad = true
		}
	}
	return bad
}

// sideFound says what stands there instead.
func sideFound(e *Expr, n *jsonpos.Node) string {
	switch {
	case len(e.refs) > 1:
		var names []string
		for name := range e.refs {
			names = append(names, name+".")
		}
		slices.Sort(names)
		return ", this one looks at " + strings.Join(names, " and ")
	case len(e.refs) == 1:
		for name := range e.refs {
			return ", this one looks at " + name + "."
		}
	}
	if name, _, dotted := strings.Cut(n.Text, "."); n.Kind == jsonpos.String && dotted {
		return `; there is no alias "` + name + `" in datasets`
	}
	return ", this one names none"
}

func sideHelp(n *jsonpos.Node, aliases []string) string {
	name, rest, dotted := strings.Cut(n.Text, ".")
	if near := textdist.Nearest(name, aliases); n.Kind == jsonpos.String && dotted && near != "" {
		return `did you mean "` + near + "." + rest + `"?`
	}
	return "the aliases are " + strings.Join(aliases, ", ")
}
