package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// Namespacing is how namespaces are put on dicts: as pipes with
// "add_namespaces" do, and apply-ns.
type Namespacing struct {
	Property, Identity          string // "" puts none
	KeepUnder, KeepDollar, Deep bool
}

// Add returns v, a dict or a list of them, with namespaces on property names
// and on _id. Names that have one keep it. What is new goes into a.
func (n Namespacing) Add(a *entity.Arena, v entity.Value) entity.Value { return n.add(a, v, true) }

func (n Namespacing) add(a *entity.Arena, v entity.Value, root bool) entity.Value {
	switch v.Kind() {
	case entity.List:
		return eachOf(a, v, func(e entity.Value) entity.Value { return n.add(a, e, root) })
	case entity.Dict:
	default:
		return v
	}
	o := a.NewObject(v.Len())
	for _, m := range v.Object().Members() {
		if m.Key == entity.IDKey && root && n.Identity != "" && m.Value.Kind() == entity.String {
			m.Value = entity.NewString(qualify(a, n.Identity, m.Value.Text()))
		}
		if n.KeepUnder && strings.HasPrefix(m.Key, "_") || n.KeepDollar && strings.HasPrefix(m.Key, "$") {
			o.Set(m.Key, m.Value)
			continue
		}
		if n.Deep {
			m.Value = n.add(a, m.Value, false)
		}
		if n.Property != "" && !isNamespaced(m.Key) {
			m.Key = qualify(a, n.Property, m.Key)
		}
		o.Set(m.Key, m.Value)
	}
	return o.Value()
}

// qualify makes "namespace:name" in the arena.
func qualify(a *entity.Arena, namespace, name string) string {
	b := append(a.Text(len(namespace)+1+len(name)), namespace...)
	return a.String(append(append(b, ':'), name...))
}

func eachOf(a *entity.Arena, v entity.Value, f func(entity.Value) entity.Value) entity.Value {
	out := a.Values(v.Len())
	for _, e := range v.Elems() {
		out = append(out, f(e))
	}
	return entity.NewList(out...)
}

// StripNames returns v without namespaces on property names, at any depth. Of
// two names that become the same the last one stays.
func StripNames(a *entity.Arena, v entity.Value) entity.Value {
	return strip(a, v, func(e entity.Value) entity.Value { return e })
}

// StripNamespaces returns an entity without namespaces on property names, on
// _id and on namespaced identifiers, which become strings.
func StripNamespaces(a *entity.Arena, e entity.Value) entity.Value {
	out := strip(a, e, func(v entity.Value) entity.Value {
		if v.Kind() == entity.NI {
			return entity.NewString(identifier(v.Text()))
		}
		return v
	})
	if id, ok := out.Get(entity.IDKey); ok && id.Kind() == entity.String {
		out.Object().Set(entity.IDKey, entity.NewString(identifier(id.Text())))
	}
	return out
}

// identifier is what stands behind the namespace: colons in an identifier are
// not escaped, so the first one separates.
func identifier(s string) string {
	_, id, found := strings.Cut(s, ":")
	if !found {
		return s
	}
	return id
}

func strip(a *entity.Arena, v entity.Value, scalar func(entity.Value) entity.Value) entity.Value {
	switch v.Kind() {
	case entity.List:
		return eachOf(a, v, func(e entity.Value) entity.Value { return strip(a, e, scalar) })
	case entity.Dict:
		o := a.NewObject(v.Len())
		for _, m := range v.Object().Members() {
			o.Set(localName(m.Key), strip(a, m.Value, scalar))
		}
		return o.Value()
	default:
		return scalar(v)
	}
}
