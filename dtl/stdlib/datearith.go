package stdlib

import (
	"math"
	"math/big"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func datetimePlus(b *dtl.Builder, a dtl.Args) dtl.Eval {
	part := fixed(b, a, 0, "dtl/date-part", parseDatePart)
	count, vals := b.Expr(a.One(1)).Eval, b.Expr(a.One(2)).Eval
	return func(c *dtl.Ctx) value {
		p, okPart := part(c)
		n, okCount := dtl.First(count(c)).Int64()
		if !okPart || !okCount {
			return null
		}
		return c.Map(vals(c), func(v value) (value, bool) {
			if !isTime(v) {
				return null, false
			}
			t, ok := p.add(v.Time(), n)
			return entity.NewDatetime(t), ok
		})
	}
}

// add adds n parts; false if the result is outside the years 1 to 9999.
func (p datePart) add(t time.Time, n int64) (time.Time, bool) {
	const most = 10_000 * 12
	if p.months > 0 {
		if n > most || n < -most {
			return t, false
		}
		t = plusMonths(t, int(n*p.months))
		return t, within(t)
	}
	// A duration holds 292 years: seconds and the rest are added apart.
	total := new(big.Int).Mul(big.NewInt(n), big.NewInt(p.nanos))
	seconds, nanos := new(big.Int).DivMod(total, big.NewInt(1e9), new(big.Int))
	if !seconds.IsInt64() || seconds.Int64() > math.MaxInt64/4 || seconds.Int64() < math.MinInt64/4 {
		return t, false
	}
	t = time.Unix(t.Unix()+seconds.Int64(), int64(t.Nanosecond())+nanos.Int64()).UTC()
	return t, within(t)
}

func within(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

// plusMonths adds months; a day that the month does not have becomes its last.
func plusMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	return first.AddDate(0, 0, min(t.Day(), daysIn(first.Year(), first.Month()))-1)
}

func datetimeDiff(b *dtl.Builder, a dtl.Args) dtl.Eval {
	part := fixed(b, a, 0, "dtl/date-part", parseDatePart)
	start, end := b.Expr(a.One(1)).Eval, b.Expr(a.One(2)).Eval
	return func(c *dtl.Ctx) value {
		p, ok := part(c)
		s, e := dtl.First(start(c)), dtl.First(end(c))
		if !ok || !isTime(s) || !isTime(e) {
			return null
		}
		return p.between(s.Time(), e.Time())
	}
}

// between is start minus end in whole parts, cut towards zero.
func (p datePart) between(start, end time.Time) value {
	if p.months > 0 {
		return entity.NewInt(monthsBetween(start, end) / p.months)
	}
	nanos := new(big.Int).Mul(big.NewInt(start.Unix()-end.Unix()), big.NewInt(1e9))
	nanos.Add(nanos, big.NewInt(int64(start.Nanosecond()-end.Nanosecond())))
	return entity.NewBig(nanos.Quo(nanos, big.NewInt(p.nanos)))
}

func monthsBetween(start, end time.Time) int64 {
	n := (start.Year()-end.Year())*12 + int(start.Month()-end.Month())
	switch reached := plusMonths(end, n); {
	case n > 0 && reached.After(start):
		n--
	case n < 0 && reached.Before(start):
		n++
	}
	return int64(n)
}
