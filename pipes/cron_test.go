package pipes

import (
	"strings"
	"testing"
	"time"
)

// The examples of the manual, and what stands in its table of fields, with the
// first times after a moment on a Wednesday.
func TestCron(t *testing.T) {
	from := "2025-01-01T00:00:00Z"
	cases := []struct{ expr, from, want string }{
		{"0 12 * * ?", from, "2025-01-01T12:00 2025-01-02T12:00"},
		{"15 10 ? * *", from, "2025-01-01T10:15 2025-01-02T10:15"},
		{"15 10 * * ? *", from, "2025-01-01T10:15 2025-01-02T10:15"},
		{"15 10 * * ? 2016", from, "never"},
		{"15 10 * * ? 2016", "2016-12-31T10:00:00Z", "2016-12-31T10:15 never"},
		{"* 14 * * ?", from, "2025-01-01T14:00 2025-01-01T14:01"},
		{"* 14 * * ?", "2025-01-01T14:59:00Z", "2025-01-02T14:00"},
		{"0/5 14 * * ?", from, "2025-01-01T14:00 2025-01-01T14:05"},
		{"0/5 14 * * ?", "2025-01-01T14:55:00Z", "2025-01-02T14:00"},
		{"0/5 14,18 * * ?", "2025-01-01T14:55:00Z", "2025-01-01T18:00"},
		{"3/20 * * * ?", from, "2025-01-01T00:03 2025-01-01T00:23 2025-01-01T00:43 2025-01-01T01:03"},
		{"*/20 * * * ?", from, "2025-01-01T00:20 2025-01-01T00:40 2025-01-01T01:00"},
		{"10-30/10 5 * * ?", from, "2025-01-01T05:10 2025-01-01T05:20 2025-01-01T05:30 2025-01-02T05:10"},
		{"0-5 14 * * ?", "2025-01-01T14:04:30Z", "2025-01-01T14:05 2025-01-02T14:00"},
		{"10,44 14 ? 3 WED", from, "2025-03-05T14:10 2025-03-05T14:44 2025-03-12T14:10"},
		{"10,44 14 ? MAR wed", from, "2025-03-05T14:10"},
		{"0 0 1 JAN-MAR *", from, "2025-02-01T00:00 2025-03-01T00:00 2026-01-01T00:00"},
		{"15 10 ? * MON-FRI", "2025-01-03T11:00:00Z", "2025-01-06T10:15"},
		{"15 10 ? * 1-5", "2025-01-03T11:00:00Z", "2025-01-06T10:15"},
		{"0 0 ? * 0", from, "2025-01-05T00:00"},
		{"0 0 ? * 7", from, "2025-01-05T00:00"},
		{"0 0 ? * SUN,TUE", from, "2025-01-05T00:00 2025-01-07T00:00"},
		{"0 0 ? * 1/2", from, "2025-01-03T00:00 2025-01-06T00:00 2025-01-08T00:00"},
		{"15 10 15 * ?", from, "2025-01-15T10:15 2025-02-15T10:15"},
		{"15 10 L * ?", from, "2025-01-31T10:15 2025-02-28T10:15 2025-03-31T10:15"},
		{"15 10 L * ?", "2024-02-01T00:00:00Z", "2024-02-29T10:15"},
		{"15 10 ? * 6L", from, "2025-01-31T10:15 2025-02-28T10:15 2025-03-28T10:15"},
		{"15 10 ? * 6L 2002-2005", "2005-11-30T00:00:00Z", "2005-12-30T10:15 never"},
		{"15 10 ? * 6L 2025,2027", "2025-12-01T00:00:00Z", "2025-12-26T10:15 2027-01-29T10:15"},
		{"15 10 ? * 6#3", from, "2025-01-17T10:15 2025-02-21T10:15"},
		{"0 12 1/5 * ?", from, "2025-01-01T12:00 2025-01-06T12:00 2025-01-11T12:00"},
		{"11 11 11 11 ?", from, "2025-11-11T11:11 2026-11-11T11:11"},
		{"0 0 29 2 ?", from, "2028-02-29T00:00"},
		{"0 0 * * * 2099", from, "2099-01-01T00:00"},
	}
	for _, c := range cases {
		cron, err := ParseCron(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		at, _ := time.Parse(time.RFC3339, c.from)
		var got []string
		for range strings.Fields(c.want) {
			next, err := cron.Next(at)
			if err != nil {
				got = append(got, "never")
				break
			}
			got = append(got, next.Format("2006-01-02T15:04"))
			at = next
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s from %s: %s, want %s", c.expr, c.from, s, c.want)
		}
	}
}

func TestCronRefused(t *testing.T) {
	for _, expr := range []string{"", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
		"* * * * 8", "* * * * * 1969", "* * * * * 2100", "* * 15W * *", "x * * * *", "* * * FOO *", "5-1 * * * *", "*/0 * * * *", "0 0 31 2 ?", "1,,2 * * * *"} {
		if c, err := ParseCron(expr); err == nil {
			next, _ := c.Next(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
			t.Errorf("%q was taken: next %s", expr, next)
		}
	}
}

func FuzzCron(f *testing.F) {
	f.Add("0/5 14,18 * * ?")
	f.Add("15 10 ? * 6L 2002-2005")
	f.Fuzz(func(t *testing.T, expr string) {
		c, err := ParseCron(expr)
		if err != nil {
			return
		}
		at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		if next, err := c.Next(at); err == nil && !next.After(at) {
			t.Errorf("%q: %s is not after %s", expr, next, at)
		}
	})
}

func TestShifted(t *testing.T) {
	for _, c := range []struct {
		since string
		delta int64
		want  string
		ok    bool
	}{
		{"12637", 100, "12537", true}, {"5", 10, "", true}, {"~t2018-04-27T15:46:40Z", 3600, "~t2018-04-27T14:46:40Z", true},
		{"2018-03-01T00:00:01.123456+02:00", 2, "2018-02-28T23:59:59.123456+02:00", true}, {"2018-04-27 15:46:40", 60, "2018-04-27 15:45:40", true},
		{"2018-04-27", 86400, "2018-04-26", true}, {`{"a":10,"b":3}`, 5, `{"a":5}`, true}, {"10,3", 5, "5,-1", true},
		{"opaque", 5, "", false}, {"2018-14-27T00:00:00Z", 5, "", false},
	} {
		if got, ok := shifted(c.since, c.delta); got != c.want || ok != c.ok {
			t.Errorf("%s back by %d: %q %t, want %q", c.since, c.delta, got, ok, c.want)
		}
	}
	for _, c := range [][3]string{{"9", "10", "10"}, {"10", "9", "10"}, {`{"a":5,"b":1}`, `{"a":4,"c":2}`, `{"a":5,"b":1,"c":2}`}, {"", "3", "3"}} {
		if got := further(c[0], c[1]); got != c[2] {
			t.Errorf("further of %s and %s: %s", c[0], c[1], got)
		}
	}
}

// What the help of a warning proposes is read that way.
func TestCronNamesOfDays(t *testing.T) {
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for number, name := range map[string]string{"0 6 ? * 6L": "0 6 ? * FRIL", "0 6 ? * 6#3": "0 6 ? * FRI#3"} {
		a, err := ParseCron(number)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseCron(name)
		if err != nil || b.warning != "" {
			t.Errorf("%s: %v, %s", name, err, b.warning)
			continue
		}
		x, _ := a.Next(at)
		if y, _ := b.Next(at); !x.Equal(y) {
			t.Errorf("%s is %s, %s is %s", number, x, name, y)
		}
	}
}
