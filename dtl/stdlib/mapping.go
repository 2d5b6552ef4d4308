package stdlib

import (
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// mapping are the list functions that take a function.
func mapping() []dtl.Func {
	return []dtl.Func{
		{Name: "distinct", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Keeps the first of the values that are equal, or whose FUNCTION is.",
			Examples: []dtl.Example{{`["distinct", ["list", 1, 2, 1]]`, `[1,2]`}, {`["distinct", ["lower", "_."], ["list", "a", "A"]]`, `["a"]`}, {`["distinct", null]`, `[]`}},
			Build:    withFunction(distinct)},
		{Name: "filter", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{0|1})",
			Doc:      "Keeps the values for which FUNCTION is true; as a transform, stops the entity unless the condition is true.",
			Examples: []dtl.Example{{`["filter", ["gt", "_.", 1], ["list", 1, 2]]`, `[2]`}, {`["filter", true, null]`, `[]`}, {`["filter", false, 1]`, `[]`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				if a.One(1) == nil {
					b.Errorf(a.Node, "dtl/arity", "", "filter: a function and values are expected")
					return nil
				}
				f, vals := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					in, out := elems(vals(c)), c.Gather()
					c.Where(in, f, out)
					return out.List()
				}
			},
			Step: stopUnless(dtl.Filter)},
		{Name: "group", Args: "KEY_FUNCTION(function-expression{1}) VALUE_FUNCTION(function-expression{1}) VALUES(value-expression{1})",
			Doc:      "Groups values by a key, in the order the keys are met, as [key, values] pairs.",
			Examples: []dtl.Example{{`["group", "_.k", "_.v", ["list", {"k": 1, "v": "a"}, {"k": 1, "v": "b"}]]`, `[[1,["a","b"]]]`}, {`["group", "_.", "_.", null]`, `[]`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				key, val, vals := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval, b.Expr(a.One(2)).Eval
				return func(c *dtl.Ctx) value {
					var out []value
					for _, g := range groups(c, elems(vals(c)), key, val) {
						out = append(out, list(c, []value{g.key, list(c, g.values)}))
					}
					return list(c, out)
				}
			}},
		{Name: "group-by", Args: "KEY_FUNCTION(function-expression{0|1}) STRING_FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Groups values by a key into a dict; keys become text.",
			Examples: []dtl.Example{{`["group-by", "_.k", "_.", ["list", {"k": "x"}]]`, `{"x":[{"k":"x"}]}`}, {`["group-by", null]`, `{}`}, {`["group-by", ["list", "a"]]`, `{"\"a\"":["a"]}`}},
			Build:    groupBy},
		{Name: "map", Args: "FUNCTION(function-expression{1}) VALUES(value-expression{1})",
			Doc:      "Lists FUNCTION of every value.",
			Examples: []dtl.Example{{`["map", ["upper", "_."], ["list", "a"]]`, `["A"]`}, {`["map", ["upper", "_."], "a"]`, `["A"]`}, {`["map", "_.", null]`, `[]`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				f, vals := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					in := elems(vals(c))
					return entity.NewList(c.Each(in, f, c.Arena().Values(len(in)))...)
				}
			}},
		{Name: "map-dict", Args: "KEY_FUNCTION(function-expression{1}) VALUE_FUNCTION(function-expression{1}) VALUES(value-expression{1})",
			Doc:      "Makes new dicts with functions of keys and values; a key that is no text drops its member.",
			Examples: []dtl.Example{{`["map-dict", ["upper", "_."], "_.", {"a": 1}]`, `{"A":1}`}, {`["map-dict", "_.", "_.", ["list", 1]]`, `[]`}, {`["map-dict", "_.", "_.", null]`, `null`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				key, val, vals := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval, b.Expr(a.One(2)).Eval
				return func(c *dtl.Ctx) value {
					return c.Map(vals(c), func(d value) (value, bool) {
						o := c.Arena().NewObject(d.Len())
						for _, m := range d.Object().Members() {
							setKey(o, c.With(entity.NewString(m.Key), key), c.With(m.Value, val))
						}
						return o.Value(), d.Kind() == entity.Dict && o.Len() > 0
					})
				}
			}},
		{Name: "map-values", Args: "VALUE_FUNCTION(function-expression{1}) VALUES(value-expression{1})",
			Doc:      "Lists a function of every value of every dict.",
			Examples: []dtl.Example{{`["map-values", ["upper", "_."], {"a": "x"}]`, `["X"]`}, {`["map-values", "_.", ["list", 1]]`, `[]`}, {`["map-values", "_.", null]`, `[]`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				val, vals := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval
				return func(c *dtl.Ctx) value {
					return members(c, vals(c), func(m entity.Member) value { return c.With(m.Value, val) })
				}
			}},
		{Name: "max", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Returns the greatest value, or the one whose FUNCTION is greatest.",
			Examples: []dtl.Example{{`["max", ["list", 1, 3, 2]]`, `3`}, {`["max", null]`, `null`}, {`["max", ["list"]]`, `null`}},
			Build:    withFunction(extreme(1))},
		{Name: "min", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Returns the least value, or the one whose FUNCTION is least.",
			Examples: []dtl.Example{{`["min", ["list", 2, 1, 3]]`, `1`}, {`["min", null]`, `null`}, {`["min", ["list"]]`, `null`}},
			Build:    withFunction(extreme(-1))},
		{Name: "sorted", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Sorts a list, by FUNCTION if given; other values stay as they are.",
			Examples: []dtl.Example{{`["sorted", ["list", 2, "a", 1]]`, `[1,2,"a"]`}, {`["sorted", "b"]`, `"b"`}, {`["sorted", null]`, `null`}},
			Build:    withFunction(sorted(1))},
		{Name: "sorted-descending", Args: "FUNCTION(function-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Sorts a list downwards, by FUNCTION if given; other values stay as they are.",
			Examples: []dtl.Example{{`["sorted-descending", ["list", 1, 2]]`, `[2,1]`}, {`["sorted-descending", "b"]`, `"b"`}, {`["sorted-descending", null]`, `null`}},
			Build:    withFunction(sorted(-1))},
	}
}

// withFunction makes the body of a function with an optional key function,
// which is the value itself if it is left out.
func withFunction(body func(c *dtl.Ctx, key dtl.Eval, v value) value) func(*dtl.Builder, dtl.Args) dtl.Eval {
	return func(b *dtl.Builder, a dtl.Args) dtl.Eval {
		key := dtl.Eval((*dtl.Ctx).This)
		if f := b.Optional(a.One(0)); f != nil {
			key = f.Eval
		}
		vals := b.Expr(a.One(1)).Eval
		return func(c *dtl.Ctx) value { return body(c, key, vals(c)) }
	}
}

func distinct(c *dtl.Ctx, key dtl.Eval, v value) value {
	var out []value
	seen := map[string]bool{}
	for _, e := range elems(v) {
		if !c.Step() {
			break
		}
		k := string(dtl.AppendKey(nil, c.With(e, key)))
		if !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	return list(c, out)
}

type valueGroup struct {
	key    value
	values []value
}

func groups(c *dtl.Ctx, vals []value, key, val dtl.Eval) []*valueGroup {
	var all []*valueGroup
	byKey := map[string]*valueGroup{}
	for _, v := range vals {
		if !c.Step() {
			break
		}
		k := c.With(v, key)
		name := string(dtl.AppendKey(nil, k))
		g := byKey[name]
		if g == nil {
			g = &valueGroup{key: k}
			byKey[name] = g
			all = append(all, g)
		}
		g.values = append(g.values, c.With(v, val))
	}
	return all
}

func groupBy(b *dtl.Builder, a dtl.Args) dtl.Eval {
	this := dtl.Eval((*dtl.Ctx).This)
	key := this
	if f := b.Optional(a.One(0)); f != nil {
		key = f.Eval
	}
	name, vals := b.Optional(a.One(1)), b.Expr(a.One(2)).Eval
	return func(c *dtl.Ctx) value {
		o := c.Arena().NewObject(8)
		for _, g := range groups(c, elems(vals(c)), key, this) {
			k := entity.NewString(g.key.String())
			if name != nil {
				k = c.With(g.key, name.Eval)
			}
			setKey(o, k, list(c, g.values))
		}
		return o.Value()
	}
}

// extreme finds the greatest (sign 1) or least (-1) value by its key.
func extreme(sign int) func(*dtl.Ctx, dtl.Eval, value) value {
	return func(c *dtl.Ctx, key dtl.Eval, v value) value {
		var best, bestKey value
		for i, e := range elems(v) {
			if !c.Step() {
				break
			}
			if k := c.With(e, key); i == 0 || entity.Compare(k, bestKey)*sign > 0 {
				best, bestKey = e, k
			}
		}
		return best
	}
}

// sorted sorts stably, upwards (sign 1) or downwards (-1).
func sorted(sign int) func(*dtl.Ctx, dtl.Eval, value) value {
	return func(c *dtl.Ctx, key dtl.Eval, v value) value {
		if v.Kind() != entity.List {
			return v
		}
		// Keys and elements stand in one arena list, as pairs, so that sorting
		// makes nothing on the heap.
		n := v.Len()
		keys := c.Each(v.Elems(), key, c.Arena().Values(2*n))
		if len(keys) < n {
			return null
		}
		for i := range keys {
			keys[i] = parsed(keys[i])
		}
		order := keys[n : 2*n]
		copy(order, v.Elems())
		insertionOrMerge(keys[:n], order, sign)
		return entity.NewList(order...)
	}
}

// parsed is a sort key whose number is worked out, since it is compared often.
func parsed(k value) value {
	if k.Kind() == entity.Float {
		return entity.NewFloat(k.Float64())
	}
	return k
}

// fewKeys is how many keys are sorted by insertion.
const fewKeys = 24

// insertFloats is insertion for keys that are all floats, which is what most
// lists are sorted by that are not sorted by text; false if they are not.
func insertFloats(keys, order []value, sign int) bool {
	var amounts [fewKeys]float64
	for i, k := range keys {
		if k.Kind() != entity.Float {
			return false
		}
		amounts[i] = float64(sign) * k.Float64()
	}
	for i := 1; i < len(keys); i++ {
		k, v := amounts[i], order[i]
		j := i
		for ; j > 0 && amounts[j-1] > k; j-- {
			amounts[j], order[j] = amounts[j-1], order[j-1]
		}
		amounts[j], order[j] = k, v
	}
	return true
}

// insertionOrMerge sorts order by keys, stably: by insertion if short, else
// through an index.
func insertionOrMerge(keys, order []value, sign int) {
	if len(keys) > fewKeys {
		index := make([]int, len(keys))
		for i := range index {
			index[i] = i
		}
		slices.SortStableFunc(index, func(i, j int) int { return sign * entity.Compare(keys[i], keys[j]) })
		from := slices.Clone(order)
		for i, j := range index {
			order[i] = from[j]
		}
		return
	}
	if insertFloats(keys, order, sign) {
		return
	}
	for i := 1; i < len(keys); i++ {
		k, v := keys[i], order[i]
		j := i
		for ; j > 0 && sign*entity.Compare(keys[j-1], k) > 0; j-- {
			keys[j], order[j] = keys[j-1], order[j-1]
		}
		keys[j], order[j] = k, v
	}
}

func sets() []dtl.Func {
	op := func(name, doc string, examples []dtl.Example, f func(c *dtl.Ctx, a, b []value) value) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUES1(value-expression{1}) VALUES2(value-expression{1})", Doc: doc, Examples: examples,
			Call: func(c *dtl.Ctx, a []value) value { return f(c, elems(a[0]), elems(a[1])) }}
	}
	keep := func(present bool) func(*dtl.Ctx, []value, []value) value {
		return func(c *dtl.Ctx, a, b []value) value {
			has := keySet(b)
			var out []value
			for _, v := range a {
				if has[keyOf(v)] == present {
					out = append(out, v)
				}
			}
			return list(c, out)
		}
	}
	return []dtl.Func{
		op("difference", "Returns the values of the first that are not in the second.",
			[]dtl.Example{{`["difference", ["list", 1, 2, 1], 2]`, `[1,1]`}, {`["difference", null, 1]`, `[]`}}, keep(false)),
		op("intersection", "Returns the values of the first that are also in the second.",
			[]dtl.Example{{`["intersection", ["list", 1, 2], ["list", 2, 3]]`, `[2]`}, {`["intersection", 1, null]`, `[]`}}, keep(true)),
		op("intersects", "Tells whether both have a value in common.",
			[]dtl.Example{{`["intersects", ["list", 1, 2], 2]`, `true`}, {`["intersects", null, null]`, `false`}},
			func(_ *dtl.Ctx, a, b []value) value {
				has := keySet(b)
				return boolean(slices.ContainsFunc(a, func(v value) bool { return has[keyOf(v)] }))
			}),
		op("union", "Returns the values of both, each once.",
			[]dtl.Example{{`["union", ["list", 1, 1], ["list", 2, 1]]`, `[1,2]`}, {`["union", null, 1]`, `[1]`}},
			func(c *dtl.Ctx, a, b []value) value {
				return distinct(c, (*dtl.Ctx).This, list(c, slices.Concat(a, b)))
			}),
	}
}

func keyOf(v value) string { return string(dtl.AppendKey(nil, v)) }

func keySet(vs []value) map[string]bool {
	set := make(map[string]bool, len(vs))
	for _, v := range vs {
		set[keyOf(v)] = true
	}
	return set
}
