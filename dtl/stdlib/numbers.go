package stdlib

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func numbers() []dtl.Func {
	is := func(name, what string, k entity.Kind, yes, no string) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is " + what + ".",
			Examples: []dtl.Example{{`["` + name + `", ` + yes + `]`, `true`}, {`["` + name + `", ["list", ` + no + `]]`, `false`}, {`["` + name + `", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == k })}
	}
	to := func(name, doc string, examples []dtl.Example, f func(*dtl.Ctx, value) (value, bool)) dtl.Func {
		return dtl.Func{Name: name, Args: "DEFAULT(default-value-expression{0|1}) VALUES(value-expression{1})", Doc: doc, Examples: examples, Build: cast(f)}
	}
	return []dtl.Func{
		is("is-integer", "an integer", entity.Int, "1", "1.0"),
		is("is-float", "a float", entity.Float, "1.0", "1"),
		is("is-decimal", "a decimal", entity.Decimal, `"~f1.0"`, "1.0"),
		to("integer", "Turns numbers and texts of numbers into integers; others are dropped, or replaced by DEFAULT.",
			[]dtl.Example{{`["integer", "0xff"]`, `-1`}, {`["integer", ["list", 124.4, "x"]]`, `[124]`}, {`["integer", null]`, `null`}}, toInteger),
		to("float", "Turns numbers and texts of numbers into floats; others are dropped, or replaced by DEFAULT.",
			[]dtl.Example{{`["float", "1.5"]`, `1.5`}, {`["float", ["list", 1, "x"]]`, `[1.0]`}, {`["float", null]`, `null`}}, toFloat),
		to("decimal", "Turns numbers and texts of numbers into decimals; others are dropped, or replaced by DEFAULT.",
			[]dtl.Example{{`["decimal", "1.50"]`, `"~f1.50"`}, {`["decimal", ["list", 2.2, "x"]]`, `["~f2.2"]`}, {`["decimal", null]`, `null`}}, toDecimal),
		{Name: "hex", Args: "VALUES(value-expression{1})",
			Doc:      "Writes integers as hexadecimal text in two's complement, whole bytes long.",
			Examples: []dtl.Example{{`["hex", 255]`, `"0x00ff"`}, {`["hex", ["list", -1, 1.5]]`, `["0xff"]`}, {`["hex", null]`, `null`}},
			Call1: func(c *dtl.Ctx, v value) value {
				return c.Map(v, func(v value) (value, bool) { return toHex(c, v), v.Kind() == entity.Int })
			}},
	}
}

func toHex(c *dtl.Ctx, v value) value {
	i := v.Big()
	if i == nil || !c.TextRoom(i.BitLen()/4+4) {
		return null
	}
	// One bit more than the amount needs, for the sign.
	n := i.BitLen()/8 + 1
	if i.Sign() < 0 {
		n = new(big.Int).Not(i).BitLen()/8 + 1
		i.Add(i, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	return entity.NewString("0x" + hex.EncodeToString(i.FillBytes(make([]byte, n))))
}

// numberText returns the text of a number that a text may be cast from: signs
// and blanks around it, as Python takes them, but no words and underscores.
func numberText(v value) (string, bool) {
	s, ok := text(v)
	s = strings.TrimSpace(s)
	return s, ok && s != "" && strings.Trim(s, "+-.0123456789eE") == ""
}

func toInteger(c *dtl.Ctx, v value) (value, bool) {
	switch v.Kind() {
	case entity.Int:
		return v, true
	case entity.Float, entity.Decimal:
		return truncated(c, v.Decimal()), true
	}
	s, ok := text(v)
	if digits, isHex := strings.CutPrefix(s, "0x"); ok && isHex {
		return fromHex(digits)
	}
	if s = strings.TrimPrefix(strings.TrimSpace(s), "+"); !ok || len(s) > maxDigitsOfText || strings.ContainsRune(s, '_') || strings.HasPrefix(s, "+") {
		return null, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return entity.NewInt(n), true
	}
	i, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return null, false
	}
	return entity.NewBig(i), true
}

// maxDigitsOfText bounds the digits of an integer in a text: reading them takes
// time that grows faster than their number.
const maxDigitsOfText = 300_000

// fromHex reads two's complement: the highest bit of the first byte is the sign.
func fromHex(digits string) (value, bool) {
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) == 0 || len(b) > maxIntBits/8 {
		return null, false
	}
	i := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		i.Sub(i, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return entity.NewBig(i), true
}

// truncated is a decimal without its fraction.
func truncated(c *dtl.Ctx, d *apd.Decimal) value {
	if d == nil || int64(d.Exponent)+d.NumDigits() > maxIntBits/4 {
		c.Fail("dtl/integer-size", "an integer grows beyond a million bits")
		return null
	}
	whole := d
	if d.Exponent < 0 {
		whole = new(apd.Decimal)
		d.Modf(whole, nil)
	}
	i, ok := new(big.Int).SetString(whole.Text('f'), 10)
	if !ok {
		return null
	}
	return entity.NewBig(i)
}

func toFloat(_ *dtl.Ctx, v value) (value, bool) {
	if v.IsNumber() {
		f := entity.NewFloat(v.Float64())
		return f, !f.IsNull()
	}
	s, ok := numberText(v)
	if !ok {
		return null, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return null, false
	}
	return entity.NewFloat(f), true
}

func toDecimal(_ *dtl.Ctx, v value) (value, bool) {
	if v.IsNumber() {
		return entity.NewDecimal(v.Decimal()), true
	}
	s, ok := numberText(v)
	if !ok {
		return null, false
	}
	return entity.ParseDecimal(s)
}
