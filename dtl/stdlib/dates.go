package stdlib

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones where the machine has none

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/textdist"
)

func dates() []dtl.Func {
	z := &zones{}
	return []dtl.Func{
		{Name: "datetime", Args: "DEFAULT(default-value-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Turns ISO texts and nanoseconds since 1970 into datetimes; others are dropped, or replaced by DEFAULT.",
			Examples: []dtl.Example{{`["datetime", "2015-07-28T09:46:00Z"]`, `"~t2015-07-28T09:46:00Z"`}, {`["datetime", ["list", 1000000000, "x"]]`, `["~t1970-01-01T00:00:01Z"]`}, {`["datetime", null]`, `null`}},
			Build:    cast(toDatetime)},
		{Name: "is-datetime", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a datetime.",
			Examples: []dtl.Example{{`["is-datetime", "~t2015-07-28T09:46:00Z"]`, `true`}, {`["is-datetime", "2015-07-28"]`, `false`}, {`["is-datetime", null]`, `false`}},
			Call1:    firstIs(isTime)},
		{Name: "datetime-parse", Args: "TIMEZONE(string{0|1}) FORMAT(string{1}) VALUES(value-expression{1})",
			Doc:      "Reads texts as datetimes by a pattern, in UTC or TIMEZONE; what does not match is dropped.",
			Examples: []dtl.Example{{`["datetime-parse", "%d.%m.%Y", "28.07.2015"]`, `"~t2015-07-28T00:00:00Z"`}, {`["datetime-parse", "Europe/Oslo", "%Y-%m-%d %H", ["list", "2015-07-28 09", "x"]]`, `["~t2015-07-28T07:00:00Z"]`}, {`["datetime-parse", "%Y", null]`, `null`}, {`["datetime-parse", "%q", "1"]`, `error: %q is not known`}},
			Build:    z.patterned(parseTimes)},
		{Name: "datetime-format", Args: "TIMEZONE(string{0|1}) FORMAT(string{1}) VALUES(value-expression{1})",
			Doc:      "Writes datetimes as texts by a pattern, in UTC or TIMEZONE.",
			Examples: []dtl.Example{{`["datetime-format", "%d.%m.%y %H:%M", "~t2015-07-28T09:46:00Z"]`, `"28.07.15 09:46"`}, {`["datetime-format", "Europe/Oslo", "%H", ["list", "~t2015-07-28T09:46:00Z", 1]]`, `["11"]`}, {`["datetime-format", "%Y", null]`, `null`}, {`["datetime-format", "Mars/Dunes", "%Y", null]`, `error: there is no time zone`}},
			Build:    z.patterned(formatTimes)},
		{Name: "datetime-shift", Args: "FROM_TIMEZONE(string{1}) TO_TIMEZONE(string{1}) VALUES(value-expression{1})",
			Doc:      "Takes the clock time of datetimes as FROM_TIMEZONE's and restates it as TO_TIMEZONE's.",
			Examples: []dtl.Example{{`["datetime-shift", "UTC", "Europe/Oslo", "~t2015-07-28T09:46:00Z"]`, `"~t2015-07-28T11:46:00Z"`}, {`["datetime-shift", "UTC", "UTC", ["list", 1]]`, `[]`}, {`["datetime-shift", "UTC", "UTC", null]`, `null`}},
			Build:    z.shift},
		{Name: "datetime-plus", Args: "DATEPART(string{1}) VALUE(integer{1}) VALUES(value-expression{1})",
			Doc:      "Adds a number of date parts to datetimes; a day that the month does not have becomes its last.",
			Examples: []dtl.Example{{`["datetime-plus", "month", 1, "~t2015-01-31T00:00:00Z"]`, `"~t2015-02-28T00:00:00Z"`}, {`["datetime-plus", "hour", -1, ["list", "~t2016-03-01T00:00:00Z", 1]]`, `["~t2016-02-29T23:00:00Z"]`}, {`["datetime-plus", "day", 1, null]`, `null`}, {`["datetime-plus", "dya", 1, null]`, `error: did you mean "day"`}},
			Build:    datetimePlus},
		{Name: "datetime-diff", Args: "DATEPART(string{1}) STARTDATE(value-expression{1}) ENDDATE(value-expression{1})",
			Doc:      "Returns STARTDATE minus ENDDATE in whole date parts.",
			Examples: []dtl.Example{{`["datetime-diff", "day", "~t2015-07-28T00:00:00Z", "~t2015-07-29T00:00:00Z"]`, `-1`}, {`["datetime-diff", "year", "~t2015-03-02T00:00:00Z", "~t2016-07-29T00:00:00Z"]`, `-1`}, {`["datetime-diff", "day", null, 1]`, `null`}},
			Build:    datetimeDiff},
	}
}

func isTime(v value) bool { return v.Kind() == entity.Datetime || v.Kind() == entity.Date }

func toDatetime(_ *dtl.Ctx, v value) (value, bool) {
	if isTime(v) {
		return v, true
	}
	if n, ok := v.Int64(); ok {
		return entity.NewDatetime(time.Unix(0, n)), true
	}
	s, ok := text(v)
	if !ok {
		return null, false
	}
	if v, ok = entity.ParseDatetime(s); ok {
		return entity.NewDatetime(v.Time()), true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return entity.NewDatetime(t), err == nil && within(t.UTC())
}

// zones keeps the time zones that rules have asked for: there are some hundred.
type zones struct{ known sync.Map }

func (z *zones) zone(name string) (*time.Location, error) {
	if l, ok := z.known.Load(name); ok {
		return l.(*time.Location), nil
	}
	// "" and "Local" would be whatever the machine is set to.
	l, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("there is no time zone %q; names are such as \"Europe/Oslo\"", name)
	}
	z.known.Store(strings.Clone(name), l) // the name may stand in memory that is used again
	return l, nil
}

// fixed evaluates an argument that has a text for every entity, and tells at
// compile time what parse finds wrong with a text that never changes.
func fixed[T any](b *dtl.Builder, a dtl.Args, i int, code string, parse func(string) (T, error)) func(c *dtl.Ctx) (T, bool) {
	e := b.Optional(a.One(i))
	read := func(v value) (T, error) {
		s, ok := text(dtl.First(v))
		if !ok {
			var none T
			return none, fmt.Errorf("a string is expected")
		}
		return parse(s)
	}
	if e.Const {
		t, err := read(e.Value)
		if err != nil {
			b.Errorf(a.One(i), code, "", "%v", err)
		}
		return func(*dtl.Ctx) (T, bool) { return t, true }
	}
	return func(c *dtl.Ctx) (T, bool) {
		t, err := read(e.Eval(c))
		if err != nil && !c.Failed() {
			c.Fail(code, err.Error())
		}
		return t, err == nil
	}
}

// patterned makes the body of a function with a time zone and a pattern.
func (z *zones) patterned(f func(*dtl.Ctx, value, datePattern, *time.Location) value) func(*dtl.Builder, dtl.Args) dtl.Eval {
	return func(b *dtl.Builder, a dtl.Args) dtl.Eval {
		zone := func(*dtl.Ctx) (*time.Location, bool) { return time.UTC, true }
		if a.One(0) != nil {
			zone = fixed(b, a, 0, "dtl/timezone", z.zone)
		}
		pattern, vals := fixed(b, a, 1, "dtl/date-pattern", parseDatePattern), b.Expr(a.One(2)).Eval
		return func(c *dtl.Ctx) value {
			l, okZone := zone(c)
			p, ok := pattern(c)
			if !ok || !okZone {
				return null
			}
			return f(c, vals(c), p, l)
		}
	}
}

func parseTimes(c *dtl.Ctx, v value, p datePattern, l *time.Location) value {
	return c.Map(v, func(v value) (value, bool) {
		s, ok := text(v)
		if !ok {
			return null, false
		}
		t, ok := p.parse(s, l)
		return entity.NewDatetime(t), ok
	})
}

func formatTimes(c *dtl.Ctx, v value, p datePattern, l *time.Location) value {
	return c.Map(v, func(v value) (value, bool) {
		if !isTime(v) {
			return null, false
		}
		return entity.NewString(c.Arena().String(p.format(c.Arena().Text(0), v.Time().In(l)))), true
	})
}

func (z *zones) shift(b *dtl.Builder, a dtl.Args) dtl.Eval {
	from, to := fixed(b, a, 0, "dtl/timezone", z.zone), fixed(b, a, 1, "dtl/timezone", z.zone)
	vals := b.Expr(a.One(2)).Eval
	return func(c *dtl.Ctx) value {
		f, okFrom := from(c)
		t, okTo := to(c)
		if !okFrom || !okTo {
			return null
		}
		return c.Map(vals(c), func(v value) (value, bool) {
			return entity.NewDatetime(clockOf(clockOf(v.Time(), f).In(t), time.UTC)), isTime(v)
		})
	}
}

// clockOf is the moment when clocks in a zone show what t shows in its own.
func clockOf(t time.Time, l *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), l)
}

// datePart is a unit of time: months, or nanoseconds.
type datePart struct {
	months int64
	nanos  int64
}

var (
	datePartNames = [...]string{"year", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond"}
	datePartSizes = [...]datePart{{months: 12}, {months: 1}, {nanos: 7 * 86400e9}, {nanos: 86400e9}, {nanos: 3600e9}, {nanos: 60e9}, {nanos: 1e9}, {nanos: 1e6}, {nanos: 1e3}, {nanos: 1}}
)

func parseDatePart(s string) (datePart, error) {
	for i, name := range datePartNames {
		if s == name {
			return datePartSizes[i], nil
		}
	}
	return datePart{}, unknownWord("date part", s, datePartNames[:])
}

// unknownWord says that a word is none of those known.
func unknownWord(what, word string, known []string) error {
	if near := textdist.Nearest(word, known); near != "" {
		return fmt.Errorf("there is no %s %q; did you mean %q?", what, word, near)
	}
	return fmt.Errorf("there is no %s %q; there are %s", what, word, strings.Join(known, ", "))
}
