package config

import (
	"regexp"
	"strings"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

var usualID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,61}$`)

// component checks what every component has, expands it and adds it.
func (l *loader) component(c *Config, n *jsonpos.Node) {
	if n.Kind != jsonpos.Object {
		l.finds.Add(finding(n.Span, "config/component", "a component is an object with _id and type", "a component is expected, found a %s", n.Kind))
		return
	}
	id, okID := l.text(n, "_id")
	typ, okType := l.text(n, "type")
	if !okID || !okType {
		return
	}
	at := n.Get("_id").Span
	switch {
	case strings.Contains(id, "/"):
		l.finds.Add(finding(at, "config/id", "write it with hyphens: in addresses of the node's API a slash ends an id", "the id %q contains a slash", id))
		return
	case !usualID.MatchString(id):
		l.finds.Add(warning(at, "config/id-style", "letters, digits and hyphens, 62 at the most, are safe everywhere", "the id %q is unusual", id))
	}
	if first := c.byID[id]; first != nil {
		where := first.Original.Get("_id").Span
		l.finds.Add(finding(at, "config/duplicate-id", "ids are unique in the whole configuration",
			"the id %q is taken already, by %s:%d", id, where.File, where.Start.Line))
		return
	}
	x := &expander{env: c.Env, finds: &l.finds, id: id}
	comp := &Component{ID: id, Type: typ, Original: n, Effective: x.root(n)}
	c.byID[id] = comp
	c.Components = append(c.Components, comp)
}

func (l *loader) text(n *jsonpos.Node, key string) (string, bool) {
	v := n.Get(key)
	if v == nil {
		at := n.Span
		at.End = jsonpos.Pos{Line: at.Start.Line, Col: at.Start.Col + 1}
		l.finds.Add(finding(at, "config/missing", "every component has _id and type", "the property %q is missing", key))
		return "", false
	}
	s, ok := v.Str()
	switch {
	case !ok:
		l.finds.Add(finding(v.Span, "config/type", "", "%q must be a text, found a %s", key, v.Kind))
	case s == "":
		l.finds.Add(finding(v.Span, "config/type", "every component has _id and type", "%q is empty", key))
	default:
		return s, true
	}
	return "", false
}
