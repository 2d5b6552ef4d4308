package entity

import "math"

// A value may hold another one many times and take no more memory than once;
// written, compared or hashed it is as large as it looks. Its weight, worked
// out when it is made, tells before that happens.

// Weight is about how many bytes the value's JSON has, at most 4 GiB. It costs
// next to nothing.
func (v Value) Weight() uint32 {
	switch v.kind {
	case List:
		return uint32(v.num)
	case Dict:
		return v.Object().size()
	case String, URI, NI, UUID, Decimal, Bytes:
		return v.n
	case Int:
		if v.flags&flagBig != 0 {
			return v.n
		}
	}
	return scalarWeight
}

// vary tells whether the weight is to be added to that of any scalar.
func (v Value) vary() bool { return v.kind > Float || v.flags&flagBig != 0 && v.kind == Int }

// scalarWeight is about what a number or a date takes.
const scalarWeight = 8

func (o *Object) size() uint32 {
	if o.raw != "" {
		return saturated(uint64(len(o.raw)))
	}
	return o.weight
}

// weigh works out the weight of a dict that is complete.
func (o *Object) weigh() {
	sum := scalarWeight * uint64(len(o.members))
	for i := range o.members {
		m := &o.members[i]
		sum += uint64(len(m.Key))
		if m.Value.vary() {
			sum += uint64(m.Value.Weight())
		}
	}
	o.weight = saturated(sum)
}

func weighAll(elems []Value) uint64 {
	sum := scalarWeight * uint64(len(elems))
	for i := range elems {
		if elems[i].vary() {
			sum += uint64(elems[i].Weight())
		}
	}
	return uint64(saturated(sum))
}

func saturated(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
