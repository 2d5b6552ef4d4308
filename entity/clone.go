package entity

import (
	"strings"
	"unsafe"
)

// rawList returns the JSON a List was read from, if it is still known.
func (v Value) rawList() (string, bool) {
	if v.flags&flagRaw == 0 {
		return "", false
	}
	return unsafe.Slice((*Value)(v.p), int(v.n)+1)[v.n].text(), true
}

// Clone returns a deep copy on the heap that depends on no arena and no input.
func (v Value) Clone() Value {
	switch v.kind {
	case List:
		elems := make([]Value, v.n)
		for i, e := range v.Elems() {
			elems[i] = e.Clone()
		}
		return NewList(elems...)
	case Dict:
		src := v.Object()
		o := &Object{members: make([]Member, len(src.members))}
		for i, m := range src.members {
			o.members[i] = Member{strings.Clone(m.Key), m.Value.Clone()}
		}
		o.buildIndex()
		return o.Value()
	case Bytes:
		return NewBytes([]byte(string(v.Octets())))
	}
	if v.p != nil {
		v.p = unsafe.Pointer(unsafe.StringData(strings.Clone(v.text())))
	}
	return v
}
