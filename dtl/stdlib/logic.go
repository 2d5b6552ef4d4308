package stdlib

import (
	"cmp"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func booleanLogic() []dtl.Func {
	return []dtl.Func{
		{Name: "all", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Tells whether every value, or FUNCTION of it, is true.",
			Examples: []dtl.Example{{`["all", ["list", 1, 2]]`, `true`}, {`["all", ["lt", "_.", 2], ["list", 1, 3]]`, `false`}, {`["all"]`, `error: got 0 arguments`}},
			Build:    quantifier(false)},
		{Name: "and", Args: "BOOLEAN(boolean-expression{>=1})",
			Doc:      "Tells whether all arguments are true; later ones are worked out only if needed.",
			Examples: []dtl.Example{{`["and", true, 0, ""]`, `true`}, {`["and", true, null]`, `false`}, {`["and", ["list"]]`, `false`}},
			Build:    junction(false)},
		{Name: "any", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Tells whether at least one value, or FUNCTION of it, is true.",
			Examples: []dtl.Example{{`["any", ["list", false, 2]]`, `true`}, {`["any", ["gt", "_.", 5], ["list", 1, 3]]`, `false`}, {`["any", null]`, `false`}},
			Build:    quantifier(true)},
		{Name: "not", Args: "BOOLEAN(boolean-expression{>=1})",
			Doc:      "Tells whether not all arguments are true.",
			Examples: []dtl.Example{{`["not", true]`, `false`}, {`["not", null]`, `true`}, {`["not", true, false]`, `true`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				and := junction(false)(b, a)
				return func(c *dtl.Ctx) value { return boolean(!and(c).Bool()) }
			}},
		{Name: "or", Args: "BOOLEAN(boolean-expression{>=1})",
			Doc:      "Tells whether any argument is true; later ones are worked out only if needed.",
			Examples: []dtl.Example{{`["or", false, 1]`, `true`}, {`["or", null, false]`, `false`}},
			Build:    junction(true)},
	}
}

// junction stops at the first argument whose truth is stop.
func junction(stop bool) func(*dtl.Builder, dtl.Args) dtl.Eval {
	return func(b *dtl.Builder, a dtl.Args) dtl.Eval {
		var args []dtl.Eval
		for _, n := range a.Many(0) {
			args = append(args, b.Expr(n).Eval)
		}
		return func(c *dtl.Ctx) value {
			for _, arg := range args {
				if dtl.Truthy(arg(c)) == stop {
					return boolean(stop)
				}
			}
			return boolean(!stop)
		}
	}
}

// quantifier stops at the first value whose truth is stop.
func quantifier(stop bool) func(*dtl.Builder, dtl.Args) dtl.Eval {
	return func(b *dtl.Builder, a dtl.Args) dtl.Eval {
		f, vals := b.Optional(a.One(0)), b.Expr(a.One(1)).Eval
		return func(c *dtl.Ctx) value {
			for _, v := range elems(vals(c)) {
				if !c.Step() {
					break
				}
				if f != nil {
					v = c.With(v, f.Eval)
				}
				if dtl.Truthy(v) == stop {
					return boolean(stop)
				}
			}
			return boolean(!stop)
		}
	}
}

func booleans() []dtl.Func {
	return []dtl.Func{
		{Name: "boolean", Args: "DEFAULT(default-value-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Turns booleans and the texts true and false into booleans; others are dropped, or replaced by DEFAULT.",
			Examples: []dtl.Example{{`["boolean", "TRUE"]`, `true`}, {`["boolean", ["list", "false", 1]]`, `[false]`}, {`["boolean", null]`, `null`}},
			Build:    cast(toBoolean)},
		{Name: "is-boolean", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a boolean.",
			Examples: []dtl.Example{{`["is-boolean", false]`, `true`}, {`["is-boolean", ["list", true, 1]]`, `true`}, {`["is-boolean", null]`, `false`}},
			Call:     firstIs(func(v value) bool { return v.Kind() == entity.Bool })},
	}
}

func toBoolean(_ *dtl.Ctx, v value) (value, bool) {
	if v.Kind() == entity.Bool {
		return v, true
	}
	s, ok := text(v)
	switch {
	case ok && strings.EqualFold(s, "true"):
		return boolean(true), true
	case ok && strings.EqualFold(s, "false"):
		return boolean(false), true
	}
	return null, false
}

// cast makes the body of a type function: what f does not take is dropped, or
// replaced by DEFAULT with the value as "_.". Null stays null.
func cast(f func(*dtl.Ctx, value) (value, bool)) func(*dtl.Builder, dtl.Args) dtl.Eval {
	return func(b *dtl.Builder, a dtl.Args) dtl.Eval {
		def, vals := b.Optional(a.One(0)), b.Expr(a.One(1)).Eval
		return func(c *dtl.Ctx) value {
			v := vals(c)
			if v.IsNull() {
				return null
			}
			return c.Map(v, func(v value) (value, bool) {
				if r, ok := f(c, v); ok || def == nil {
					return r, ok
				}
				return c.With(v, def.Eval), true
			})
		}
	}
}

func comparisons() []dtl.Func {
	order := func(name, doc string, examples []dtl.Example, test func(int) bool) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUE1(value-expression{1}) VALUE2(value-expression{1})", Doc: doc, Examples: examples,
			Call: func(_ *dtl.Ctx, a []value) value {
				x, y := dtl.First(a[0]), dtl.First(a[1])
				if i, ok := x.Int64(); ok {
					if j, ok := y.Int64(); ok {
						return boolean(test(cmp.Compare(i, j)))
					}
				}
				// Null is incomparable: neither less nor greater than anything.
				return boolean(!x.IsNull() && !y.IsNull() && test(entity.Compare(x, y)))
			}}
	}
	return []dtl.Func{
		{Name: "eq", Args: "VALUE1(value-expression{1}) VALUE2(value-expression{1})",
			Doc:      "Tells whether both sides are exactly the same list of values; one value is a list of one.",
			Examples: []dtl.Example{{`["eq", 1, ["list", 1]]`, `true`}, {`["eq", ["list", 1, 2], ["list", 2, 1]]`, `false`}, {`["eq", null, null]`, `true`}},
			Call:     func(_ *dtl.Ctx, a []value) value { return boolean(dtl.EqualLists(a[0], a[1])) }},
		order("gt", "Tells whether the first value on the left is greater.", []dtl.Example{{`["gt", 2, 1]`, `true`}, {`["gt", null, 1]`, `false`}}, func(c int) bool { return c > 0 }),
		order("gte", "Tells whether the first value on the left is greater or equal.", []dtl.Example{{`["gte", 2, 2]`, `true`}, {`["gte", ["list"], 18]`, `false`}}, func(c int) bool { return c >= 0 }),
		order("lt", "Tells whether the first value on the left is less.", []dtl.Example{{`["lt", 1, 2]`, `true`}, {`["lt", null, 2]`, `false`}}, func(c int) bool { return c < 0 }),
		order("lte", "Tells whether the first value on the left is less or equal.", []dtl.Example{{`["lte", 2, 2]`, `true`}, {`["lte", null, 2]`, `false`}}, func(c int) bool { return c <= 0 }),
		{Name: "neq", Args: "VALUE1(value-expression{1}) VALUE2(value-expression{1})",
			Doc:      "Tells whether the two sides differ; the opposite of eq.",
			Examples: []dtl.Example{{`["neq", 1, 2]`, `true`}, {`["neq", ["list", null], null]`, `true`}, {`["neq", 1, 1.0]`, `false`}},
			Call:     func(_ *dtl.Ctx, a []value) value { return boolean(!dtl.EqualLists(a[0], a[1])) }},
	}
}

func nulls() []dtl.Func {
	return []dtl.Func{
		{Name: "coalesce", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Returns the first value that is not null, or for which FUNCTION is true.",
			Examples: []dtl.Example{{`["coalesce", ["list", null, "b"]]`, `"b"`}, {`["coalesce", ["gt", "_.", 2], ["list", 1, 3]]`, `3`}, {`["coalesce", null]`, `null`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				f, vals := b.Optional(a.One(0)), b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					for _, v := range elems(vals(c)) {
						if f == nil && !v.IsNull() || f != nil && dtl.Truthy(c.With(v, f.Eval)) {
							return v
						}
					}
					return null
				}
			}},
		{Name: "coalesce-args", Args: "VALUES(value-expression{>=1})",
			Doc:      "Returns the first argument that is not null; later ones are not worked out.",
			Examples: []dtl.Example{{`["coalesce-args", null, 123, 236]`, `123`}, {`["coalesce-args", null, ["list"]]`, `[]`}, {`["coalesce-args", null]`, `null`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				var args []dtl.Eval
				for _, n := range a.Many(0) {
					args = append(args, b.Expr(n).Eval)
				}
				return func(c *dtl.Ctx) value {
					for _, arg := range args {
						if v := arg(c); !v.IsNull() {
							return v
						}
					}
					return null
				}
			}},
		{Name: "if-null", Args: "VALUE(value-expression{1}) FALLBACK(value-expression{1})",
			Doc:      "Returns FALLBACK if VALUE is null, an empty list, or a list that begins with null.",
			Examples: []dtl.Example{{`["if-null", null, 2]`, `2`}, {`["if-null", ["list", null, 1], 2]`, `2`}, {`["if-null", ["list", 1, null], 2]`, `[1,null]`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				val, fallback := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					if v := val(c); !dtl.First(v).IsNull() {
						return v
					}
					return fallback(c)
				}
			}},
		{Name: "is-not-null", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is there and not null.",
			Examples: []dtl.Example{{`["is-not-null", 1]`, `true`}, {`["is-not-null", ["list"]]`, `false`}, {`["is-not-null", null]`, `false`}},
			Call:     firstIs(func(v value) bool { return !v.IsNull() })},
		{Name: "is-null", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value is null, an empty list, or a list that begins with null.",
			Examples: []dtl.Example{{`["is-null", null]`, `true`}, {`["is-null", ["list", null, 1]]`, `true`}, {`["is-null", 0]`, `false`}},
			Call:     firstIs(func(v value) bool { return v.IsNull() })},
	}
}
