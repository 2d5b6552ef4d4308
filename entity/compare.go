package entity

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Equal tells whether two values are the same to DTL: numbers by amount
// whatever their kind, everything else by kind and content.
func Equal(a, b Value) bool {
	if a.kind != b.kind {
		return a.kind.Rank() == b.kind.Rank() && Compare(a, b) == 0
	}
	switch a.kind {
	case Null:
		return true
	case String, URI, NI, UUID, Bytes:
		return a.text() == b.text()
	case List:
		return slices.EqualFunc(a.Elems(), b.Elems(), Equal)
	case Dict:
		return equalDicts(a.Object(), b.Object())
	default:
		return Compare(a, b) == 0
	}
}

func equalDicts(a, b *Object) bool {
	if a.Len() != b.Len() {
		return false
	}
	for _, m := range a.Members() {
		v, ok := b.Get(m.Key)
		if !ok || !Equal(m.Value, v) {
			return false
		}
	}
	return true
}

// Compare is the total order of values: first by rank of kind, then numbers by
// exact amount, times by instant, text and bytes bytewise, lists element by
// element, dicts by their sorted keys and then by the values in that order.
func Compare(a, b Value) int {
	if a.kind.Rank() != b.kind.Rank() {
		return cmp.Compare(a.kind.Rank(), b.kind.Rank())
	}
	switch a.kind {
	case Null:
		return 0
	case Bool:
		return cmp.Compare(a.num, b.num)
	case Int, Float, Decimal:
		return compareNumbers(a, b)
	case Date, Datetime:
		return cmp.Or(cmp.Compare(int64(a.num), int64(b.num)), cmp.Compare(a.n, b.n))
	case List:
		return slices.CompareFunc(a.Elems(), b.Elems(), Compare)
	case Dict:
		return compareDicts(a.Object(), b.Object())
	default:
		return strings.Compare(a.text(), b.text())
	}
}

func compareNumbers(a, b Value) int {
	x, xInt := a.Int64()
	y, yInt := b.Int64()
	switch {
	case xInt && yInt:
		return cmp.Compare(x, y)
	case a.kind == Float && b.kind == Float:
		return cmp.Compare(a.Float64(), b.Float64())
	case xInt && b.kind == Float:
		return compareIntFloat(x, b.Float64())
	case a.kind == Float && yInt:
		return -compareIntFloat(y, a.Float64())
	default:
		return a.Decimal().Cmp(b.Decimal())
	}
}

// compareIntFloat compares without rounding the integer.
func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := math.Trunc(f)
	return cmp.Or(cmp.Compare(i, int64(whole)), cmp.Compare(whole, f))
}

func compareDicts(a, b *Object) int {
	x, y := a.Sorted(), b.Sorted()
	byKey := func(m, n Member) int { return strings.Compare(m.Key, n.Key) }
	byValue := func(m, n Member) int { return Compare(m.Value, n.Value) }
	return cmp.Or(slices.CompareFunc(x, y, byKey), slices.CompareFunc(x, y, byValue))
}

// Sorted returns the members in order of their keys, as a new slice.
func (o *Object) Sorted() []Member {
	return slices.SortedFunc(slices.Values(o.Members()), func(m, n Member) int {
		return strings.Compare(m.Key, n.Key)
	})
}
