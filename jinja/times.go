package jinja

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

func isoTime(t time.Time, sep string) string {
	s := t.Format("2006-01-02" + sep + "15:04:05")
	if us := t.Nanosecond() / 1000; us != 0 {
		s += fmt.Sprintf(".%06d", us)
	}
	return s + t.Format("-07:00")
}

func timeRepr(t time.Time) string {
	s := t.Format("datetime.datetime(2006, 1, 2, ") + strconv.Itoa(t.Hour()) + ", " + strconv.Itoa(t.Minute())
	us := t.Nanosecond() / 1000
	if t.Second() != 0 || us != 0 {
		s += ", " + strconv.Itoa(t.Second())
	}
	if us != 0 {
		s += ", " + strconv.Itoa(us)
	}
	zone := "datetime.timezone.utc"
	if _, off := t.Zone(); off != 0 {
		zone = "datetime.timezone(" + deltaRepr(int64(off)*1e6) + ")"
	}
	return s + ", tzinfo=" + zone + ")"
}

// deltaParts are Python's: days may be negative, the others never are.
func deltaParts(us int64) (days, seconds, micros int64) {
	const second, day = 1_000_000, 86_400_000_000
	days = us / day
	if us %= day; us < 0 {
		days, us = days-1, us+day
	}
	return days, us / second, us % second
}

func deltaText(us int64) string {
	d, s, m := deltaParts(us)
	out := fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	if m != 0 {
		out += fmt.Sprintf(".%06d", m)
	}
	switch d {
	case 0:
		return out
	case 1, -1:
		return fmt.Sprintf("%d day, %s", d, out)
	}
	return fmt.Sprintf("%d days, %s", d, out)
}

func deltaRepr(us int64) string {
	d, s, m := deltaParts(us)
	out := ""
	for i, n := range [...]int64{d, s, m} {
		if n != 0 {
			out += ", " + [...]string{"days", "seconds", "microseconds"}[i] + "=" + strconv.FormatInt(n, 10)
		}
	}
	if out == "" {
		return "datetime.timedelta(0)"
	}
	return "datetime.timedelta(" + out[2:] + ")"
}

// timeAttr are the attributes of datetimes, dates and timedeltas, and the
// parts of numbers.
func timeAttr(v Value, name string) (Value, bool) {
	switch v.k {
	case kInt, kBool, kFloat:
		return numberAttr(v, name)
	case kDelta:
		d, s, m := deltaParts(v.n)
		n, ok := map[string]int64{"days": d, "seconds": s, "microseconds": m}[name]
		return Int(n), ok
	case kTime, kDate:
		t := v.time()
		parts := map[string]int{"year": t.Year(), "month": int(t.Month()), "day": t.Day()}
		if v.k == kTime {
			parts["hour"], parts["minute"], parts["second"] = t.Hour(), t.Minute(), t.Second()
			parts["microsecond"] = t.Nanosecond() / 1000
			if name == "tzinfo" {
				return Str(zoneName(t)), true
			}
		}
		n, ok := parts[name]
		return Int(int64(n)), ok
	}
	return Value{}, false
}

func numberAttr(v Value, name string) (Value, bool) {
	switch {
	case name == "real" || name == "numerator" && v.isInt():
		if v.isInt() {
			return Big(v.whole()), true
		}
		return v, true
	case name == "imag":
		return Value{k: map[bool]kind{true: kFloat, false: kInt}[v.k == kFloat]}, true
	case name == "denominator" && v.isInt():
		return Int(1), true
	}
	return Value{}, false
}

func zoneName(t time.Time) string {
	if _, off := t.Zone(); off != 0 {
		return "UTC" + t.Format("-07:00")
	}
	return "UTC"
}

var timeMethods = map[string]*Func{
	"astimezone": NewFunc("", func(c *Call) Value { return Time(c.Recv.time().UTC()) }),
	"ctime":      NewFunc("", func(c *Call) Value { return Str(c.Recv.time().Format(time.ANSIC)) }),
	"date":       NewFunc("", func(c *Call) Value { return Date(c.Recv.time()) }),
	"isoformat":  NewFunc("sep?", func(c *Call) Value { return Str(isoTime(c.Recv.time(), c.TextOr(0, "T"))) }),
	"isoweekday": NewFunc("", func(c *Call) Value { return Int(int64(weekday(c.Recv.time()) + 1)) }),
	"replace":    NewFunc("year? month? day? hour? minute? second? microsecond?", timeReplace),
	"strftime":   NewFunc("format", func(c *Call) Value { return c.strftime(c.Text(0)) }),
	"timestamp": NewFunc("", func(c *Call) Value {
		return Float(float64(c.Recv.time().UnixMicro()) / 1e6)
	}),
	"toordinal": NewFunc("", func(c *Call) Value { return Int(c.Recv.time().Unix()/86400 + 719163) }),
	"tzname":    NewFunc("", func(c *Call) Value { return Str(zoneName(c.Recv.time())) }),
	"utcoffset": NewFunc("", func(c *Call) Value {
		_, off := c.Recv.time().Zone()
		return Value{k: kDelta, n: int64(off) * 1e6}
	}),
	"isocalendar": NewFunc("", func(c *Call) Value {
		y, w := c.Recv.time().ISOWeek()
		return Tuple(Int(int64(y)), Int(int64(w)), Int(int64(weekday(c.Recv.time())+1)))
	}),
	"weekday": NewFunc("", func(c *Call) Value { return Int(int64(weekday(c.Recv.time()))) }),
}

var dateMethods = map[string]*Func{
	"ctime":       timeMethods["ctime"],
	"isocalendar": timeMethods["isocalendar"],
	"isoformat":   NewFunc("", func(c *Call) Value { return Str(c.Recv.time().Format(time.DateOnly)) }),
	"isoweekday":  timeMethods["isoweekday"],
	"replace":     NewFunc("year? month? day?", timeReplace),
	"strftime":    timeMethods["strftime"],
	"toordinal":   timeMethods["toordinal"],
	"weekday":     timeMethods["weekday"],
}

var deltaMethods = map[string]*Func{
	"total_seconds": NewFunc("", func(c *Call) Value { return Float(float64(c.Recv.n) / 1e6) }),
}

// weekday counts from Monday, which is 0.
func weekday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

func timeReplace(c *Call) Value {
	t := c.Recv.time()
	now := [...]int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 1000}
	for i := range c.args {
		now[i] = c.IntOr(i, now[i])
	}
	if now[6] < 0 || now[6] > 999_999 || now[0] < 1 || now[0] > 9999 {
		return c.Failf("the time has a part that is out of range")
	}
	r := time.Date(now[0], time.Month(now[1]), now[2], now[3], now[4], now[5], now[6]*1000, t.Location())
	for i, n := range [...]int{r.Year(), int(r.Month()), r.Day(), r.Hour(), r.Minute(), r.Second()} {
		if n != now[i] {
			return c.Failf("the time has a part that is out of range")
		}
	}
	return Value{k: c.Recv.k, o: &moment{r}}
}

// newDelta is Python's timedelta(…).
func newDelta(c *Call) Value {
	units := [...]float64{86400e6, 1e6, 1, 1e3, 60e6, 3600e6, 7 * 86400e6}
	whole, total := int64(0), 0.0
	for i, unit := range units {
		if !c.Has(i) {
			continue
		}
		v := c.Arg(i)
		if !v.isNum() {
			c.badType(c.param(i), "a number", v)
			return Value{}
		}
		if total += v.float() * unit; math.Abs(total) > 9e18 {
			return c.Failf("the time span is too long")
		}
		if v.isSmall() {
			whole += v.n * int64(unit)
		} else {
			whole += int64(math.RoundToEven(v.float() * unit))
		}
	}
	return Value{k: kDelta, n: whole}
}

// strftime formats as C's does in the C locale, which is what Python shows.
func (c *Call) strftime(format string) Value {
	if !c.st.room(16 * len(format)) {
		return Value{}
	}
	t := c.Recv.time()
	var b []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		pad := byte(0)
		if format[i] == '-' && i+1 < len(format) {
			i++
			pad = '-'
		}
		b = append(b, directive(t, format[i], pad == '-')...)
	}
	return Str(string(b))
}

func directive(t time.Time, d byte, bare bool) string {
	s, ok := strftimeText(t, d)
	if ok {
		return s
	}
	n, width, ok := strftimeNumber(t, d)
	switch {
	case !ok:
		return "%" + string(d)
	case bare:
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%0*d", width, n)
}

func strftimeText(t time.Time, d byte) (string, bool) {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'p': "PM", 'z': "-0700", 'e': "_2",
		'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'D': "01/02/06", 'X': "15:04:05", 'T': "15:04:05",
		'F': "2006-01-02", 'R': "15:04", 'r': "03:04:05 PM",
	}
	if l, ok := layouts[d]; ok {
		return t.Format(l), true
	}
	switch d {
	case '%':
		return "%", true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1), true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'Z':
		return zoneName(t), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	}
	return "", false
}

func strftimeNumber(t time.Time, d byte) (n, width int, ok bool) {
	switch isoYear, isoWeek := t.ISOWeek(); d {
	case 'Y':
		return t.Year(), 1, true
	case 'C':
		return t.Year() / 100, 2, true
	case 'y':
		return t.Year() % 100, 2, true
	case 'm':
		return int(t.Month()), 2, true
	case 'd':
		return t.Day(), 2, true
	case 'H':
		return t.Hour(), 2, true
	case 'I':
		return (t.Hour()+11)%12 + 1, 2, true
	case 'M':
		return t.Minute(), 2, true
	case 'S':
		return t.Second(), 2, true
	case 'f':
		return t.Nanosecond() / 1000, 6, true
	case 'j':
		return t.YearDay(), 3, true
	case 'u':
		return weekday(t) + 1, 1, true
	case 'w':
		return int(t.Weekday()), 1, true
	case 'U':
		return (t.YearDay() + 6 - int(t.Weekday())) / 7, 2, true
	case 'W':
		return (t.YearDay() + 6 - weekday(t)) / 7, 2, true
	case 'G':
		return isoYear, 4, true
	case 'V':
		return isoWeek, 2, true
	case 'g':
		return isoYear % 100, 2, true
	}
	return 0, 0, false
}
