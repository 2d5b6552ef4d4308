package jinja

import (
	"encoding/binary"
	"math"
)

// Mapping is a dict of the host that answers key by key, so that a big entity
// or a request need not be turned into values as a whole. It must not change
// while a template is rendered.
type Mapping interface {
	// Get returns the value of key.
	Get(key string) (Value, bool)
	// Keys returns the keys in order.
	Keys() []string
}

// Vars are the variables of a render, looked up as the template meets them.
type Vars interface {
	// Lookup returns the variable called name; false if there is none.
	Lookup(name string) (Value, bool)
}

// VarMap is the plain form of [Vars].
type VarMap map[string]Value

// Lookup implements [Vars].
func (m VarMap) Lookup(name string) (Value, bool) {
	v, ok := m[name]
	return v, ok
}

// dictKey stands for a hashable value: equal values have equal keys, so 1,
// 1.0 and True share one.
type dictKey struct {
	k kind
	n int64
	s string
}

// dict keeps members in the order in which their keys came. The index is made
// only once a scan would cost more.
type dict struct {
	hashes []dictKey
	keys   []Value
	vals   []Value
	index  map[dictKey]int
	owned  bool
}

func (*dict) object() {}

// view is what keys(), values() and items() give: it follows its dict.
type view struct {
	of   Value
	what string
}

func (*view) object() {}

const indexFrom = 12

// Member is one key of a dict with its value.
type Member struct {
	Key   string
	Value Value
}

// Dict returns a dict with the members in order; templates can read but not
// change it.
func Dict(members ...Member) Value {
	d := &dict{}
	for _, m := range members {
		d.set(dictKey{k: kStr, s: m.Key}, Str(m.Key), m.Value)
	}
	return Value{k: kDict, o: d}
}

func newDict() *dict { return &dict{owned: true} }

func (d *dict) value() Value { return Value{k: kDict, o: d} }

func (d *dict) find(h dictKey) int {
	if d.index != nil {
		if i, ok := d.index[h]; ok {
			return i
		}
		return -1
	}
	for i := range d.hashes {
		if d.hashes[i] == h {
			return i
		}
	}
	return -1
}

func (d *dict) set(h dictKey, k, v Value) {
	if i := d.find(h); i >= 0 {
		d.vals[i] = v
		return
	}
	d.hashes, d.keys, d.vals = append(d.hashes, h), append(d.keys, k), append(d.vals, v)
	if d.index != nil {
		d.index[h] = len(d.keys) - 1
	} else if len(d.keys) > indexFrom {
		d.reindex()
	}
}

func (d *dict) setStr(key string, v Value) { d.set(dictKey{k: kStr, s: key}, Str(key), v) }

func (d *dict) remove(i int) {
	d.hashes = append(d.hashes[:i], d.hashes[i+1:]...)
	d.keys = append(d.keys[:i], d.keys[i+1:]...)
	d.vals = append(d.vals[:i], d.vals[i+1:]...)
	d.index = nil
	if len(d.keys) > indexFrom {
		d.reindex()
	}
}

func (d *dict) reindex() {
	d.index = make(map[dictKey]int, 2*len(d.hashes))
	for i, h := range d.hashes {
		d.index[h] = i
	}
}

// hash returns the dictionary key of v, or fails as Python does for values
// that have none.
func (st *state) hash(v Value) (dictKey, bool) {
	switch v.k {
	case kStr, kBytes:
		st.work(len(v.s))
		return dictKey{k: v.k, s: v.s}, true
	case kInt, kBool, kFloat:
		return hashNumber(v), true
	case kNone, kDelta:
		return dictKey{k: v.k, n: v.n}, true
	case kTime, kDate:
		return dictKey{k: v.k, n: v.time().UnixNano()}, true
	case kTuple:
		return st.hashTuple(v)
	case kUndef:
		if st.lenient(v) {
			return dictKey{k: kUndef}, true
		}
		st.undefined(v)
	default:
		st.fail(CodeType, "unhashable type: '%s'", v.typeName())
	}
	return dictKey{}, false
}

func hashNumber(v Value) dictKey {
	if v.k == kFloat {
		f := v.float()
		if i := int64(f); float64(i) == f && math.Abs(f) < 1<<62 {
			return dictKey{k: kInt, n: i}
		}
		return dictKey{k: kFloat, n: v.n}
	}
	if v.o != nil {
		return dictKey{k: kInt, s: string(v.whole().Append(nil, 62))}
	}
	return dictKey{k: kInt, n: v.n}
}

func (st *state) hashTuple(v Value) (dictKey, bool) {
	if !st.enter() {
		return dictKey{}, false
	}
	defer st.leave()
	var b []byte
	for _, e := range v.items() {
		h, ok := st.hash(e)
		if !ok || !st.room(len(h.s)+18) {
			return h, false
		}
		b = binary.AppendVarint(append(b, byte(h.k)), h.n)
		b = append(binary.AppendUvarint(b, uint64(len(h.s))), h.s...)
	}
	return dictKey{k: kTuple, s: string(b)}, true
}

// lookup finds a key in any kind of dict.
func (st *state) lookup(d, key Value) (Value, bool) {
	if m, ok := d.o.(*host); ok {
		if key.k != kStr {
			return Value{}, false
		}
		return m.m.Get(key.s)
	}
	h, ok := st.hash(key)
	if !ok {
		return Value{}, false
	}
	o := d.o.(*dict)
	if i := o.find(h); i >= 0 {
		return o.vals[i], true
	}
	return Value{}, false
}

// members returns keys and values of any kind of dict.
func (st *state) members(d Value) (keys, vals []Value) {
	if o, ok := d.o.(*dict); ok {
		return o.keys, o.vals
	}
	m := d.o.(*host).m
	names := m.Keys()
	if !st.roomList(2 * len(names)) {
		return nil, nil
	}
	for _, n := range names {
		v, _ := m.Get(n)
		keys, vals = append(keys, Str(n)), append(vals, v)
	}
	return keys, vals
}

func (st *state) dictLen(d Value) int {
	if o, ok := d.o.(*dict); ok {
		return len(o.keys)
	}
	return len(d.o.(*host).m.Keys())
}

// ownDict returns the dict for changing it.
func (st *state) ownDict(d Value) *dict {
	if o, ok := d.o.(*dict); ok && o.owned {
		return o
	}
	st.fail(CodeType, "this dict comes from outside the template and cannot be changed; copy it with dict(…) first")
	return nil
}

// ownList returns the list for changing it.
func (st *state) ownList(v Value) *list {
	if l := v.o.(*list); l.owned {
		return l
	}
	st.fail(CodeType, "this list comes from outside the template and cannot be changed; copy it with the filter `list` first")
	return nil
}
