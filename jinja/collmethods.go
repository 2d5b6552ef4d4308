package jinja

import (
	"math"
	"math/big"
	"slices"
)

func reversed[T any](s []T) []T {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func newView(of Value, what string) Value { return Value{k: kView, o: &view{of, what}} }

// change runs f on the receiver if the template may change it.
func (c *Call) change(f func(*list)) Value {
	if l := c.st.ownList(c.Recv); l != nil {
		f(l)
	}
	return Value{}
}

func (c *Call) insert(at int, items ...Value) Value {
	return c.change(func(l *list) {
		if !c.st.roomList(len(l.items)+len(items)) || c.st.err != nil {
			return
		}
		if at < 0 {
			at = max(0, at+len(l.items))
		}
		at = min(at, len(l.items))
		l.items = slices.Insert(l.items, at, items...)
	})
}

func (st *state) listOf(v Value) Value {
	items := st.iterate(v)
	if !st.roomList(len(items)) {
		return Value{}
	}
	return newList(slices.Clone(items))
}

func (st *state) dictOf(v Value) Value {
	d := newDict()
	st.update(d, v)
	return d.value()
}

func seqCount(c *Call) Value {
	n := int64(0)
	for _, v := range c.Recv.items() {
		if c.st.step() && c.st.equal(v, c.Arg(0)) {
			n++
		}
	}
	return Int(n)
}

func (c *Call) position() int {
	for i, v := range c.Recv.items() {
		if !c.st.step() {
			break
		}
		if c.st.equal(v, c.Arg(0)) {
			return i
		}
	}
	c.Failf("the value is not in the %s", c.Recv.typeName())
	return -1
}

func seqIndex(c *Call) Value { return Int(int64(c.position())) }

func listRemove(c *Call) Value {
	if i := c.position(); i >= 0 {
		return c.change(func(l *list) { l.items = slices.Delete(l.items, i, i+1) })
	}
	return Value{}
}

func listPop(c *Call) Value {
	var v Value
	c.change(func(l *list) {
		i := wrap(int64(c.IntOr(0, -1)), len(l.items))
		if i < 0 {
			c.Failf("pop index out of range")
			return
		}
		v = l.items[i]
		l.items = slices.Delete(l.items, int(i), int(i)+1)
	})
	return v
}

func listSort(c *Call) Value {
	return c.change(func(l *list) {
		items := slices.Clone(l.items)
		l.items = c.sorted(items, items, c.BoolOr(0, false))
	})
}

func dictGet(c *Call) Value {
	if v, ok := c.st.lookup(c.Recv, c.Arg(0)); ok {
		return v
	}
	return c.Arg(1)
}

func dictClear(c *Call) Value {
	if d := c.st.ownDict(c.Recv); d != nil {
		*d = dict{owned: true}
	}
	return Value{}
}

func dictPop(c *Call) Value {
	d := c.st.ownDict(c.Recv)
	if d == nil {
		return Value{}
	}
	h, ok := c.st.hash(c.Arg(0))
	if !ok {
		return Value{}
	}
	if i := d.find(h); i >= 0 {
		v := d.vals[i]
		c.st.work(len(d.keys) * valueSize)
		d.remove(i)
		return v
	}
	if !c.Has(1) {
		return c.Failf("the dict has no such key")
	}
	return c.Arg(1)
}

func dictSetDefault(c *Call) Value {
	if v, ok := c.st.lookup(c.Recv, c.Arg(0)); ok || c.st.err != nil {
		return v
	}
	d := c.st.ownDict(c.Recv)
	if h, ok := c.st.hash(c.Arg(0)); d != nil && ok && c.st.room(2*valueSize) {
		d.set(h, c.Arg(0), c.Arg(1))
	}
	return c.Arg(1)
}

func dictUpdate(c *Call) Value {
	d := c.st.ownDict(c.Recv)
	if d == nil {
		return Value{}
	}
	if c.Has(0) {
		c.st.update(d, c.Arg(0))
	}
	for _, m := range c.more {
		if c.st.room(2 * valueSize) {
			d.setStr(m.Key, m.Value)
		}
	}
	return Value{}
}

func intBitCount(c *Call) Value {
	n, abs := int64(0), new(big.Int).Abs(c.Recv.whole())
	for i := range abs.BitLen() {
		n += int64(abs.Bit(i))
	}
	return Int(n)
}

func isWhole(f float64) bool { return !math.IsInf(f, 0) && f == math.Trunc(f) }
