package stdlib

import (
	"math"
	"math/big"

	"github.com/cockroachdb/apd/v3"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func maths() []dtl.Func {
	pair := func(name, doc string, examples []dtl.Example, f *arithmetic) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUE1(value-expression{1}) VALUE2(value-expression{1})", Doc: doc, Examples: examples,
			Call2: func(c *dtl.Ctx, v, w value) value { return f.apply(c, dtl.First(v), dtl.First(w)) }}
	}
	each := func(name, doc string, examples []dtl.Example, f *arithmetic) dtl.Func {
		return dtl.Func{Name: name, Args: "OPERAND(numeric-expression{1}) VALUES(value-expression{1})", Doc: doc, Examples: examples,
			Call2: func(c *dtl.Ctx, operand, vals value) value {
				operand = dtl.First(operand)
				return c.Map(vals, func(v value) (value, bool) { return f.apply(c, v, operand), v.IsNumber() })
			}}
	}
	return []dtl.Func{
		pair("+", "Adds two numbers.", []dtl.Example{{`["+", 1, 2]`, `3`}, {`["+", 1, null]`, `null`}}, &addition),
		pair("-", "Subtracts the second number from the first.", []dtl.Example{{`["-", 3, 0.5]`, `2.5`}, {`["-", null, 1]`, `null`}}, &subtraction),
		pair("/", "Divides the first number by the second; two integers give a decimal, a division by zero null.", []dtl.Example{{`["/", 1, 4]`, `"~f0.25"`}, {`["/", 1.0, 4]`, `0.25`}, {`["/", 5, 0]`, `null`}}, &division),
		pair("%", "Returns the remainder of dividing the first number by the second.", []dtl.Example{{`["%", 5, 3]`, `2`}, {`["%", -5, 3]`, `1`}, {`["%", 5, 0]`, `null`}}, &remainder),
		pair("^", "Raises the first number to the power of the second.", []dtl.Example{{`["^", 5, 2]`, `25`}, {`["^", 2, -1]`, `0.5`}, {`["^", -8, 0.5]`, `null`}}, &power),
		pair("*", "Multiplies two numbers.", []dtl.Example{{`["*", 4, 2.5]`, `10.0`}, {`["*", "a", 1]`, `null`}}, &multiplication),
		each("plus", "Adds a number to values.", []dtl.Example{{`["plus", 1, ["list", 1, "a"]]`, `[2]`}, {`["plus", 1, null]`, `null`}}, &addition),
		each("minus", "Subtracts a number from values.", []dtl.Example{{`["minus", 1, 3]`, `2`}, {`["minus", 1, null]`, `null`}}, &subtraction),
		each("multiply", "Multiplies values by a number.", []dtl.Example{{`["multiply", 2, ["list", 1, 2]]`, `[2,4]`}, {`["multiply", 2, null]`, `null`}}, &multiplication),
		each("divide", "Divides values by a number.", []dtl.Example{{`["divide", 2.0, ["list", 1, "a"]]`, `[0.5]`}, {`["divide", 0, 1]`, `null`}}, &division),
		each("mod", "Returns the remainders of dividing values by a number.", []dtl.Example{{`["mod", 3, ["list", 5, 6]]`, `[2,0]`}, {`["mod", 0, 1]`, `null`}}, &remainder),
		each("pow", "Raises values to a power.", []dtl.Example{{`["pow", 2, ["list", 3, "a"]]`, `[9]`}, {`["pow", 2, null]`, `null`}}, &power),
		{Name: "sum", Args: "VALUES(value-expression{1})",
			Doc:      "Adds all numbers of a list.",
			Examples: []dtl.Example{{`["sum", ["list", 1, "a", 2]]`, `3`}, {`["sum", null]`, `0`}, {`["sum", 5]`, `5`}},
			Call1: func(c *dtl.Ctx, vals value) value {
				total := entity.NewInt(0)
				for _, v := range elems(vals) {
					if v.IsNumber() && c.Step() {
						total = addition.apply(c, total, v)
					}
				}
				return total
			}},
	}
}

// arithmetic is one operation on each kind of number; the kind of the result
// is the wider one: Int, Float, Decimal.
type arithmetic struct {
	op       byte                           // '+', '-' or '*', which need no call of floats
	ints     func(a, b int64) (int64, bool) // false on overflow
	bigs     func(z, a, b *big.Int) *big.Int
	exact    func(c *dtl.Ctx, a, b value) value // of two integers, in place of ints and bigs
	floats   func(a, b float64) float64         // of any other op
	decimals func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error)
}

var addition = arithmetic{
	op: '+',
	ints: func(a, b int64) (int64, bool) {
		s := a + b
		return s, (s > a) == (b > 0)
	},
	bigs: (*big.Int).Add,
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		return c.Add(d, a, b)
	},
}

var subtraction = arithmetic{
	op: '-',
	ints: func(a, b int64) (int64, bool) {
		s := a - b
		return s, (s < a) == (b > 0)
	},
	bigs: (*big.Int).Sub,
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		return c.Sub(d, a, b)
	},
}

var multiplication = arithmetic{
	op: '*',
	ints: func(a, b int64) (int64, bool) {
		if a == 0 || b == 0 {
			return 0, true
		}
		p := a * b
		return p, p/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
	},
	bigs: (*big.Int).Mul,
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		return c.Mul(d, a, b)
	},
}

// maxIntBits bounds the integers that rules can grow.
const maxIntBits = 1 << 20

func (f *arithmetic) onFloats(x, y float64) float64 {
	switch f.op {
	case '+':
		return x + y
	case '-':
		return x - y
	case '*':
		return x * y
	}
	return f.floats(x, y)
}

func (f *arithmetic) apply(c *dtl.Ctx, a, b value) value {
	if !a.IsNumber() || !b.IsNumber() {
		return null
	}
	if (a.Kind() == entity.Float || b.Kind() == entity.Float) && a.Kind() != entity.Decimal && b.Kind() != entity.Decimal {
		return entity.NewFloat(f.onFloats(a.Float64(), b.Float64()))
	}
	x, okX := a.Int64()
	y, okY := b.Int64()
	switch {
	case f.exact != nil && a.Kind() == entity.Int && b.Kind() == entity.Int:
		return f.exact(c, a, b)
	case okX && okY:
		if r, ok := f.ints(x, y); ok {
			return entity.NewInt(r)
		}
		fallthrough
	case a.Kind() == entity.Int && b.Kind() == entity.Int:
		r := f.bigs(new(big.Int), a.Big(), b.Big())
		if r.BitLen() > maxIntBits {
			c.Fail("dtl/integer-size", "an integer grows beyond a million bits")
		}
		return entity.NewBig(r)
	default:
		return f.onDecimals(a.Decimal(), b.Decimal())
	}
}

func (f *arithmetic) onDecimals(a, b *apd.Decimal) value {
	ctx := apd.BaseContext.WithPrecision(f.precision(a, b))
	d := new(apd.Decimal)
	if _, err := f.decimals(ctx, d, a, b); err != nil || d.Exponent > maxDecimalExponent || d.Exponent < -maxDecimalExponent {
		return null
	}
	return entity.NewDecimal(d)
}

// maxDecimalExponent bounds the digits that a decimal can be written with.
const maxDecimalExponent = 4000

// precision is enough digits for sums, differences and products to be exact,
// unless they are absurdly long; quotients and powers have Python's 28.
func (f *arithmetic) precision(a, b *apd.Decimal) uint32 {
	if f.exact != nil {
		return 28
	}
	spread := max(a.Exponent, b.Exponent) - min(a.Exponent, b.Exponent)
	return uint32(min(maxDecimalExponent, a.NumDigits()+b.NumDigits()+int64(spread)+2))
}
