package entity

import (
	"math"
	"math/big"
	"strconv"
	"time"
	"unsafe"

	"github.com/cockroachdb/apd/v3"
)

// Value is one immutable value. The zero Value is null.
//
// Representation: kind and flags; num holds a boolean, an int64, the bits of a
// float, the Unix seconds of a date or datetime, or the weight of a list; n
// holds the nanoseconds of
// a datetime or the length of what p points to; p points to text (String, URI,
// NI, UUID, Decimal, big Int), octets (Bytes), the first element (List) or the
// object (Dict).
type Value struct {
	p   unsafe.Pointer
	num uint64
	n   uint32
	tag
}

// tag is apart so that a Value has four fields: more, and the compiler keeps
// every Value in memory instead of in registers, which costs a third of the
// time of reading.
type tag struct {
	kind  Kind
	flags uint8
}

const (
	flagBig    = 1 << iota // Int: digits in p, does not fit int64
	flagClean              // text: stands in JSON as it is
	flagText               // Float: its literal in p instead of bits in num
	flagRaw                // List: its JSON is the String behind the last element
	flagTagged             // List: a transit value is somewhere inside

	// A Float with flagText has from this bit on 1 more than the decimals of
	// its amount, which num holds as a whole number; 0 if only the literal has
	// it.
	scaleShift = 3
)

// powersOfTen are those that doubles hold exactly.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// Kind returns what the value is.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether the value is null.
func (v Value) IsNull() bool { return v.kind == Null }

// IsNumber tells whether the value is an Int, Float or Decimal.
func (v Value) IsNumber() bool { return v.kind >= Int && v.kind <= Decimal }

// NewBool returns a Bool.
func NewBool(b bool) Value {
	if b {
		return Value{tag: tag{kind: Bool}, num: 1}
	}
	return Value{tag: tag{kind: Bool}}
}

// NewInt returns an Int.
func NewInt(i int64) Value { return Value{tag: tag{kind: Int}, num: uint64(i)} }

// infinite are the exponent bits that NaN and the infinities alone have.
const infinite = 0x7ff << 52

// NewFloat returns a Float; NaN and the infinities, which the wire form cannot
// express, become null.
func NewFloat(f float64) Value {
	bits := math.Float64bits(f)
	if bits&infinite == infinite {
		return Value{}
	}
	return Value{tag: tag{kind: Float}, num: bits}
}

// NewString returns a String that shares s.
func NewString(s string) Value { return textValue(String, s) }

// NewURI returns a URI that shares s.
func NewURI(s string) Value { return textValue(URI, s) }

// NewNI returns a namespaced identifier; s is "namespace:id".
func NewNI(s string) Value { return textValue(NI, s) }

// NewBytes returns Bytes that share b; the caller must not change b any more.
func NewBytes(b []byte) Value {
	return Value{tag: tag{kind: Bytes}, p: unsafe.Pointer(unsafe.SliceData(b)), n: uint32(len(b))}
}

// NewBig returns an Int of any size.
func NewBig(i *big.Int) Value {
	if i.IsInt64() {
		return NewInt(i.Int64())
	}
	v := textValue(Int, i.String())
	v.flags |= flagBig
	return v
}

// NewDecimal returns a Decimal. NaN and the infinities become null.
func NewDecimal(d *apd.Decimal) Value {
	if d.Form != apd.Finite {
		return Value{}
	}
	if d.Exponent > 0 && d.IsZero() {
		d = &apd.Decimal{Negative: d.Negative} // or it is written with more than one zero
	}
	return textValue(Decimal, d.Text('f'))
}

// NewDatetime returns a Datetime for the instant t, to the nanosecond.
func NewDatetime(t time.Time) Value {
	return Value{tag: tag{kind: Datetime}, num: uint64(t.Unix()), n: uint32(t.Nanosecond())}
}

// NewDate returns a Date for the day of t in UTC.
func NewDate(t time.Time) Value {
	t = t.UTC()
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return Value{tag: tag{kind: Date}, num: uint64(day.Unix())}
}

// NewList returns a List that shares elems; the caller must not change them
// any more.
func NewList(elems ...Value) Value {
	return Value{tag: tag{kind: List}, p: unsafe.Pointer(unsafe.SliceData(elems)), n: uint32(len(elems)), num: weighAll(elems)}
}

func textValue(k Kind, s string) Value {
	return Value{tag: tag{kind: k}, p: unsafe.Pointer(unsafe.StringData(s)), n: uint32(len(s))}
}

// Bool returns the truth of a Bool, and false for every other kind.
func (v Value) Bool() bool { return v.kind == Bool && v.num == 1 }

// Int64 returns an Int that fits, and whether it does.
func (v Value) Int64() (int64, bool) {
	return int64(v.num), v.kind == Int && v.flags&flagBig == 0
}

// Big returns the amount of an Int, or nil for every other kind.
func (v Value) Big() *big.Int {
	if v.kind != Int {
		return nil
	}
	if v.flags&flagBig == 0 {
		return big.NewInt(int64(v.num))
	}
	i, _ := new(big.Int).SetString(v.text(), 10)
	return i
}

// Float64 returns the amount of a Float; of an Int or Decimal the nearest
// double; 0 for every other kind.
func (v Value) Float64() float64 {
	if v.tag == (tag{kind: Int}) {
		return float64(int64(v.num))
	}
	return v.float64()
}

func (v Value) float64() float64 {
	switch v.kind {
	case Float:
		if v.flags&flagText != 0 {
			return v.literal()
		}
		return math.Float64frombits(v.num)
	case Int:
		f, _ := new(big.Float).SetInt(v.Big()).Float64()
		return f
	case Decimal:
		f, _ := v.Decimal().Float64()
		return f
	default:
		return 0
	}
}

// literal is the amount of a Float that has its literal.
func (v Value) literal() float64 {
	if scale := v.flags >> scaleShift; scale > 0 {
		return float64(int64(v.num)) / powersOfTen[scale-1]
	}
	f, _ := strconv.ParseFloat(v.text(), 64)
	return f
}

// Decimal returns the exact amount of an Int or Decimal, and of a Float the
// amount its shortest decimal form prints; nil for every other kind.
func (v Value) Decimal() *apd.Decimal {
	switch v.kind {
	case Int:
		if v.flags&flagBig == 0 {
			return apd.New(int64(v.num), 0)
		}
		fallthrough
	case Decimal:
		d, _, err := apd.NewFromString(v.text())
		if err != nil {
			return new(apd.Decimal)
		}
		return d
	case Float:
		d, err := new(apd.Decimal).SetFloat64(v.Float64())
		if err != nil {
			return new(apd.Decimal)
		}
		return d
	default:
		return nil
	}
}

// Text returns the characters of a String, URI, NI (with its colon), UUID or
// Decimal; "" for every other kind. The string lives as long as the value.
func (v Value) Text() string {
	switch v.kind {
	case String, URI, NI, UUID, Decimal:
		return v.text()
	default:
		return ""
	}
}

func (v Value) text() string { return unsafe.String((*byte)(v.p), int(v.n)) }

// Octets returns the content of Bytes, nil for every other kind. The caller
// must not change it.
func (v Value) Octets() []byte {
	if v.kind != Bytes {
		return nil
	}
	return unsafe.Slice((*byte)(v.p), int(v.n))
}

// Time returns the instant of a Datetime, or midnight UTC of a Date; the zero
// time for every other kind.
func (v Value) Time() time.Time {
	if v.kind != Datetime && v.kind != Date {
		return time.Time{}
	}
	return time.Unix(int64(v.num), int64(v.n)).UTC()
}

// Elems returns the elements of a List, nil for every other kind. The caller
// must not change them.
func (v Value) Elems() []Value {
	if v.kind != List {
		return nil
	}
	return unsafe.Slice((*Value)(v.p), int(v.n))
}

// Object returns the dictionary of a Dict, nil for every other kind. A nil
// *Object is an empty dictionary to every method that only reads.
func (v Value) Object() *Object {
	if v.kind != Dict {
		return nil
	}
	return (*Object)(v.p)
}

// Get returns the member of a Dict; null and false if the value is no Dict or
// has no such key.
func (v Value) Get(key string) (Value, bool) { return v.Object().Get(key) }

// Len returns the number of elements or members of a List or Dict, and 0 for
// every other kind.
func (v Value) Len() int {
	switch v.kind {
	case List:
		return int(v.n)
	case Dict:
		return v.Object().Len()
	default:
		return 0
	}
}
