package jinja

import (
	"cmp"
	"crypto/subtle"
	"math"
	"math/big"
	"strings"
)

// truth is Python's bool().
func (st *state) truth(v Value) bool {
	switch v.k {
	case kNone:
		return false
	case kUndef:
		if !st.lenient(v) {
			st.undefined(v)
		}
		return false
	case kBool, kInt, kDelta:
		return v.n != 0 || v.o != nil
	case kFloat:
		return v.float() != 0
	case kStr, kBytes:
		return v.s != ""
	case kList, kTuple, kDict, kMap, kRange, kView:
		n, _ := st.length(v)
		return n > 0
	}
	return true
}

// compare is one step of a comparison.
func (st *state) compare(op string, a, b Value) bool {
	if st.probe != nil && a.isNum() && b.isNum() {
		st.probe.numbers(a, b)
	}
	switch op {
	case "==":
		return st.equal(a, b)
	case "!=":
		return !st.equal(a, b)
	case "in":
		return st.contains(b, a)
	case "not in":
		return !st.contains(b, a)
	}
	c, ok := st.order(a, b, op)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// equal is Python's ==. Undefined values have no equality when strict.
func (st *state) equal(a, b Value) bool {
	if a.k == kUndef || b.k == kUndef {
		return st.equalUndefined(a, b)
	}
	switch {
	case a.isText():
		return a.k == b.k && st.equalText(a, b)
	case a.isNum() && b.isNum():
		c, ok := compareNumbers(a, b)
		return ok && c == 0
	case a.isDict() && b.isDict():
		return st.equalDicts(a, b)
	case a.k != b.k:
		return false
	}
	switch a.k {
	case kNone:
		return true
	case kList, kTuple:
		return st.equalItems(a.items(), b.items())
	case kTime, kDate:
		return a.time().Equal(b.time())
	case kDelta:
		return a.n == b.n
	case kRange:
		return st.equalItems(st.elements(a), st.elements(b))
	}
	return a.o == b.o
}

func (st *state) equalUndefined(a, b Value) bool {
	for _, v := range [...]Value{a, b} {
		if v.k == kUndef && !st.lenient(v) {
			st.undefined(v)
			return false
		}
	}
	return a.k == b.k
}

// equalText takes the same time wherever two texts differ, so that nobody can
// guess a secret letter by letter. That holds for all text: what was made from
// a secret may have lost its mark, and the price is nothing.
func (st *state) equalText(a, b Value) bool {
	st.work(min(len(a.s), len(b.s)))
	if st.probe != nil {
		st.probe.compared(a, b)
	}
	return constantTimeEqual(a.s, b.s)
}

// constantTimeEqual leaks nothing but whether the lengths are the same.
func constantTimeEqual(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	var diff byte
	for i := range len(a) {
		diff |= a[i] ^ b[i]
	}
	return subtle.ConstantTimeByteEq(diff, 0) == 1
}

func (st *state) equalItems(a, b []Value) bool {
	if len(a) != len(b) || !st.enter() {
		return false
	}
	defer st.leave()
	for i := range a {
		if !st.step() || !st.equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (st *state) equalDicts(a, b Value) bool {
	if st.dictLen(a) != st.dictLen(b) || !st.enter() {
		return false
	}
	defer st.leave()
	keys, vals := st.members(a)
	for i, k := range keys {
		v, ok := st.lookup(b, k)
		if !ok || !st.step() || !st.equal(vals[i], v) {
			return false
		}
	}
	return st.err == nil
}

// compareNumbers orders numbers by exact amount; ok is false for NaN.
func compareNumbers(a, b Value) (c int, ok bool) {
	switch {
	case a.isSmall() && b.isSmall():
		return cmp.Compare(a.n, b.n), true
	case a.isInt() && b.isInt():
		return a.whole().Cmp(b.whole()), true
	case a.k == kFloat && b.k == kFloat:
		x, y := a.float(), b.float()
		return cmp.Compare(x, y), x == x && y == y
	case a.k == kFloat:
		c, ok = compareNumbers(b, a)
		return -c, ok
	}
	f := b.float()
	if math.IsNaN(f) {
		return 0, false
	}
	if math.IsInf(f, 0) {
		return -int(math.Copysign(1, f)), true
	}
	return new(big.Float).SetInt(a.whole()).Cmp(big.NewFloat(f)), true
}

// order is what <, > and sorting go by; op is for the message.
func (st *state) order(a, b Value, op string) (int, bool) {
	for _, v := range [...]Value{a, b} {
		if v.k == kUndef {
			st.undefined(v)
			return 0, false
		}
	}
	switch {
	case a.isNum() && b.isNum():
		c, ok := compareNumbers(a, b)
		return c, ok
	case a.k != b.k:
	case a.isText():
		st.work(min(len(a.s), len(b.s)))
		return strings.Compare(a.s, b.s), true
	case a.isSeq():
		return st.orderItems(a.items(), b.items(), op)
	case a.k == kTime || a.k == kDate:
		return a.time().Compare(b.time()), true
	case a.k == kDelta:
		return cmp.Compare(a.n, b.n), true
	}
	st.fail(CodeType, "'%s' not supported between '%s' and '%s'", op, a.typeName(), b.typeName())
	return 0, false
}

func (st *state) orderItems(a, b []Value, op string) (int, bool) {
	if !st.enter() {
		return 0, false
	}
	defer st.leave()
	for i := range min(len(a), len(b)) {
		if !st.step() {
			return 0, false
		}
		if !st.equal(a[i], b[i]) {
			return st.order(a[i], b[i], op)
		}
	}
	return cmp.Compare(len(a), len(b)), st.err == nil
}

// contains is Python's `x in c`.
func (st *state) contains(c, x Value) bool {
	switch c.k {
	case kStr, kBytes:
		return st.containsText(c, x)
	case kDict, kMap:
		_, ok := st.lookup(c, x)
		return ok
	}
	if w, ok := c.o.(*view); ok && w.what == "keys" {
		return st.contains(w.of, x)
	}
	for _, e := range st.iterate(c) {
		if !st.step() {
			return false
		}
		if st.equal(e, x) {
			return st.err == nil
		}
	}
	return false
}

func (st *state) containsText(c, x Value) bool {
	if x.isInt() && c.k == kBytes {
		if !x.isSmall() || x.n < 0 || x.n > 255 {
			st.fail(CodeValue, "a byte is in range(0, 256)")
		}
		return strings.IndexByte(c.s, byte(x.n)) >= 0
	}
	if x.k != c.k {
		if x.k == kUndef {
			st.undefined(x)
			return false
		}
		st.fail(CodeType, "only %s can be in %s, not %s", c.typeName(), c.typeName(), x.typeName())
		return false
	}
	st.work(len(c.s))
	if st.probe != nil {
		st.probe.contained(c, x)
	}
	return strings.Contains(c.s, x.s)
}
