package pipes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/adhocore/gronx"
)

// Cron is a parsed cron expression: minute, hour, day of month, month, day of
// week and perhaps year, in UTC.
type Cron struct {
	full    string // with seconds and year, as the library takes it
	warning string // how it is read, if that may surprise
}

// ParseCron reads an expression and makes sure that it ever comes due. "W" and
// a field for seconds are refused.
func ParseCron(text string) (*Cron, error) {
	fields := strings.Fields(strings.ToUpper(text))
	if len(fields) != 5 && len(fields) != 6 {
		return nil, fmt.Errorf("the cron expression %q has %d fields; 5 or 6 are expected", text, len(fields))
	}
	if strings.Contains(strings.NewReplacer("WED", "").Replace(fields[2]+fields[4]), "W") {
		return nil, fmt.Errorf("the cron expression %q uses W, which is not supported", text)
	}
	c := &Cron{}
	fields[4] = c.weekday(fields[4])
	if len(fields) == 5 {
		fields = append(fields, "*")
	}
	for _, year := range strings.FieldsFunc(fields[5], func(r rune) bool { return !unicode.IsDigit(r) }) {
		if n, err := strconv.Atoi(year); err == nil && len(year) > 2 && (n < 1970 || n > 2099) {
			return nil, fmt.Errorf("the cron expression %q names the year %d; 1970 to 2099 are possible", text, n)
		}
	}
	c.full = "0 " + strings.Join(fields, " ")
	if !gronx.New().IsValid(c.full) {
		return nil, fmt.Errorf("the cron expression %q cannot be read", text)
	}
	if _, err := gronx.NextTickAfter(c.full, time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), true); err != nil {
		return nil, fmt.Errorf("the cron expression %q never comes due", text)
	}
	return c, nil
}

// weekday translates the two forms in which the manual counts from Sunday as
// 1: "6L" is its last Friday and "6#3" its third one.
func (c *Cron) weekday(field string) string {
	number, rest := field, ""
	if i := strings.IndexAny(field, "L#"); i > 0 {
		number, rest = field[:i], field[i:]
	}
	n, err := strconv.Atoi(number)
	if rest == "" || err != nil || n < 1 || n > 7 {
		return field
	}
	c.warning = fmt.Sprintf("%q is read as the manual has it, with Sunday as 1: %s", field, time.Weekday(n-1))
	return strconv.Itoa(n-1) + rest
}

var errNeverDue = errors.New("never due again")

// Next returns the first time after t at which the expression is due; an error
// if there is none.
func (c *Cron) Next(t time.Time) (time.Time, error) {
	next, err := gronx.NextTickAfter(c.full, t.UTC(), false)
	if err != nil || !next.After(t) {
		return time.Time{}, errNeverDue
	}
	return next, nil
}
