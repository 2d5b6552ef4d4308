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
			Call: func(c *dtl.Ctx, a []value) value { return f.apply(c, dtl.First(a[0]), dtl.First(a[1])) }}
	}
	each := func(name, doc string, examples []dtl.Example, f *arithmetic) dtl.Func {
		return dtl.Func{Name: name, Args: "OPERAND(numeric-expression{1}) VALUES(value-expression{1})", Doc: doc, Examples: examples,
			Call: func(c *dtl.Ctx, a []value) value {
				operand := dtl.First(a[0])
				return c.Map(a[1], func(v value) (value, bool) { return f.apply(c, v, operand), v.IsNumber() })
			}}
	}
	return []dtl.Func{
		pair("+", "Adds two numbers.", []dtl.Example{{`["+", 1, 2]`, `3`}, {`["+", 1, null]`, `null`}}, &addition),
		pair("-", "Subtracts the second number from the first.", []dtl.Example{{`["-", 3, 0.5]`, `2.5`}, {`["-", null, 1]`, `null`}}, &subtraction),
		pair("*", "Multiplies two numbers.", []dtl.Example{{`["*", 4, 2.5]`, `10.0`}, {`["*", "a", 1]`, `null`}}, &multiplication),
		each("plus", "Adds a number to values.", []dtl.Example{{`["plus", 1, ["list", 1, "a"]]`, `[2]`}, {`["plus", 1, null]`, `null`}}, &addition),
		each("minus", "Subtracts a number from values.", []dtl.Example{{`["minus", 1, 3]`, `2`}, {`["minus", 1, null]`, `null`}}, &subtraction),
		each("multiply", "Multiplies values by a number.", []dtl.Example{{`["multiply", 2, ["list", 1, 2]]`, `[2,4]`}, {`["multiply", 2, null]`, `null`}}, &multiplication),
		{Name: "sum", Args: "VALUES(value-expression{1})",
			Doc:      "Adds all numbers of a list.",
			Examples: []dtl.Example{{`["sum", ["list", 1, "a", 2]]`, `3`}, {`["sum", null]`, `0`}, {`["sum", 5]`, `5`}},
			Call: func(c *dtl.Ctx, a []value) value {
				total := entity.NewInt(0)
				for _, v := range elems(a[0]) {
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
	ints     func(a, b int64) (int64, bool) // false on overflow
	bigs     func(z, a, b *big.Int) *big.Int
	floats   func(a, b float64) float64
	decimals func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error)
}

var addition = arithmetic{
	ints: func(a, b int64) (int64, bool) {
		s := a + b
		return s, (s > a) == (b > 0)
	},
	bigs:   (*big.Int).Add,
	floats: func(a, b float64) float64 { return a + b },
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		return c.Add(d, a, b)
	},
}

var subtraction = arithmetic{
	ints: func(a, b int64) (int64, bool) {
		s := a - b
		return s, (s < a) == (b > 0)
	},
	bigs:   (*big.Int).Sub,
	floats: func(a, b float64) float64 { return a - b },
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		return c.Sub(d, a, b)
	},
}

var multiplication = arithmetic{
	ints: func(a, b int64) (int64, bool) {
		if a == 0 || b == 0 {
			return 0, true
		}
		p := a * b
		return p, p/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
	},
	bigs:   (*big.Int).Mul,
	floats: func(a, b float64) float64 { return a * b },
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		return c.Mul(d, a, b)
	},
}

// maxIntBits bounds the integers that rules can grow.
const maxIntBits = 1 << 20

func (f *arithmetic) apply(c *dtl.Ctx, a, b value) value {
	if a.Kind() == entity.Float && b.Kind() == entity.Float {
		return entity.NewFloat(f.floats(a.Float64(), b.Float64()))
	}
	if !a.IsNumber() || !b.IsNumber() {
		return null
	}
	x, okX := a.Int64()
	y, okY := b.Int64()
	switch {
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
	case a.Kind() == entity.Decimal || b.Kind() == entity.Decimal:
		ctx := apd.BaseContext.WithPrecision(uint32(min(4000, a.Decimal().NumDigits()+b.Decimal().NumDigits()+40)))
		d := new(apd.Decimal)
		if _, err := f.decimals(ctx, d, a.Decimal(), b.Decimal()); err != nil {
			return null
		}
		return entity.NewDecimal(d)
	default:
		return entity.NewFloat(f.floats(a.Float64(), b.Float64()))
	}
}

func numbers() []dtl.Func {
	is := func(name, what string, k entity.Kind, yes, no string) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is " + what + ".",
			Examples: []dtl.Example{{`["` + name + `", ` + yes + `]`, `true`}, {`["` + name + `", ["list", ` + no + `]]`, `false`}, {`["` + name + `", null]`, `false`}},
			Call:     firstIs(func(v value) bool { return v.Kind() == k })}
	}
	return []dtl.Func{
		is("is-integer", "an integer", entity.Int, "1", "1.0"),
		is("is-float", "a float", entity.Float, "1.0", "1"),
		is("is-decimal", "a decimal", entity.Decimal, `"~f1.0"`, "1.0"),
	}
}
