package stdlib

import (
	"math"
	"math/big"

	"github.com/cockroachdb/apd/v3"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

var division = arithmetic{
	op: '/',
	exact: func(_ *dtl.Ctx, a, b value) value {
		d := new(apd.Decimal)
		if _, err := apd.BaseContext.WithPrecision(28).Quo(d, a.Decimal(), b.Decimal()); err != nil {
			return null
		}
		d.Reduce(d)
		return entity.NewDecimal(d)
	},
	floats: func(a, b float64) float64 {
		if b == 0 {
			return math.NaN()
		}
		return a / b
	},
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) { return c.Quo(d, a, b) },
}

// remainder has the sign of the divisor, as in Python; of decimals, as there
// too, that of the dividend.
var remainder = arithmetic{
	op: '%',
	exact: func(_ *dtl.Ctx, a, b value) value {
		x, okX := a.Int64()
		y, okY := b.Int64()
		switch {
		case okY && y == 0:
			return null
		case okX && okY && y != -1:
			r := x % y
			if r != 0 && (r < 0) != (y < 0) {
				r += y
			}
			return entity.NewInt(r)
		}
		r, m := new(big.Int), b.Big()
		r.Rem(a.Big(), m)
		if r.Sign() != 0 && r.Sign() != m.Sign() {
			r.Add(r, m)
		}
		return entity.NewBig(r)
	},
	floats: func(a, b float64) float64 {
		r := math.Mod(a, b)
		if r != 0 && (r < 0) != (b < 0) {
			r += b
		}
		return r
	},
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) { return c.Rem(d, a, b) },
}

var power = arithmetic{
	op: '^',
	exact: func(c *dtl.Ctx, a, b value) value {
		base, exp := a.Big(), b.Big()
		if exp.Sign() < 0 {
			return entity.NewFloat(math.Pow(a.Float64(), b.Float64()))
		}
		if small := base.IsInt64() && base.Int64() >= -1 && base.Int64() <= 1; small {
			return smallPower(base.Int64(), exp)
		}
		if !exp.IsInt64() || exp.Int64() > maxIntBits || int64(base.BitLen()-1)*exp.Int64() > maxIntBits {
			c.Fail("dtl/integer-size", "an integer grows beyond a million bits")
			return null
		}
		return entity.NewBig(new(big.Int).Exp(base, exp, nil))
	},
	floats: math.Pow,
	decimals: func(c *apd.Context, d, a, b *apd.Decimal) (apd.Condition, error) {
		if b.Exponent+int32(min(b.NumDigits(), 1000)) > 6 {
			return 0, errHuge // more than a million: it would take long
		}
		return c.Pow(d, a, b)
	},
}

type hugeError struct{}

func (hugeError) Error() string { return "the exponent is too large" }

var errHuge hugeError

// smallPower is the power of -1, 0 or 1, whatever the exponent.
func smallPower(base int64, exp *big.Int) value {
	switch {
	case exp.Sign() == 0:
		return entity.NewInt(1)
	case base == -1 && exp.Bit(0) == 0:
		return entity.NewInt(1)
	default:
		return entity.NewInt(base)
	}
}
