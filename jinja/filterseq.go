package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// getter gives an item's attribute by a dotted path as filters take it.
func (c *Call) getter(attr, otherwise Value, hasDefault bool) func(Value) Value {
	if attr.IsNone() {
		return func(v Value) Value { return v }
	}
	var path []Value
	for _, p := range strings.Split(c.st.str(attr), ".") {
		if i, err := strconv.Atoi(p); err == nil {
			path = append(path, Int(int64(i)))
		} else {
			path = append(path, Str(p))
		}
	}
	return func(v Value) Value {
		for _, p := range path {
			c.st.step()
			v = c.st.item(v, p)
			if v.k == kUndef && hasDefault {
				v = otherwise
			}
		}
		return v
	}
}

// keys are what items are compared by: without regard to case unless asked.
func (c *Call) keys(items []Value, attr Value, caseSensitive bool) []Value {
	get := c.getter(attr, Value{}, false)
	keys := make([]Value, len(items))
	for i, v := range items {
		if !c.st.step() {
			break
		}
		if keys[i] = get(v); keys[i].k == kStr && !caseSensitive {
			c.st.room(len(keys[i].s))
			keys[i].s = lower(keys[i].s)
		}
	}
	return keys
}

// sorted sorts items by keys; equal ones keep their order.
func (c *Call) sorted(items, keys []Value, reverse bool) []Value {
	if !c.st.roomList(2*len(items)) || c.st.err != nil {
		return nil
	}
	at := make([]int, len(items))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int {
		if !c.st.step() {
			return 0
		}
		n, _ := c.st.order(keys[a], keys[b], "<")
		if reverse {
			return -n
		}
		return n
	})
	out := make([]Value, len(items))
	for i, j := range at {
		out[i] = items[j]
	}
	return out
}

func filterSort(c *Call) Value {
	items := c.st.iterate(c.Recv)
	attrs := []Value{c.Arg(2)}
	if s := c.Arg(2); s.k == kStr && strings.Contains(s.s, ",") {
		attrs = nil
		for _, p := range strings.Split(s.s, ",") {
			attrs = append(attrs, Str(p))
		}
	}
	keys := c.keys(items, attrs[0], c.BoolOr(1, false))
	if len(attrs) > 1 {
		tuples := make([][]Value, len(items))
		for _, a := range attrs {
			for i, k := range c.keys(items, a, c.BoolOr(1, false)) {
				tuples[i] = append(tuples[i], k)
			}
		}
		for i, t := range tuples {
			keys[i] = Tuple(t...)
		}
	}
	return newList(c.sorted(items, keys, c.BoolOr(0, false)))
}

func filterDictSort(c *Call) Value {
	if !c.Recv.isDict() {
		c.badType("the operand of dictsort", "a dict", c.Recv)
		return Value{}
	}
	pairs := c.st.viewed(&view{c.Recv, "items"})
	by := Int(0)
	switch c.TextOr(1, "key") {
	case "key":
	case "value":
		by = Int(1)
	default:
		return c.Failf("dictsort sorts by 'key' or 'value'")
	}
	return newList(c.sorted(pairs, c.keys(pairs, by, c.BoolOr(0, false)), c.BoolOr(2, false)))
}

// extreme is min and max.
func (c *Call) extreme(sign int) Value {
	items := c.st.iterate(c.Recv)
	if len(items) == 0 {
		return Value{k: kUndef, o: &undef{hint: "No aggregated item, sequence was empty."}}
	}
	keys := c.keys(items, c.Arg(1), c.BoolOr(0, false))
	best := 0
	for i := 1; i < len(items); i++ {
		if n, ok := c.st.order(keys[i], keys[best], "<"); ok && n*sign > 0 {
			best = i
		}
	}
	return items[best]
}

func filterUnique(c *Call) Value {
	items := c.st.iterate(c.Recv)
	seen, out := map[dictKey]bool{}, []Value(nil)
	for i, k := range c.keys(items, c.Arg(1), c.BoolOr(0, false)) {
		h, ok := c.st.hash(k)
		if ok && !seen[h] && c.st.room(2*valueSize) {
			seen[h] = true
			out = append(out, items[i])
		}
	}
	return newIter(out, "generator")
}

func filterGroupBy(c *Call) Value {
	items := c.st.iterate(c.Recv)
	get := c.getter(c.Arg(0), c.Arg(1), c.Has(1))
	vals := make([]Value, len(items))
	for i, v := range items {
		vals[i] = get(v)
	}
	keys := c.keys(vals, None(), c.BoolOr(2, false))
	order := make([]Value, len(items))
	for i := range order {
		order[i] = Int(int64(i))
	}
	var groups []Value
	var last *list
	var key Value
	for _, at := range c.sorted(order, keys, false) {
		i := at.n
		if last == nil || !c.st.equal(keys[i], key) {
			last, key = &list{owned: true}, keys[i]
			groups = append(groups, Value{k: kTuple, o: &list{items: []Value{vals[i], {k: kList, o: last}}}, s: groupMark})
		}
		last.items = append(last.items, items[i])
	}
	return newList(groups)
}

// groupMark tells groupby's tuples, which have names for their two parts.
const groupMark = "group"

func filterFirst(c *Call) Value {
	items := c.st.iterate(c.Recv)
	if len(items) == 0 {
		return Value{k: kUndef, o: &undef{hint: "No first item, sequence was empty."}}
	}
	if it, ok := c.Recv.o.(*iter); ok {
		it.items = items[1:]
	}
	return items[0]
}

func filterLast(c *Call) Value {
	items := c.st.iterate(c.Recv)
	if len(items) == 0 {
		return Value{k: kUndef, o: &undef{hint: "No last item, sequence was empty."}}
	}
	return items[len(items)-1]
}

func filterItems(c *Call) Value {
	if c.Recv.k == kUndef {
		return newIter(nil, "generator")
	}
	if !c.Recv.isDict() {
		c.badType("the operand of items", "a dict", c.Recv)
		return Value{}
	}
	return newIter(c.st.viewed(&view{c.Recv, "items"}), "generator")
}

func filterJoin(c *Call) Value {
	items := c.st.iterate(c.Recv)
	get := c.getter(c.Arg(1), Value{}, false)
	texts := make([]string, 0, len(items))
	hidden := false
	for _, v := range items {
		s, secret := c.st.text(get(v))
		if c.st.err != nil || !c.st.step() {
			return Value{}
		}
		hidden = hidden || secret
		texts = append(texts, s)
	}
	sep := ""
	if c.Has(0) {
		sep = c.st.str(c.Arg(0))
	}
	v := c.joined(texts, sep)
	if hidden {
		v.f |= flagSecret
	}
	return v
}

func filterSum(c *Call) Value {
	total := Int(0)
	if c.Has(1) {
		total = c.Arg(1)
	}
	get := c.getter(c.Arg(0), Value{}, false)
	for _, v := range c.st.iterate(c.Recv) {
		if !c.st.step() {
			break
		}
		if x := get(v); x.isText() {
			c.badType("an item of sum", "a number", x)
		} else {
			total = c.st.arith("+", total, x)
		}
	}
	return total
}

func filterBatch(c *Call) Value {
	items, n := c.st.iterate(c.Recv), c.Int(0)
	if n < 1 {
		return c.Failf("batch needs a size of at least 1")
	}
	var out []Value
	for len(items) > 0 && c.st.room(2*valueSize) {
		size := min(n, len(items))
		part := slices.Clone(items[:size])
		if short := n - size; short > 0 && !c.Arg(1).IsNone() {
			if !c.st.roomList(n) {
				return Value{}
			}
			part = append(part, slices.Repeat([]Value{c.Arg(1)}, short)...)
		}
		out, items = append(out, newList(part)), items[size:]
	}
	return newIter(out, "generator")
}

func filterSlice(c *Call) Value {
	items, n := c.st.iterate(c.Recv), c.Int(0)
	if n < 1 || !c.st.roomList(n) {
		return c.Failf("slice needs at least 1 slice")
	}
	var out []Value
	for i := range n {
		size, extra := len(items)/n, len(items)%n
		from := i*size + min(i, extra)
		to := from + size
		part := slices.Clone(items[from : to+boolInt(i < extra)])
		if i >= extra && extra > 0 && !c.Arg(1).IsNone() {
			part = append(part, c.Arg(1))
		}
		out = append(out, newList(part))
	}
	return newIter(out, "generator")
}

// some are the items of the receiver; whatever is false has none, even what
// cannot be walked through.
func (c *Call) some() []Value {
	if !c.st.truth(c.Recv) {
		return nil
	}
	return c.st.iterate(c.Recv)
}

func filterMap(c *Call) Value {
	items := c.some()
	do := c.mapper()
	if c.st.err != nil || !c.st.roomList(len(items)) {
		return Value{}
	}
	out := make([]Value, 0, len(items))
	for _, v := range items {
		if c.st.err != nil {
			break
		}
		out = append(out, do(v))
	}
	return newIter(out, "generator")
}

func (c *Call) mapper() func(Value) Value {
	if len(c.rest) == 0 && len(c.more) > 0 {
		d := Dict(c.more...)
		attr, _ := c.st.lookup(d, Str("attribute"))
		otherwise, has := c.st.lookup(d, Str("default"))
		return c.getter(attr, otherwise, has)
	}
	if len(c.rest) == 0 || c.rest[0].k != kStr {
		c.Failf("map needs the name of a filter, or attribute=…")
		return nil
	}
	return c.named(c.st.t.filters, "filter", c.rest)
}

// named looks up a filter or test by its name, the first of args, and gives
// it the others.
func (c *Call) named(set map[string]*Func, what string, args []Value) func(Value) Value {
	name := args[0].s
	f := set[name]
	if f == nil {
		c.st.failHelp(CodeName, nearest(name, set), "there is no %s %q", what, clip(name))
		return nil
	}
	return func(v Value) Value {
		call := c.st.newCall()
		rest := append(call.buf[:0], args[1:]...)
		v = c.st.run(call, f, name, v, evaluated{pos: rest, named: c.more})
		c.st.endCall(call)
		return v
	}
}

// selectItems is select, reject, selectattr and rejectattr.
func (c *Call) selectItems(byAttr, keep bool) Value {
	args := c.rest
	get := func(v Value) Value { return v }
	if byAttr {
		if len(args) == 0 {
			return c.Failf("%s needs the name of an attribute", c.name)
		}
		get = c.getter(args[0], Value{}, false)
		args = args[1:]
	}
	is := func(v Value) Value { return Bool(c.st.truth(v)) }
	if len(args) > 0 {
		if is = c.named(c.st.t.tests, "test", args); is == nil {
			return Value{}
		}
	}
	var out []Value
	for _, v := range c.some() {
		if !c.st.step() {
			return Value{}
		}
		if (is(get(v)).n == 1) == keep {
			out = append(out, v)
		}
	}
	c.st.roomList(len(out))
	return newIter(out, "generator")
}
