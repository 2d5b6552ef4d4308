package stdlib

import (
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func lists() []dtl.Func {
	return []dtl.Func{
		{Name: "combine", Args: "VALUES(value-expression{>=1})",
			Doc:      "Joins its arguments into one list, opening lists one level; nulls add nothing.",
			Examples: []dtl.Example{{`["combine", ["list", 1, 2], 3, null]`, `[1,2,3]`}, {`["combine", null]`, `[]`}},
			Call: func(c *dtl.Ctx, a []value) value {
				out := c.Gather()
				for _, v := range a {
					if !out.AddAll(v) {
						break
					}
				}
				return out.List()
			}},
		{Name: "count", Args: "VALUES(value-expression{1})",
			Doc:      "Returns the number of elements; null has none, any other value is one.",
			Examples: []dtl.Example{{`["count", ["list", 1, null]]`, `2`}, {`["count", null]`, `0`}, {`["count", "x"]`, `1`}},
			Call1:    func(_ *dtl.Ctx, v value) value { return entity.NewInt(int64(len(elems(v)))) }},
		{Name: "enumerate", Args: "START(integer-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Pairs each element with a running number.",
			Examples: []dtl.Example{{`["enumerate", ["list", "a"]]`, `[{"key":0,"value":"a"}]`}, {`["enumerate", 5, "a"]`, `{"key":5,"value":"a"}`}, {`["enumerate", null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				n, _ := dtl.First(a[0]).Int64()
				if a[1].IsNull() {
					return null
				}
				return c.Map(a[1], func(v value) (value, bool) {
					o := c.Arena().NewObject(2)
					o.Set("key", entity.NewInt(n))
					o.Set("value", v)
					n++
					return o.Value(), true
				})
			}},
		{Name: "first", Args: "VALUES(value-expression{1})",
			Doc:      "Returns the first element; a single value as it is.",
			Examples: []dtl.Example{{`["first", ["list", 1, 2]]`, `1`}, {`["first", "x"]`, `"x"`}, {`["first", null]`, `null`}},
			Call1:    func(_ *dtl.Ctx, v value) value { return dtl.First(v) }},
		{Name: "flatten", Args: "VALUES(value-expression{1})",
			Doc:      "Opens the lists within a list, one level.",
			Examples: []dtl.Example{{`["flatten", ["list", ["list", 1], 2]]`, `[1,2]`}, {`["flatten", 1]`, `[1]`}, {`["flatten", null]`, `[]`}},
			Call: func(c *dtl.Ctx, a []value) value {
				out := c.Gather()
				for _, v := range elems(a[0]) {
					if v.IsNull() {
						out.Add(v)
					} else if !out.AddAll(v) {
						break
					}
				}
				return out.List()
			}},
		{Name: "in", Args: "VALUES(value-expression{1}) ITEMS(value-expression{1})",
			Doc:      "Tells whether all values are among the items.",
			Examples: []dtl.Example{{`["in", 1, ["list", 1, 2]]`, `true`}, {`["in", ["list", 1, 3], ["list", 1, 2]]`, `false`}, {`["in", null, ["list", null]]`, `false`}},
			Call2: func(c *dtl.Ctx, v, w value) value {
				vals, items := elems(v), elems(w)
				for _, v := range vals {
					if !c.Step() || !slices.ContainsFunc(items, func(w value) bool { return entity.Equal(v, w) }) {
						return boolean(false)
					}
				}
				return boolean(len(vals) > 0)
			}},
		{Name: "insert", Args: "INDEX(integer-expression{1}) VALUES(value-expression{1}) OBJECT(value-expression{1})",
			Doc:      "Inserts a value before an index; negative ones count from the end.",
			Examples: []dtl.Example{{`["insert", 1, ["list", 1, 3], 2]`, `[1,2,3]`}, {`["insert", -1, ["list", 1, 3], 2]`, `[1,2,3]`}, {`["insert", 0, null, 2]`, `[2]`}},
			Call: func(c *dtl.Ctx, a []value) value {
				vals := elems(a[1])
				i, ok := dtl.First(a[0]).Int64()
				if !ok {
					return null
				}
				return list(c, slices.Insert(slices.Clone(vals), clampIndex(i, len(vals)), a[2]))
			}},
		{Name: "is-empty", Args: "VALUE(value-expression{1})",
			Doc:      "Tells whether the value, as a list, has no elements.",
			Examples: []dtl.Example{{`["is-empty", ["list"]]`, `true`}, {`["is-empty", null]`, `true`}, {`["is-empty", ["list", null]]`, `false`}},
			Call:     func(_ *dtl.Ctx, a []value) value { return boolean(len(elems(a[0])) == 0) }},
		{Name: "is-list", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value is a list.",
			Examples: []dtl.Example{{`["is-list", ["list"]]`, `true`}, {`["is-list", 1]`, `false`}, {`["is-list", null]`, `false`}},
			Call:     func(_ *dtl.Ctx, a []value) value { return boolean(a[0].Kind() == entity.List) }},
		{Name: "is-not-empty", Args: "VALUE(value-expression{1})",
			Doc:      "Tells whether the value, as a list, has an element.",
			Examples: []dtl.Example{{`["is-not-empty", 1]`, `true`}, {`["is-not-empty", null]`, `false`}, {`["is-not-empty", ["list"]]`, `false`}},
			Call:     func(_ *dtl.Ctx, a []value) value { return boolean(len(elems(a[0])) > 0) }},
		{Name: "last", Args: "VALUES(value-expression{1})",
			Doc:      "Returns the last element; a single value as it is.",
			Examples: []dtl.Example{{`["last", ["list", 1, 2]]`, `2`}, {`["last", ["list"]]`, `null`}, {`["last", null]`, `null`}},
			Call: func(_ *dtl.Ctx, a []value) value {
				if v := elems(a[0]); len(v) > 0 {
					return v[len(v)-1]
				}
				return null
			}},
		{Name: "list", Args: "VALUES(value-expression{>=0})",
			Doc:      "Makes a list of its arguments.",
			Examples: []dtl.Example{{`["list", 1, ["list", 2], null]`, `[1,[2],null]`}, {`["list"]`, `[]`}},
			Call:     func(c *dtl.Ctx, a []value) value { return list(c, a) }},
		{Name: "nth", Args: "INDEX(integer-expression{1}) VALUES(value-expression{1})",
			Doc:      "Returns the element at an index that begins with 0; null if there is none.",
			Examples: []dtl.Example{{`["nth", 1, ["list", "a", "b"]]`, `"b"`}, {`["nth", 9, ["list", 1]]`, `null`}, {`["nth", 0, null]`, `null`}},
			Call: func(_ *dtl.Ctx, a []value) value {
				i, ok := dtl.First(a[0]).Int64()
				if v := elems(a[1]); ok && i >= 0 && i < int64(len(v)) {
					return v[i]
				}
				return null
			}},
		{Name: "range", Args: "START(integer-expression{1}) STOP(integer-expression{1}) STEP(integer-expression{0|1})",
			Doc:      "Lists the integers from START up to, not including, STOP.",
			Examples: []dtl.Example{{`["range", 0, 3]`, `[0,1,2]`}, {`["range", 3, 0, -2]`, `[3,1]`}, {`["range", 0, null]`, `null`}},
			Call:     rangeOf},
		{Name: "reversed", Args: "VALUES(value-expression{1})",
			Doc:      "Returns a list in reverse order.",
			Examples: []dtl.Example{{`["reversed", ["list", 1, 2]]`, `[2,1]`}, {`["reversed", 1]`, `1`}, {`["reversed", null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				if a[0].Kind() != entity.List {
					return a[0]
				}
				out := slices.Clone(a[0].Elems())
				slices.Reverse(out)
				return list(c, out)
			}},
		{Name: "slice", Args: "START(integer-expression{1}) END(integer-expression{0|1}) STRIDE(integer-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Returns a part of a list as Python does.",
			Examples: []dtl.Example{{`["slice", 1, ["list", 1, 2, 3]]`, `[2,3]`}, {`["slice", 0, -1, ["list", 1, 2, 3]]`, `[1,2]`}, {`["slice", 0, null]`, `[]`}},
			Call:     slice},
	}
}

func clampIndex(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	return int(min(max(i, 0), int64(n)))
}

func rangeOf(c *dtl.Ctx, a []value) value {
	start, ok1 := dtl.First(a[0]).Int64()
	stop, ok2 := dtl.First(a[1]).Int64()
	step, ok3 := dtl.First(a[2]).Int64()
	if a[2].IsNull() {
		step, ok3 = 1, true
	}
	if !ok1 || !ok2 || !ok3 || step == 0 {
		return null
	}
	out := c.Gather()
	for i := start; (step > 0 && i < stop || step < 0 && i > stop) && c.Room(out.Len()); i += step {
		out.Add(entity.NewInt(i))
	}
	return out.List()
}

func slice(c *dtl.Ctx, a []value) value {
	vals := elems(a[3])
	stride, _ := dtl.First(a[2]).Int64()
	if a[2].IsNull() {
		stride = 1
	}
	if stride == 0 {
		return null
	}
	n := int64(len(vals))
	from, to := bounds(dtl.First(a[0]), dtl.First(a[1]), stride, n)
	out := c.Gather()
	for i := from; stride > 0 && i < to || stride < 0 && i > to; i += stride {
		out.Add(vals[i])
	}
	return out.List()
}

// bounds are Python's of a slice of n elements.
func bounds(start, end value, stride, n int64) (from, to int64) {
	low, high := int64(0), n
	if stride < 0 {
		low, high = -1, n-1
	}
	fix := func(v value, def int64) int64 {
		i, ok := v.Int64()
		if !ok {
			return def
		}
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	if stride < 0 {
		return fix(start, high), fix(end, low)
	}
	return fix(start, low), fix(end, high)
}
