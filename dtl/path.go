package dtl

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// path compiles a property path string such as "_S.orders.amount"; false if
// the string is ordinary text.
func (b *Builder) path(n *jsonpos.Node) (Eval, bool) {
	r, rest, ok := b.variable(n.Text)
	if !ok {
		return nil, false
	}
	steps, err := splitPath(rest)
	if err != "" {
		b.Errorf(n, "dtl/path", `a step with dots or quotes is written 'like.this'`, "%q: %s", n.Text, err)
		return func(*Ctx) entity.Value { return entity.Value{} }, true
	}
	if len(steps) == 0 {
		return r.value, true
	}
	if r.source && b.rule == "default" {
		b.facts.Sources = append(b.facts.Sources, Use{steps[0], n.Span})
	}
	eval := b.first(r, steps[0], strings.HasPrefix(n.Text, "_S."))
	for _, s := range steps[1:] {
		eval = b.get(eval, s)
	}
	return eval, true
}

// root is the variable a path begins with. A target is read where it stands,
// since a value of it has to be copied.
type root struct {
	value  Eval
	target func(c *Ctx) *entity.Object // of _T, else nil
	// _S and "_." are what most paths begin with.
	source, this bool
}

// variable splits the variable off a path and compiles it.
func (b *Builder) variable(text string) (r root, rest string, ok bool) {
	name, rest, found := strings.Cut(text, ".")
	if !found {
		return root{}, "", false
	}
	for slot := len(b.aliases) - 1; slot >= 0; slot-- {
		if b.aliases[slot] == name {
			b.ref(name)
			return root{value: func(c *Ctx) entity.Value { return c.alias[slot] }}, rest, true
		}
	}
	switch name {
	case "_":
		b.ref("_")
		return root{value: (*Ctx).This, this: true}, rest, true
	case "_B":
		b.ref("_B")
		return root{value: func(c *Ctx) entity.Value { return c.params }}, rest, true
	case "_S":
		b.ref("_S")
		return root{value: (*Ctx).Source, source: true}, rest, true
	case "_T", "_P", "_R":
		b.ref("_S")
		r, rest := frameRoot(name, rest)
		return r, rest, true
	}
	return root{}, "", false
}

// frameRoot compiles _S and _T, also behind _P (the caller, repeatable) and _R
// (the outermost rule). _P and _R by themselves are dicts.
func frameRoot(name, rest string) (root, string) {
	frameOf := func(c *Ctx) *frame { return c.frame }
	if name == "_R" {
		frameOf = func(c *Ctx) *frame { return c.frame.root }
		name, rest = nextVariable(rest, "_S", "_T")
	}
	for name == "_P" {
		below := frameOf
		frameOf = func(c *Ctx) *frame {
			if f := below(c); f != nil {
				return f.parent
			}
			return nil
		}
		name, rest = nextVariable(rest, "_S", "_T", "_P")
	}
	return rootOf(name, frameOf), rest
}

func rootOf(name string, frameOf func(c *Ctx) *frame) root {
	switch name {
	case "_S":
		return root{value: func(c *Ctx) entity.Value {
			if f := frameOf(c); f != nil {
				return f.source
			}
			return entity.Value{}
		}}
	case "_T":
		target := func(c *Ctx) *entity.Object {
			if f := frameOf(c); f != nil {
				return f.target
			}
			return nil
		}
		return root{value: func(c *Ctx) entity.Value { return snapshot(c, target(c)) }, target: target}
	default:
		return root{value: func(c *Ctx) entity.Value { return frameDict(c, frameOf(c)) }}
	}
}

// nextVariable takes one of the variables off a path, "" if none stands there.
func nextVariable(path string, known ...string) (name, rest string) {
	name, rest, found := strings.Cut(path, ".")
	if slices.Contains(known, name) && (found || rest == "") {
		return name, rest
	}
	return "", path
}

// frameDict is "_P." or "_R." as a value.
func frameDict(c *Ctx, f *frame) entity.Value {
	if f == nil {
		return entity.Value{}
	}
	o := c.arena.NewObject(3)
	o.Set("_S", f.source)
	o.Set("_T", snapshot(c, f.target))
	if f.parent != nil {
		o.Set("_P", frameDict(c, f.parent))
	}
	return o.Value()
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

// reader reads what a name stands for in a dict; false if it has no such
// property. A name can stand for several properties, of several namespaces.
type reader func(c *Ctx, o *entity.Object) (entity.Value, bool)

// reader compiles one step of a path.
func (b *Builder) reader(key string) reader {
	m := b.nameMatch(key)
	if m.local != "" {
		return m.read
	}
	slot := b.hint()
	key = m.exact
	return func(c *Ctx, o *entity.Object) (entity.Value, bool) { return o.GetHint(key, &c.hints[slot]) }
}

// first compiles the first step of a path.
func (b *Builder) first(r root, key string, ofSource bool) Eval {
	if r.target != nil {
		read := b.reader(key)
		return func(c *Ctx) entity.Value {
			v, _ := read(c, r.target(c))
			return v
		}
	}
	eval := b.getFirst(r, key)
	if key == entity.DeletedKey {
		return deletedOf(r, eval, r.source && (b.rule == "default" || b.rule == ""))
	}
	if !b.o.NamespacedIdentifiers || !ofSource || key != "$ids" {
		return eval
	}
	return func(c *Ctx) entity.Value {
		v := eval(c)
		if v.IsNull() {
			return c.dynamicIDs(r.value(c), b.o.IdentityNS)
		}
		return v
	}
}

// deletedOf is what an entity says of its being deleted: false if it says nothing. The
// source of the default rule is an entity, and so is a dict that a dataset has hashed;
// any other dict is one only if it says so.
func deletedOf(r root, said Eval, entities bool) Eval {
	return func(c *Ctx) entity.Value {
		v := said(c)
		if !v.IsNull() {
			return v
		}
		of := r.value(c)
		if _, stored := of.Get(entity.HashKey); of.Kind() == entity.Dict && (entities || stored) {
			return entity.NewBool(false)
		}
		return v
	}
}

// getFirst is get of a root, in one closure for the usual roots.
func (b *Builder) getFirst(r root, key string) Eval {
	m := b.nameMatch(key)
	if m.local != "" || !r.source && !r.this {
		return b.get(r.value, key)
	}
	slot, elsewhere := b.hint(), b.getExact(r.value, m.exact)
	if key = m.exact; r.this {
		return func(c *Ctx) entity.Value {
			if c.this.Kind() != entity.Dict {
				return elsewhere(c)
			}
			o := c.this.Object()
			v, ok := o.At(c.hints[slot], key)
			if !ok {
				v, _ = o.GetHint(key, &c.hints[slot])
			}
			return v
		}
	}
	return func(c *Ctx) entity.Value {
		if c.frame.source.Kind() != entity.Dict {
			return elsewhere(c)
		}
		o := c.frame.source.Object()
		v, ok := o.At(c.hints[slot], key)
		if !ok {
			v, _ = o.GetHint(key, &c.hints[slot])
		}
		return v
	}
}

// get compiles one step of a path.
func (b *Builder) get(of Eval, key string) Eval {
	if m := b.nameMatch(key); m.local == "" {
		return b.getExact(of, m.exact)
	}
	read := b.reader(key)
	return func(c *Ctx) entity.Value {
		v := of(c)
		if v.Kind() == entity.Dict {
			r, _ := read(c, v.Object())
			return r
		}
		return eachDict(c, v, read)
	}
}

// getExact is get for one property, which most paths are.
func (b *Builder) getExact(of Eval, key string) Eval {
	slot := b.hint()
	read := func(c *Ctx, o *entity.Object) (entity.Value, bool) { return o.GetHint(key, &c.hints[slot]) }
	return func(c *Ctx) entity.Value {
		v := of(c)
		if v.Kind() == entity.Dict {
			r, _ := v.Object().GetHint(key, &c.hints[slot])
			return r
		}
		return eachDict(c, v, read)
	}
}

// eachDict reads a property of every dict in a list; lists found on the way
// are opened into one. Of any other value it is null.
func eachDict(c *Ctx, v entity.Value, read reader) entity.Value {
	if v.Kind() != entity.List {
		return entity.Value{}
	}
	found := c.Gather()
	for _, e := range v.Elems() {
		if !c.Step() {
			break
		}
		if r, ok := read(c, e.Object()); ok && !found.open(r) {
			break
		}
	}
	return found.List()
}

// open adds the elements of a list, or any other value itself, null too.
func (g Gather) open(v entity.Value) bool {
	if v.IsNull() {
		g.Add(v)
		return true
	}
	return g.AddAll(v)
}

// dynamicIDs is _S.$ids of an entity that has none: its _id as an identifier.
func (c *Ctx) dynamicIDs(v entity.Value, ns string) entity.Value {
	id, ok := entity.ID(v)
	if !ok {
		return entity.Value{}
	}
	return entity.NewList(entity.NewNI(Qualified(id, ns)))
}

// Qualified is an identity with its namespace: ns unless it has one.
func Qualified(id, ns string) string {
	if isNamespaced(id) {
		return id
	}
	return ns + ":" + id
}

// Walk reads a property path given as steps, as the function path does.
func (b *Builder) Walk(c *Ctx, v entity.Value, key string) entity.Value {
	m := b.nameMatch(key)
	read := m.read
	if m.local == "" {
		read = func(_ *Ctx, o *entity.Object) (entity.Value, bool) { return o.Get(m.exact) }
	}
	if v.Kind() == entity.Dict {
		r, _ := read(c, v.Object())
		return r
	}
	return eachDict(c, v, read)
}
