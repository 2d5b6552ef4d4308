package stdlib

import (
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func dictionaries() []dtl.Func {
	return []dtl.Func{
		{Name: "dict", Args: "ITEMS(value-expression{>=0})",
			Doc:      "Makes a dict of keys and values in turn, or of one list of pairs.",
			Examples: []dtl.Example{{`["dict"]`, `{}`}, {`["dict", "a", 1, "b", ["list"]]`, `{"a":1,"b":[]}`}, {`["dict", ["list", ["list", "A", 1]]]`, `{"A":1}`}, {`["dict", 1, 2, 3]`, `error: keys and values in turn`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				if n := len(a.Many(0)); n > 1 && n%2 == 1 {
					b.Errorf(a.Node, "dtl/arity", "", "dict takes keys and values in turn, got %d arguments", n)
					return nil
				}
				var args []*dtl.Expr
				for _, n := range a.Many(0) {
					args = append(args, b.Expr(n))
				}
				if keys, ok := constantKeys(args); ok {
					return func(c *dtl.Ctx) value { return record(c, keys, args) }
				}
				return func(c *dtl.Ctx) value { return dict(c, args) }
			}},
		{Name: "has-key", Args: "KEY(value-expression{1}) VALUES(value-expression{1})",
			Doc:      "Tells whether the dict, or the first of a list, has the key; null if it is no dict.",
			Examples: []dtl.Example{{`["has-key", "a", {"a": 1}]`, `true`}, {`["has-key", "a", ["list", 1]]`, `null`}, {`["has-key", "a", null]`, `null`}},
			Call: func(_ *dtl.Ctx, a []value) value {
				d := dtl.First(a[1])
				if d.Kind() != entity.Dict {
					return null
				}
				_, ok := d.Get(dtl.First(a[0]).Text())
				return boolean(ok)
			}},
		{Name: "is-dict", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a dict.",
			Examples: []dtl.Example{{`["is-dict", {}]`, `true`}, {`["is-dict", ["list", 1, {}]]`, `false`}, {`["is-dict", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.Dict })},
		{Name: "items", Args: "DICTS(value-expression{1})",
			Doc:      "Returns the members of all dicts as [key, value] pairs.",
			Examples: []dtl.Example{{`["items", {"A": 1}]`, `[["A",1]]`}, {`["items", ["list", 1, {"A": 1}]]`, `[["A",1]]`}, {`["items", null]`, `[]`}},
			Call: func(c *dtl.Ctx, a []value) value {
				return members(c, a[0], func(m entity.Member) value { return list(c, []value{entity.NewString(m.Key), m.Value}) })
			}},
		{Name: "key-values", Args: "DICTS(value-expression{1})",
			Doc:      "Returns the members of all dicts as dicts with key and value.",
			Examples: []dtl.Example{{`["key-values", {"a": 1}]`, `{"key":"a","value":1}`}, {`["key-values", ["list", {"a": 1}, 2]]`, `[{"key":"a","value":1}]`}, {`["key-values", null]`, `[]`}},
			Call:     keyValues},
		{Name: "keys", Args: "DICTS(value-expression{1})",
			Doc:      "Returns the keys of all dicts.",
			Examples: []dtl.Example{{`["keys", ["list", {"A": 1}, {"A": 2, "B": 3}]]`, `["A","A","B"]`}, {`["keys", 1]`, `[]`}, {`["keys", null]`, `[]`}},
			Call: func(c *dtl.Ctx, a []value) value {
				return members(c, a[0], func(m entity.Member) value { return entity.NewString(m.Key) })
			}},
		{Name: "values", Args: "DICTS(value-expression{1})",
			Doc:      "Returns the values of all dicts.",
			Examples: []dtl.Example{{`["values", {"A": 1, "B": [2]}]`, `[1,[2]]`}, {`["values", "x"]`, `[]`}, {`["values", null]`, `[]`}},
			Call: func(c *dtl.Ctx, a []value) value {
				return members(c, a[0], func(m entity.Member) value { return m.Value })
			}},
		{Name: "apply-ns", Args: "NAMESPACE_OR_CONFIG(string|dict{1}) VALUES(value-expression{1})",
			Doc:      "Gives a namespace to keys that have none, and to _id.",
			Examples: []dtl.Example{{`["apply-ns", "n", {"_id": "1", "a": {"b": 1}}]`, `{"_id":"n:1","n:a":{"n:b":1}}`}, {`["apply-ns", "n", null]`, `null`}, {`["apply-ns", "n", ["list", 1]]`, `[1]`}},
			Build:    applyNS},
		{Name: "strip-ns", Args: "VALUES(value-expression{1})",
			Doc:      "Takes the namespaces off all keys.",
			Examples: []dtl.Example{{`["strip-ns", {"a:b": {"c:d": 1}}]`, `{"b":{"d":1}}`}, {`["strip-ns", null]`, `null`}, {`["strip-ns", ["list", {"x:y": 1}]]`, `[{"y":1}]`}},
			Call:     func(c *dtl.Ctx, a []value) value { return dtl.StripNames(c.Arena(), a[0]) }},
		{Name: "path", Args: "PROPERTY_PATH(value-expression{1}) VALUES(value-expression{1})",
			Doc:      "Reads a property, or a list of nested ones, of dicts and lists of dicts.",
			Examples: []dtl.Example{{`["path", "a", {"a": 1}]`, `1`}, {`["path", ["list", "a", "b"], ["list", {"a": {"b": 1}}]]`, `[1]`}, {`["path", "a", null]`, `null`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				path, vals := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					v := vals(c)
					for _, key := range elems(path(c)) {
						if s, ok := text(key); ok {
							v = b.Walk(c, v, s)
						}
					}
					return v
				}
			}},
		{Name: "apply", Args: "RULE_ID(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Applies a rule to each dict and returns the targets.",
			Examples: []dtl.Example{{`["apply", "nowhere", {}]`, `error: there is no rule`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				return b.Apply(a.One(0), b.Expr(a.One(1)).Eval)
			}},
	}
}

// constantKeys are the keys of a dict whose keys are all constant texts, no two
// of them the same.
func constantKeys(args []*dtl.Expr) (keys []string, ok bool) {
	for i := 0; i+1 < len(args); i += 2 {
		key, ok := text(dtl.First(args[i].Value))
		if !ok || !args[i].Const || slices.Contains(keys, key) {
			return nil, false
		}
		keys = append(keys, entity.Key(key))
	}
	return keys, len(args) > 1 && len(keys) <= entity.Narrow
}

func record(c *dtl.Ctx, keys []string, args []*dtl.Expr) value {
	o := c.Arena().NewObject(len(keys))
	for i, key := range keys {
		o.Append(key, args[2*i+1].Eval(c))
	}
	return o.Value()
}

func dict(c *dtl.Ctx, args []*dtl.Expr) value {
	o := c.Arena().NewObject(len(args) / 2)
	if len(args) == 1 {
		for _, pair := range elems(args[0].Eval(c)) {
			if pair.Kind() == entity.List && pair.Len() == 2 {
				setKey(o, pair.Elems()[0], pair.Elems()[1])
			}
		}
		return o.Value()
	}
	for i := 0; i+1 < len(args); i += 2 {
		setKey(o, args[i].Eval(c), args[i+1].Eval(c))
	}
	return o.Value()
}

func setKey(o *entity.Object, key, v value) {
	if k, ok := text(dtl.First(key)); ok {
		o.Set(k, v)
	}
}

// members makes one list of f of every member of every dict.
func members(c *dtl.Ctx, v value, f func(entity.Member) value) value {
	out := c.Gather()
	dtl.EachElem(v, func(d value) bool {
		for _, m := range d.Object().Members() {
			out.Add(f(m))
		}
		return c.Room(out.Len())
	})
	return out.List()
}

func keyValues(c *dtl.Ctx, a []value) value {
	all := members(c, a[0], func(m entity.Member) value {
		o := c.Arena().NewObject(2)
		o.Set("key", entity.NewString(m.Key))
		o.Set("value", m.Value)
		return o.Value()
	})
	if a[0].Kind() == entity.Dict && all.Len() == 1 {
		return all.Elems()[0]
	}
	return all
}

// applyNS builds apply-ns: what the configuration leaves out is the pipe's.
func applyNS(b *dtl.Builder, a dtl.Args) dtl.Eval {
	config, values := b.Expr(a.One(0)), b.Expr(a.One(1))
	pipe := dtl.Namespacing{Property: b.Options().PropertyNS, Identity: b.Options().IdentityNS,
		KeepUnder: true, KeepDollar: true, Deep: true}
	return func(c *dtl.Ctx) value {
		n := pipe
		switch cfg := config.Eval(c); cfg.Kind() {
		case entity.String:
			n.Property, n.Identity = cfg.Text(), cfg.Text()
		case entity.Dict:
			n = namespacing(cfg, n)
		default:
			return null
		}
		return n.Add(c.Arena(), values.Eval(c))
	}
}

// namespacing changes n as a configuration dict says; null is no namespace.
func namespacing(cfg value, n dtl.Namespacing) dtl.Namespacing {
	for _, m := range cfg.Object().Members() {
		switch on := m.Value.Kind() == entity.Bool && m.Value.Bool(); m.Key {
		case "property_namespace":
			n.Property = m.Value.Text()
		case "identity_namespace":
			n.Identity = m.Value.Text()
		case "skip_underscore":
			n.KeepUnder = on
		case "skip_dollar":
			n.KeepDollar = on
		case "recursive":
			n.Deep = on
		}
	}
	return n
}
