package entity

import (
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// maxExponent bounds the exponents read: beyond it a few bytes of text would
// mean megabytes of digits.
const maxExponent = 6144

// number reads a number. Whole ones that fit become Ints at once; a Float
// keeps its literal and is worked out only when somebody asks.
func (d *decoder) number() Value {
	start := d.pos
	neg := d.src[d.pos] == '-'
	if neg {
		d.pos++
	}
	first := d.pos
	var n uint64
	for d.pos < len(d.src) && d.src[d.pos]-'0' < 10 {
		n = n*10 + uint64(d.src[d.pos]-'0')
		d.pos++
	}
	digits := d.pos - first
	if digits == 0 || (digits > 1 && d.src[first] == '0') {
		d.fail(first, "json/number", "a number has digits and no leading zero")
		return Value{}
	}
	if c := d.peek(); c == '.' || c|0x20 == 'e' {
		if neg {
			return d.fraction(start, -1, n, digits)
		}
		return d.fraction(start, 1, n, digits)
	}
	if digits > 18 {
		return d.bigInt(d.src[start:d.pos])
	}
	if neg {
		return NewInt(-int64(n))
	}
	return NewInt(int64(n))
}

func (d *decoder) bigInt(text string) Value {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return NewInt(i)
	}
	v := textValue(Int, text)
	v.flags |= flagBig
	return v
}

// fraction reads on from the point or exponent of the number begun at start,
// whose digits so far make n.
func (d *decoder) fraction(start int, sign int64, n uint64, digits int) Value {
	point := d.pos
	zero := true
	if d.peek() == '.' {
		d.pos++
		from := d.pos
		for d.pos < len(d.src) && d.src[d.pos]-'0' < 10 {
			zero = zero && d.src[d.pos] == '0'
			n = n*10 + uint64(d.src[d.pos]-'0')
			d.pos++
		}
		digits += d.pos - from
		if d.pos == from {
			d.fail(from, "json/number", "digits are expected after the decimal point")
			return Value{}
		}
	}
	plain := true
	if d.peek()|0x20 == 'e' {
		plain = false
		if d.exponent(); d.err != nil {
			return Value{}
		}
	}
	text := d.src[start:d.pos]
	switch {
	case d.o.FloatAsInt && plain && zero:
		d.loose = true // the bytes say something else than the value
		return d.bigInt(d.src[start:point])
	case d.o.FloatAsDecimal:
		return d.decimal(start, text)
	case plain && len(text) < 300:
		v := textValue(Float, text)
		v.flags |= flagText
		v.setAmount(sign, n, digits, d.pos-point-1)
		return v
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && math.IsInf(f, 0) {
		return d.decimal(start, text)
	}
	v := textValue(Float, text)
	v.flags |= flagText
	return v
}

// setAmount notes the amount of a plain literal in its value, sign * n /
// 10^scale, where both are exact as doubles: then their quotient is the double
// nearest to the literal, and the literal need not be read again.
func (v *Value) setAmount(sign int64, n uint64, digits, scale int) {
	if digits <= 18 && n < 1<<53 && n > 0 && scale < len(powersOfTen) {
		v.num = uint64(sign * int64(n))
		v.flags |= uint8(scale+1) << scaleShift
	}
}

func (d *decoder) exponent() {
	d.pos++
	if c := d.peek(); c == '+' || c == '-' {
		d.pos++
	}
	from, n := d.pos, 0
	for d.pos < len(d.src) && d.src[d.pos]-'0' < 10 {
		n = min(n*10+int(d.src[d.pos]-'0'), maxExponent+1)
		d.pos++
	}
	switch {
	case d.pos == from:
		d.fail(from, "json/number", "digits are expected in the exponent")
	case n > maxExponent:
		d.fail(from, "json/number", "the exponent is out of range")
	}
}

func (d *decoder) decimal(start int, text string) Value {
	v, ok := readDecimal(text)
	if !ok {
		d.fail(start, "json/number", "the number is out of range")
		return Value{}
	}
	d.loose = true
	return v
}

// readDecimal is ParseDecimal for text that may be kept, as that of what is
// decoded. Most decimals are written as we write them.
func readDecimal(s string) (Value, bool) {
	if isPlainDecimal(s) {
		return textValue(Decimal, s), true
	}
	return ParseDecimal(s)
}

// longestPlain bounds what isPlainDecimal looks at.
const longestPlain = 64

// isPlainDecimal tells whether s is digits, a point and digits, with neither a
// sign nor a zero too many: the text that a Decimal of its amount has.
func isPlainDecimal(s string) bool {
	if len(s) > longestPlain {
		return false
	}
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	first := i
	for i < len(s) && s[i]-'0' < 10 {
		i++
	}
	if i == first || s[first] == '0' && i-first > 1 || i == len(s) || s[i] != '.' {
		return false
	}
	point := i
	for i++; i < len(s) && s[i]-'0' < 10; {
		i++
	}
	return i == len(s) && i > point+1
}

// ParseDecimal reads the text of a Decimal: a JSON number of any length.
func ParseDecimal(s string) (Value, bool) {
	dec, cond, err := apd.NewFromString(s)
	if err != nil || cond.Any() || dec.Form != apd.Finite || strings.ContainsAny(s, "_nN+ ") && !strings.ContainsAny(s, "eE") {
		return Value{}, false
	}
	if dec.Exponent > maxExponent || dec.Exponent < -maxExponent {
		return Value{}, false
	}
	return NewDecimal(dec), true
}
