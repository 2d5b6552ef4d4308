package dtl

import (
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// join is an eq between two sides that each know one different variable.
type join struct {
	sides [2]*Expr
	nodes [2]*jsonpos.Node
	names [2]string
	used  bool
}

func bothBound(j *join, bound map[string]bool, aliases []string) bool {
	for _, name := range j.names {
		if containsText(aliases, name) && !bound[name] {
			return false
		}
	}
	return true
}

// joined tells whether another used join is between the same two variables.
func (j *join) joined(all []*join) bool {
	for _, o := range all {
		if o != j && o.used && (o.names == j.names || o.names == [2]string{j.names[1], j.names[0]}) {
			return true
		}
	}
	return false
}

// overlapping is the first join between two aliases that others have led to
// already: any value in common will do.
func overlapping(j *join) Eval {
	return func(c *Ctx) entity.Value {
		return entity.NewBool(overlap(j.sides[0].Eval(c), j.sides[1].Eval(c)))
	}
}

// overlap tells whether two values, as lists, have a value in common that is
// not null.
func overlap(a, b entity.Value) (hit bool) {
	EachElem(a, func(x entity.Value) bool {
		EachElem(b, func(y entity.Value) bool {
			hit = !x.IsNull() && entity.Equal(x, y)
			return !hit
		})
		return !hit
	})
	return hit
}

// exactly is a further join between the same aliases: plain equality.
func exactly(j *join) Eval {
	return func(c *Ctx) entity.Value {
		return entity.NewBool(EqualLists(j.sides[0].Eval(c), j.sides[1].Eval(c)))
	}
}

// EqualLists is eq: both sides as lists, exactly and in order. Null is equal
// to null alone.
func EqualLists(a, b entity.Value) bool {
	if a.Kind() != entity.List && b.Kind() == entity.List && b.Len() == 1 {
		b = b.Elems()[0]
		if a.IsNull() {
			return false
		}
	} else if b.Kind() != entity.List && a.Kind() == entity.List && a.Len() == 1 {
		a = a.Elems()[0]
		if b.IsNull() {
			return false
		}
	}
	return entity.Equal(a, b)
}

// conditions splits where into joins and filters.
func (b *Builder) conditions(n *jsonpos.Node) (joins []*join, filters []*Expr) {
	for _, cond := range conjunction(n.Get("where")) {
		if j := b.join(cond); j != nil {
			joins = append(joins, j)
		} else {
			filters = append(filters, b.Expr(cond))
		}
	}
	return joins, filters
}

// conjunction opens a list of conditions and the ands among them.
func conjunction(n *jsonpos.Node) []*jsonpos.Node {
	if n.Kind != jsonpos.Array || len(n.Elems) == 0 {
		return []*jsonpos.Node{n}
	}
	elems := n.Elems
	if elems[0].Kind == jsonpos.String {
		if elems[0].Text != "and" {
			return []*jsonpos.Node{n}
		}
		elems = elems[1:]
	}
	var all []*jsonpos.Node
	for _, e := range elems {
		all = append(all, conjunction(e)...)
	}
	return all
}

// join returns an eq whose sides know exactly one variable each, different
// ones, at least one of them an alias; nil for any other condition.
func (b *Builder) join(n *jsonpos.Node) *join {
	if n.Kind != jsonpos.Array || len(n.Elems) != 3 || n.Elems[0].Text != "eq" {
		return nil
	}
	finds, facts := len(b.finds), b.facts
	left, right := b.Expr(n.Elems[1]), b.Expr(n.Elems[2])
	l, okL := onlyRef(left)
	r, okR := onlyRef(right)
	if !okL || !okR || l == r || !containsText(b.aliases, l) && !containsText(b.aliases, r) {
		// It is compiled again as a filter, which tells the same once more.
		b.finds, b.facts = b.finds[:finds], facts
		return nil
	}
	return &join{sides: [2]*Expr{left, right}, nodes: [2]*jsonpos.Node{n.Elems[1], n.Elems[2]}, names: [2]string{l, r}}
}

func onlyRef(e *Expr) (string, bool) {
	if len(e.refs) != 1 {
		return "", false
	}
	for name := range e.refs {
		return name, true
	}
	return "", false
}
