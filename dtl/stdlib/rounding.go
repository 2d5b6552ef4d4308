package stdlib

import (
	"math"
	"strconv"

	"github.com/cockroachdb/apd/v3"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// maxDigits bounds DIGITS both ways.
const maxDigits = 1000

func rounding() []dtl.Func {
	mode := func(name, doc string, examples []dtl.Example, r apd.Rounder) dtl.Func {
		return dtl.Func{Name: name, Args: "DIGITS(numeric-expression{0|1}) VALUES(value-expression{1})", Doc: doc, Examples: examples,
			Call: func(c *dtl.Ctx, a []value) value {
				digits, given := wholeNumber(dtl.First(a[0]))
				if !given && !a[0].IsNull() {
					return null
				}
				return c.Map(a[1], func(v value) (value, bool) { return rounded(c, v, digits, r), v.IsNumber() })
			}}
	}
	return []dtl.Func{
		mode("ceil", "Rounds numbers up, to whole ones or to DIGITS decimals.", []dtl.Example{{`["ceil", 2.2]`, `3`}, {`["ceil", 1, ["list", 4.778, "a"]]`, `[4.8]`}, {`["ceil", null]`, `null`}}, apd.RoundCeiling),
		mode("floor", "Rounds numbers down, to whole ones or to DIGITS decimals.", []dtl.Example{{`["floor", 2.9]`, `2`}, {`["floor", -2.1]`, `-3`}, {`["floor", null]`, `null`}}, apd.RoundFloor),
		mode("round", "Rounds numbers to whole ones or to DIGITS decimals, halves to the even neighbour.", []dtl.Example{{`["round", 2.5]`, `2`}, {`["round", 1, 0.25]`, `0.2`}, {`["round", null]`, `null`}}, apd.RoundHalfEven),
		{Name: "abs", Args: "VALUES(numeric-expression{1})",
			Doc:      "Takes the sign off numbers.",
			Examples: []dtl.Example{{`["abs", ["list", -2, 4]]`, `[2,4]`}, {`["abs", -2.5]`, `2.5`}, {`["abs", null]`, `null`}},
			Call1: func(c *dtl.Ctx, v value) value {
				return c.Map(v, func(v value) (value, bool) { return absolute(c, v), v.IsNumber() })
			}},
		real("cos", "Returns the cosine of angles in radians.", []dtl.Example{{`["cos", 0]`, `1.0`}, {`["cos", null]`, `null`}}, math.Cos),
		real("sin", "Returns the sine of angles in radians.", []dtl.Example{{`["sin", 0]`, `0.0`}, {`["sin", "x"]`, `null`}}, math.Sin),
		real("tan", "Returns the tangent of angles in radians; null where it is infinite.", []dtl.Example{{`["tan", 0]`, `0.0`}, {`["tan", 1.5707963267948966]`, `null`}}, tangent),
		real("sqrt", "Returns square roots; null of negative numbers.", []dtl.Example{{`["sqrt", ["list", 4, -1]]`, `[2.0,null]`}, {`["sqrt", null]`, `null`}}, math.Sqrt),
	}
}

// real is a function of floats; what is no number comes out as null.
func real(name, doc string, examples []dtl.Example, f func(float64) float64) dtl.Func {
	return dtl.Func{Name: name, Args: "VALUES(numeric-expression{1})", Doc: doc, Examples: examples,
		Call1: func(c *dtl.Ctx, v value) value {
			return c.Map(v, func(v value) (value, bool) { return entity.NewFloat(f(v.Float64())), v.IsNumber() })
		}}
}

// tangent is not a number as close to a pole as doubles can tell.
func tangent(x float64) float64 {
	if math.Abs(math.Cos(x)) < 1e-15 {
		return math.NaN()
	}
	return math.Tan(x)
}

func absolute(c *dtl.Ctx, v value) value {
	if v.Float64() >= 0 {
		return v
	}
	if v.Kind() == entity.Float {
		return entity.NewFloat(-v.Float64())
	}
	return subtraction.apply(c, entity.NewInt(0), v)
}

// wholeNumber returns a number of digits within bounds, and whether it is one.
func wholeNumber(v value) (int32, bool) {
	f := v.Float64()
	if !v.IsNumber() || f != math.Trunc(f) {
		return 0, false
	}
	return int32(max(-maxDigits, min(maxDigits, f))), true
}

// rounded rounds a number. The result is an Int unless digits are asked for;
// then Ints become Floats and the others stay what they are.
func rounded(c *dtl.Ctx, v value, digits int32, r apd.Rounder) value {
	if !v.IsNumber() || v.Kind() == entity.Int && digits == 0 {
		return v
	}
	if v.Kind() == entity.Int && digits > 0 {
		return entity.NewFloat(v.Float64())
	}
	// Floats are rounded by the amount they have, as Python's round does; up
	// and down by the amount they print, or 2.2 would go up to 2.3.
	if v.Kind() == entity.Float && r == apd.RoundHalfEven && digits > 0 {
		f, err := strconv.ParseFloat(strconv.FormatFloat(v.Float64(), 'f', int(digits), 64), 64)
		if err != nil {
			return null
		}
		return entity.NewFloat(f)
	}
	d := new(apd.Decimal)
	ctx := apd.BaseContext.WithPrecision(maxDecimalExponent)
	ctx.Rounding = r
	if _, err := ctx.Quantize(d, v.Decimal(), -digits); err != nil {
		return null
	}
	switch {
	case digits <= 0:
		return truncated(c, d)
	case v.Kind() == entity.Float:
		f, _ := d.Float64()
		return entity.NewFloat(f)
	default:
		return entity.NewDecimal(d)
	}
}
