package jinja

import "github.com/sluiceio/sluice/internal/jsonpos"

// FromNode returns a part of a configuration file as templates see it, for
// properties and the parameters of connector templates. A number that Go
// cannot read becomes its text.
func FromNode(n *jsonpos.Node) Value {
	if n == nil {
		return None()
	}
	switch n.Kind {
	case jsonpos.Bool:
		return Bool(n.Bool)
	case jsonpos.Number:
		v, err := parseNumber(n.Text)
		if err != nil {
			return Str(n.Text)
		}
		return v
	case jsonpos.String:
		return Str(n.Text)
	case jsonpos.Array:
		items := make([]Value, len(n.Elems))
		for i, e := range n.Elems {
			items[i] = FromNode(e)
		}
		return List(items...)
	case jsonpos.Object:
		members := make([]Member, len(n.Members))
		for i, m := range n.Members {
			members[i] = Member{m.Key, FromNode(m.Value)}
		}
		return Dict(members...)
	}
	return None()
}
