package stdlib

import (
	"strings"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

func transforms() []dtl.Func {
	return []dtl.Func{
		{Name: "add", Args: "PROPERTY(string{1}) VALUES(value-expression{1})",
			Doc: "Sets a property of the target.", Step: assign(nil)},
		{Name: "add-if", Args: "PROPERTY(string{1}) CONDITION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc: "Sets a property if the condition holds for the value; by default if it is not null.",
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				name, cond, vals := property(b, a.One(0)), b.Optional(a.One(1)), b.Expr(a.One(2)).Eval
				return func(c *dtl.Ctx) dtl.Flow {
					v := vals(c)
					if cond == nil && !v.IsNull() || cond != nil && dtl.Truthy(c.With(v, cond.Eval)) {
						name(c, func(key string) { c.Target().Set(key, v) })
					}
					return dtl.Continue
				}
			}},
		{Name: "default", Args: "PROPERTY(string{1}) VALUES(value-expression{1})",
			Doc: "Sets a property that the target does not have yet.",
			Step: assign(func(o *entity.Object, key string) bool {
				_, has := o.Get(key)
				return !has
			})},
		{Name: "comment", Args: "COMMENTS(value{>=0})", Doc: "Does nothing.",
			Step: func(*dtl.Builder, dtl.Args) dtl.Step {
				return func(*dtl.Ctx) dtl.Flow { return dtl.Continue }
			}},
		{Name: "copy", Args: "INCLUDE(wildcard-list{1}) EXCLUDE(wildcard-list{0|1})",
			Doc: "Copies the source's properties that match.",
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				copyTo := b.Copier(patterns(b, a.One(0)), patterns(b, a.One(1)))
				return func(c *dtl.Ctx) dtl.Flow {
					copyTo(c, c.Source().Object(), c.Target())
					return dtl.Continue
				}
			}},
		{Name: "remove", Args: "PROPERTY(wildcard-list{1})",
			Doc: "Deletes the target's properties that match.", Step: remove},
		{Name: "rename", Args: "PROPERTY1(string{1}) PROPERTY2(string{1})",
			Doc: "Copies a source property to the target under another name.", Step: rename},
		{Name: "merge", Args: "VALUES(value-expression{1})",
			Doc: "Sets the properties of dicts on the target; root ones that begin with _ are skipped.",
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				vals := b.Expr(a.One(0)).Eval
				return func(c *dtl.Ctx) dtl.Flow {
					eachMember(vals(c), func(m entity.Member) { c.Target().Set(m.Key, m.Value) })
					return dtl.Continue
				}
			}},
		{Name: "merge-union", Args: "VALUES(value-expression{1})",
			Doc:  "As merge, but a property that is there already gathers its values in a list.",
			Step: mergeUnion},
		{Name: "make-ni", Args: "NAMESPACE(string{1}) FROM_PROPERTY(string{1}) TO_PROPERTY(string{0|1})",
			Doc: "Turns the strings of a source property into namespaced identifiers.", Step: makeNI},
	}
}

func shaping() []dtl.Func {
	return []dtl.Func{
		{Name: "create", Args: "VALUES(value-expression{1})",
			Doc: "Emits entities besides the target.",
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				return eachEntity(b, a, func(c *dtl.Ctx, v value) { c.Emit(v) })
			}},
		{Name: "create-child", Args: "VALUES(value-expression{1})",
			Doc: "Adds entities to the target's $children.",
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				b.MarkChildren()
				return eachEntity(b, a, func(c *dtl.Ctx, v value) {
					have, _ := c.Target().Get("$children")
					both := list(c, append(elems(have)[:len(elems(have)):len(elems(have))], v))
					c.Target().Set("$children", distinct(c, (*dtl.Ctx).This, both))
				})
			}},
		{Name: "discard", Args: "UNLESS_CONDITION(boolean-expression{0|1})",
			Doc:  "Drops the entity without a trace unless the condition is true.",
			Step: stopUnless(dtl.Discard)},
		{Name: "fail!", Args: "MESSAGE(string{1})", Doc: "Fails the pump with a message.", Step: failWith("dtl/fail")},
		{Name: "sleep!", Args: "PERIOD(integer-expression{1})", Doc: "Pauses a number of seconds.", Step: sleep},
		{Name: "trip!", Args: "MESSAGE(string{1})", Doc: "Fails the pump with a message and trips the sink's circuit breaker.", Step: failWith("dtl/trip")},
	}
}

// property compiles the name of what is written: one name or several.
func property(b *dtl.Builder, n *jsonpos.Node) func(c *dtl.Ctx, f func(key string)) {
	e := b.Expr(n)
	if s, ok := text(e.Value); e.Const && ok {
		key := b.WriteName(s)
		return func(_ *dtl.Ctx, f func(string)) { f(key) }
	}
	return func(c *dtl.Ctx, f func(string)) {
		dtl.EachElem(e.Eval(c), func(v value) bool {
			if s, ok := text(v); ok {
				f(b.WriteName(s))
			}
			return true
		})
	}
}

// assign sets a property, if allowed says so; nil allows always.
func assign(allowed func(o *entity.Object, key string) bool) func(*dtl.Builder, dtl.Args) dtl.Step {
	return func(b *dtl.Builder, a dtl.Args) dtl.Step {
		vals := b.Expr(a.One(1)).Eval
		if e := b.Expr(a.One(0)); e.Const && allowed == nil {
			if s, ok := text(e.Value); ok {
				key := b.WriteName(s)
				return func(c *dtl.Ctx) dtl.Flow {
					c.Target().Set(key, vals(c))
					return dtl.Continue
				}
			}
		}
		name := property(b, a.One(0))
		return func(c *dtl.Ctx) dtl.Flow {
			v := vals(c)
			name(c, func(key string) {
				if allowed == nil || allowed(c.Target(), key) {
					c.Target().Set(key, v)
				}
			})
			return dtl.Continue
		}
	}
}

// patterns compiles constant wildcards: one, or a list of them.
func patterns(b *dtl.Builder, n *jsonpos.Node) []string {
	if n == nil {
		return nil
	}
	e := b.Expr(n)
	var out []string
	for _, v := range elems(e.Value) {
		s, ok := text(v)
		if !ok {
			b.Errorf(n, "dtl/wildcard", `for example "a*" or ["list", "a*", "b"]`, "a property pattern or a list of them is expected")
			return nil
		}
		out = append(out, s)
	}
	if !e.Const {
		b.Errorf(n, "dtl/wildcard", "", "property patterns are constants")
	}
	return out
}

func remove(b *dtl.Builder, a dtl.Args) dtl.Step {
	pats := patterns(b, a.One(0))
	if names, ok := exactNames(b, pats); ok {
		return func(c *dtl.Ctx) dtl.Flow {
			for _, name := range names {
				c.Target().Delete(name)
			}
			return dtl.Continue
		}
	}
	return func(c *dtl.Ctx) dtl.Flow {
		t := c.Target()
		for i := t.Len() - 1; i >= 0; i-- {
			key := t.Members()[i].Key
			for _, p := range pats {
				if b.MatchName(p, key) {
					t.Delete(key)
					break
				}
			}
		}
		return dtl.Continue
	}
}

// exactNames are patterns each of which can match one name only.
func exactNames(b *dtl.Builder, pats []string) (names []string, ok bool) {
	for _, p := range pats {
		if b.Options().NamespacedIdentifiers || strings.ContainsAny(p, "*?") {
			return nil, false
		}
		names = append(names, entity.Key(p))
	}
	return names, true
}

func rename(b *dtl.Builder, a dtl.Args) dtl.Step {
	from, to := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval
	return func(c *dtl.Ctx) dtl.Flow {
		oldName, ok1 := text(dtl.First(from(c)))
		newName, ok2 := text(dtl.First(to(c)))
		if ok1 && ok2 {
			renameOne(b, c, oldName, newName)
		}
		return dtl.Continue
	}
}

func renameOne(b *dtl.Builder, c *dtl.Ctx, from, to string) {
	src := c.Source().Object()
	if b.Options().NamespacedIdentifiers && !strings.Contains(from, ":") && !strings.Contains(to, ":") {
		renameEach(c, src, from, to)
		return
	}
	found := b.ReadAll(from, src)
	switch len(found) {
	case 0:
	case 1:
		c.Target().Set(b.WriteName(to), found[0])
	default:
		var all []value
		for _, v := range found {
			all = append(all, elems(v)...)
		}
		c.Target().Set(b.WriteName(to), list(c, all))
	}
}

// renameEach renames a property in each namespace it is found in.
func renameEach(c *dtl.Ctx, src *entity.Object, from, to string) {
	for _, m := range src.Members() {
		ns, local := "", m.Key
		if i := strings.LastIndexByte(m.Key, ':'); i >= 0 {
			ns, local = m.Key[:i+1], m.Key[i+1:]
		}
		if local == from {
			c.Target().Set(ns+to, m.Value)
		}
	}
}

// eachMember calls f for the members of each dict but the reserved ones.
func eachMember(v value, f func(entity.Member)) {
	dtl.EachElem(v, func(d value) bool {
		for _, m := range d.Object().Members() {
			if !strings.HasPrefix(m.Key, "_") {
				f(m)
			}
		}
		return true
	})
}

func mergeUnion(b *dtl.Builder, a dtl.Args) dtl.Step {
	vals := b.Expr(a.One(0)).Eval
	return func(c *dtl.Ctx) dtl.Flow {
		eachMember(vals(c), func(m entity.Member) {
			have, ok := c.Target().Get(m.Key)
			if !ok {
				c.Target().Set(m.Key, m.Value)
				return
			}
			both := append(append([]value(nil), elems(have)...), elems(m.Value)...)
			union := distinct(c, (*dtl.Ctx).This, list(c, both))
			if union.Len() == 1 && have.Kind() != entity.List {
				union = union.Elems()[0]
			}
			c.Target().Set(m.Key, union)
		})
		return dtl.Continue
	}
}

func makeNI(b *dtl.Builder, a dtl.Args) dtl.Step {
	ns, ok1 := text(b.Expr(a.One(0)).Value)
	from, ok2 := text(b.Expr(a.One(1)).Value)
	to := from + "-ni"
	if a.One(2) != nil {
		to, _ = text(b.Expr(a.One(2)).Value)
	}
	if !ok1 || !ok2 || to == "" {
		b.Errorf(a.Node, "dtl/argument", "", "make-ni takes a namespace and property names")
		return nil
	}
	ni := func(c *dtl.Ctx, v value) value {
		return c.Map(v, func(e value) (value, bool) {
			s, ok := text(e)
			return entity.NewNI(ns + ":" + s), ok
		})
	}
	return func(c *dtl.Ctx) dtl.Flow {
		for _, m := range c.Source().Object().Members() {
			prefix, found := namedAs(b, from, m.Key)
			if !found {
				continue
			}
			if v := ni(c, m.Value); dtl.Truthy(v) {
				key := prefix + to
				if strings.Contains(to, ":") {
					key = b.WriteName(to)
				}
				c.Target().Set(key, v)
			}
		}
		return dtl.Continue
	}
}

// namedAs tells whether key is the property a name stands for, and the
// namespace it has.
func namedAs(b *dtl.Builder, name, key string) (prefix string, ok bool) {
	if !b.Options().NamespacedIdentifiers {
		return "", name == key
	}
	i := strings.LastIndexByte(key, ':')
	return key[:i+1], b.MatchName(name, key)
}

// eachEntity calls f for each dict with a string _id; others fail or are
// ignored as id_required says.
func eachEntity(b *dtl.Builder, a dtl.Args, f func(*dtl.Ctx, value)) dtl.Step {
	vals := b.Expr(a.One(0)).Eval
	return func(c *dtl.Ctx) dtl.Flow {
		for _, v := range elems(vals(c)) {
			if !c.Step() {
				break
			}
			if _, ok := entity.ID(v); ok {
				f(c, v)
			} else if b.IDRequired() {
				c.Fail("dtl/no-id", `only dicts with a string "_id" can be created`)
			}
		}
		return dtl.Continue
	}
}

// stopUnless stops the entity unless the condition, if any, is true.
func stopUnless(flow dtl.Flow) func(*dtl.Builder, dtl.Args) dtl.Step {
	return func(b *dtl.Builder, a dtl.Args) dtl.Step {
		cond := b.Optional(a.One(0))
		return func(c *dtl.Ctx) dtl.Flow {
			if cond != nil && dtl.Truthy(cond.Eval(c)) {
				return dtl.Continue
			}
			return flow
		}
	}
}

func failWith(code string) func(*dtl.Builder, dtl.Args) dtl.Step {
	return func(b *dtl.Builder, a dtl.Args) dtl.Step {
		msg := b.Expr(a.One(0)).Eval
		return func(c *dtl.Ctx) dtl.Flow {
			c.Fail(code, dtl.First(msg(c)).Text())
			return dtl.Discard
		}
	}
}

func sleep(b *dtl.Builder, a dtl.Args) dtl.Step {
	period := b.Expr(a.One(0)).Eval
	return func(c *dtl.Ctx) dtl.Flow {
		if n, ok := dtl.First(period(c)).Int64(); ok && n > 0 {
			c.Sleep(time.Duration(min(n, maxSleep)) * time.Second)
		}
		return dtl.Continue
	}
}

// maxSleep is an hour: longer pauses belong into the pump's schedule.
const maxSleep = 3600
