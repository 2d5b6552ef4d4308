package jinja

import (
	"math"
	"math/big"
	"time"
)

type kind uint8

const (
	kNone kind = iota
	kUndef
	kBool
	kInt
	kFloat
	kStr
	kBytes
	kList
	kTuple
	kDict
	kMap // a Mapping of the host: a dict that only answers
	kTime
	kDate
	kDelta
	kFunc
	kIter // what a generator gives: may be walked once
	kRange
	kView // keys, values or items of a dict
	kObj  // loop, namespace, cycler and the like
)

var kindNames = [...]string{
	"NoneType", "Undefined", "bool", "int", "float", "str", "bytes", "list", "tuple", "dict", "dict",
	"datetime.datetime", "datetime.date", "datetime.timedelta", "function", "generator", "range", "dict_view", "object",
}

type flags uint8

const (
	flagSecret flags = 1 << iota // text that must not be shown, and is compared in constant time
	flagSafe                     // markup that need not be escaped again
	flagAbsent                   // an optional argument that was not given
)

// Value is one value as a template sees it. The set of kinds is closed and
// follows Python's. The zero Value is None. Values are immutable, except for
// lists, dicts and namespaces that a template made itself.
type Value struct {
	k kind
	f flags
	n int64  // bool, int, bits of a float, microseconds of a timedelta
	s string // str, bytes; exact digits of a float that was a decimal
	o object // everything else
}

// object is what a Value may point to; the set is closed by the method.
type object interface{ object() }

type (
	bigInt struct{ *big.Int }
	list   struct {
		items []Value
		owned bool // made by this render, so it may be changed
	}
	moment struct{ t time.Time } // UTC unless the template moved it
	iter   struct {
		items []Value
		name  string
	}
	intRange struct{ start, stop, step int64 }
	undef    struct {
		name, hint, owner string
		soft              bool // an `if` without `else`, which Python takes for empty even when strict
	}
	host struct{ m Mapping }
)

func (bigInt) object()    {}
func (*list) object()     {}
func (*moment) object()   {}
func (*iter) object()     {}
func (*intRange) object() {}
func (*undef) object()    {}
func (*host) object()     {}

// None is Python's None.
func None() Value { return Value{} }

// Bool returns True or False.
func Bool(b bool) Value {
	if b {
		return Value{k: kBool, n: 1}
	}
	return Value{k: kBool}
}

// Int returns an int.
func Int(i int64) Value { return Value{k: kInt, n: i} }

// Big returns an int of any size; i must not change afterwards.
func Big(i *big.Int) Value {
	if i.IsInt64() {
		return Int(i.Int64())
	}
	return Value{k: kInt, o: bigInt{i}}
}

// Float returns a float.
func Float(f float64) Value { return Value{k: kFloat, n: int64(math.Float64bits(f))} }

// Decimal returns a float that prints as text, its exact decimal form, until
// it is reckoned with.
func Decimal(f float64, text string) Value {
	return Value{k: kFloat, n: int64(math.Float64bits(f)), s: text}
}

// Str returns a str.
func Str(s string) Value { return Value{k: kStr, s: s} }

// Bytes returns bytes; b is copied.
func Bytes(b []byte) Value { return Value{k: kBytes, s: string(b)} }

// Secret returns a str that is compared in constant time and that a
// validation expression may not print. What is made from it is secret, too.
func Secret(s string) Value { return Value{k: kStr, f: flagSecret, s: s} }

// List returns a list, which templates can read but not change. It shares
// items.
func List(items ...Value) Value { return Value{k: kList, o: &list{items: items}} }

// Tuple returns a tuple that shares items.
func Tuple(items ...Value) Value { return Value{k: kTuple, o: &list{items: items}} }

func newList(items []Value) Value { return Value{k: kList, o: &list{items, true}} }

func newIter(items []Value, name string) Value { return Value{k: kIter, o: &iter{items, name}} }

// Time returns an aware datetime.
func Time(t time.Time) Value { return Value{k: kTime, o: &moment{t}} }

// Date returns the date of t.
func Date(t time.Time) Value { return Value{k: kDate, o: &moment{t}} }

// Delta returns a timedelta, to the microsecond.
func Delta(d time.Duration) Value { return Value{k: kDelta, n: d.Microseconds()} }

// Map returns a dict that is looked up in m when a template asks.
func Map(m Mapping) Value { return Value{k: kMap, o: &host{m}} }

func (v Value) float() float64 {
	if v.k == kFloat {
		return math.Float64frombits(uint64(v.n))
	}
	if b, ok := v.o.(bigInt); ok {
		f, _ := new(big.Float).SetInt(b.Int).Float64()
		return f
	}
	return float64(v.n)
}

// whole returns an int or bool as a big number.
func (v Value) whole() *big.Int {
	if b, ok := v.o.(bigInt); ok {
		return b.Int
	}
	return big.NewInt(v.n)
}

func (v Value) isInt() bool   { return v.k == kInt || v.k == kBool }
func (v Value) isSmall() bool { return v.isInt() && v.o == nil }
func (v Value) isNum() bool   { return v.isInt() || v.k == kFloat }
func (v Value) isText() bool  { return v.k == kStr || v.k == kBytes }
func (v Value) isSeq() bool   { return v.k == kList || v.k == kTuple }
func (v Value) isDict() bool  { return v.k == kDict || v.k == kMap }
func (v Value) secret() bool  { return v.f&flagSecret != 0 }
func (v Value) absent() bool  { return v.f&flagAbsent != 0 }

// items returns the elements of a list or tuple.
func (v Value) items() []Value {
	if l, ok := v.o.(*list); ok {
		return l.items
	}
	return nil
}

func (v Value) time() time.Time { return v.o.(*moment).t }

// Text returns the content of a str or bytes, and whether the value is one.
func (v Value) Text() (string, bool) { return v.s, v.isText() }

// IsNone tells whether the value is None.
func (v Value) IsNone() bool { return v.k == kNone }

// typeName is the name Python gives the value's type.
func (v Value) typeName() string {
	switch o := v.o.(type) {
	case attributed:
		return o.typeName()
	case *iter:
		return o.name
	case *view:
		return "dict_" + o.what
	}
	return kindNames[v.k]
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
