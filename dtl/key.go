package dtl

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// AppendKey appends a value's index key: values that are equal to DTL, and
// only they, have the same key. Keys have no order.
//
// A key is a kind's letter and the content: numbers by amount, whatever their
// kind; dates and datetimes as the instant; lists and dicts with the length of
// each part before it, so that no two can run into one another.
func AppendKey(dst []byte, v entity.Value) []byte {
	switch v.Kind() {
	case entity.Null:
		return append(dst, '0')
	case entity.Bool:
		if v.Bool() {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case entity.Int, entity.Float, entity.Decimal:
		return appendNumberKey(append(dst, 'n'), v)
	case entity.Date, entity.Datetime:
		t := v.Time()
		dst = binary.BigEndian.AppendUint64(append(dst, 'd'), uint64(t.Unix()))
		return binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
	case entity.List:
		return appendListKey(append(dst, 'l'), v.Elems())
	case entity.Dict:
		return appendDictKey(append(dst, 'o'), v.Object())
	case entity.Bytes:
		return append(append(dst, 'b'), v.Octets()...)
	default:
		return append(append(dst, keyLetters[v.Kind()]), v.Text()...)
	}
}

var keyLetters = [...]byte{entity.String: 's', entity.URI: 'r', entity.NI: ':', entity.UUID: 'u'}

// appendNumberKey writes whole numbers as digits and others as the shortest
// plain decimal, so that 1, 1.0 and the decimal 1.00 are one.
func appendNumberKey(dst []byte, v entity.Value) []byte {
	if i, ok := v.Int64(); ok {
		return strconv.AppendInt(dst, i, 10)
	}
	if v.Kind() == entity.Float {
		if f := v.Float64(); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.AppendInt(dst, int64(f), 10)
		}
	}
	d := v.Decimal()
	d.Reduce(d)
	return d.Append(dst, 'f')
}

func appendListKey(dst []byte, elems []entity.Value) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(elems)))
	for _, e := range elems {
		dst = appendPart(dst, e)
	}
	return dst
}

// appendPart appends a key with its length before it.
func appendPart(dst []byte, v entity.Value) []byte {
	at := len(dst)
	dst = AppendKey(append(dst, 0, 0, 0, 0), v)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

func appendDictKey(dst []byte, o *entity.Object) []byte {
	members := o.Members()
	if !slices.IsSortedFunc(members, compareKeys) {
		members = o.Sorted()
	}
	dst = binary.AppendUvarint(dst, uint64(len(members)))
	for _, m := range members {
		dst = binary.AppendUvarint(dst, uint64(len(m.Key)))
		dst = appendPart(append(dst, m.Key...), m.Value)
	}
	return dst
}

func compareKeys(a, b entity.Member) int { return strings.Compare(a.Key, b.Key) }
