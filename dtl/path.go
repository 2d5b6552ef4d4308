package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// path compiles a property path string such as "_S.orders.amount"; false if
// the string is ordinary text.
func (b *Builder) path(n *jsonpos.Node) (Eval, bool) {
	root, rest, ok := b.variable(n.Text)
	if !ok {
		return nil, false
	}
	steps, err := splitPath(rest)
	if err != "" {
		b.Errorf(n, "dtl/path", `a step with dots or quotes is written 'like.this'`, "%q: %s", n.Text, err)
		return func(*Ctx) entity.Value { return entity.Value{} }, true
	}
	eval := root
	for i, s := range steps {
		eval = b.get(eval, s, i == 0 && strings.HasPrefix(n.Text, "_S."))
	}
	return eval, true
}

// variable splits the variable off a path and compiles it.
func (b *Builder) variable(text string) (root Eval, rest string, ok bool) {
	name, rest, found := strings.Cut(text, ".")
	if !found {
		return nil, "", false
	}
	for slot := len(b.aliases) - 1; slot >= 0; slot-- {
		if b.aliases[slot] == name {
			b.ref(name)
			return func(c *Ctx) entity.Value { return c.alias[slot] }, rest, true
		}
	}
	switch name {
	case "_":
		b.ref("_")
		return func(c *Ctx) entity.Value { return c.this }, rest, true
	case "_B":
		b.ref("_B")
		return func(c *Ctx) entity.Value { return c.params }, rest, true
	case "_S", "_T", "_P", "_R":
		return b.frameVariable(name, rest)
	}
	return nil, "", false
}

// frameVariable compiles _S and _T, also behind _P (the caller, repeatable)
// and _R (the outermost rule).
func (b *Builder) frameVariable(name, rest string) (Eval, string, bool) {
	up, root := 0, false
	for name == "_P" || name == "_R" && up == 0 {
		if name == "_P" {
			up++
		} else {
			root = true
		}
		var found bool
		name, rest, found = strings.Cut(rest, ".")
		if root && found {
			break
		}
		if !found {
			return nil, "", false
		}
	}
	if name != "_S" && name != "_T" {
		return nil, "", false
	}
	b.ref("_S")
	target := name == "_T"
	return func(c *Ctx) entity.Value {
		f := c.frame
		for range up {
			if f == nil {
				break
			}
			f = f.parent
		}
		if root && f != nil {
			f = f.root
		}
		switch {
		case f == nil:
			return entity.Value{}
		case target:
			return snapshot(c, f.target)
		}
		return f.source
	}, rest, true
}

// snapshot makes a value of a target that may still change. The copy is
// shallow: members are values and never change.
func snapshot(c *Ctx, o *entity.Object) entity.Value {
	s := c.arena.NewObject(o.Len())
	s.AddFrom(o)
	return s.Value()
}

func (b *Builder) ref(name string) {
	if b.refs != nil {
		b.refs[name] = true
	}
}

// splitPath splits "a.'b.c'.d"; an empty text has no steps.
func splitPath(s string) (steps []string, problem string) {
	for s != "" {
		var step string
		if s[0] == '\'' {
			var ok bool
			if step, s, ok = quoted(s[1:]); !ok {
				return nil, "a quoted step is not closed"
			}
			if s != "" && s[0] != '.' {
				return nil, "a dot is expected after a quoted step"
			}
			s = strings.TrimPrefix(s, ".")
		} else {
			step, s, _ = strings.Cut(s, ".")
		}
		steps = append(steps, step)
	}
	return steps, ""
}

// quoted reads up to the closing quote; two quotes stand for one.
func quoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

// get compiles one step of a path.
func (b *Builder) get(of Eval, key string, ofSource bool) Eval {
	if b.o.NamespacedIdentifiers {
		m := newNameMatch(key, b.o.IdentityNS, b.o.PropertyNS)
		ids := ofSource && key == "$ids"
		return func(c *Ctx) entity.Value {
			v := of(c)
			r := step(c, v, func(o *entity.Object, out []entity.Value) []entity.Value { return m.values(o, out) })
			if ids && r.IsNull() {
				return c.dynamicIDs(v, m.identity)
			}
			return r
		}
	}
	slot := b.hint()
	return func(c *Ctx) entity.Value {
		v := of(c)
		if v.Kind() == entity.Dict {
			r, _ := v.Object().GetHint(key, &c.hints[slot])
			return r
		}
		if v.Kind() != entity.List {
			return entity.Value{}
		}
		return step(c, v, func(o *entity.Object, out []entity.Value) []entity.Value {
			if r, ok := o.GetHint(key, &c.hints[slot]); ok {
				out = append(out, r)
			}
			return out
		})
	}
}

// dynamicIDs is _S.$ids of an entity that has none: its _id as an identifier.
func (c *Ctx) dynamicIDs(v entity.Value, ns string) entity.Value {
	id, ok := entity.ID(v)
	if !ok {
		return entity.Value{}
	}
	if !isNamespaced(id) {
		id = ns + ":" + id
	}
	return entity.NewList(entity.NewNI(id))
}

// step reads a property of a dict, or of all dicts in a list: then lists found
// on the way are opened into one.
func step(c *Ctx, v entity.Value, read func(*entity.Object, []entity.Value) []entity.Value) entity.Value {
	switch v.Kind() {
	case entity.Dict:
		found := read(v.Object(), nil)
		switch len(found) {
		case 0:
			return entity.Value{}
		case 1:
			return found[0]
		}
		return entity.NewList(flatten(c, found)...)
	case entity.List:
		var found []entity.Value
		for _, e := range v.Elems() {
			if !c.Step() {
				break
			}
			found = read(e.Object(), found)
		}
		return entity.NewList(flatten(c, found)...)
	default:
		return entity.Value{}
	}
}

func flatten(c *Ctx, found []entity.Value) []entity.Value {
	n := 0
	for _, v := range found {
		n += max(1, v.Len())
	}
	out := c.arena.Values(n)
	for _, v := range found {
		if v.Kind() == entity.List {
			out = append(out, v.Elems()...)
		} else {
			out = append(out, v)
		}
	}
	return out
}

// Walk reads a property path given as steps, as the function path does.
func (b *Builder) Walk(c *Ctx, v entity.Value, key string) entity.Value {
	m := newNameMatch(key, b.o.IdentityNS, b.o.PropertyNS)
	if !b.o.NamespacedIdentifiers {
		m = nameMatch{exact: key}
	}
	return step(c, v, func(o *entity.Object, out []entity.Value) []entity.Value { return m.values(o, out) })
}
