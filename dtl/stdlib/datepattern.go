package stdlib

import (
	"fmt"
	"strings"
	"time"
)

// datePattern is a compiled pattern of datetime-parse and datetime-format.
type datePattern []dateToken

// dateToken is a directive, or literal text where directive is 0.
type dateToken struct {
	directive byte
	text      string
}

const dateDirectives = "deHImMpSfyYz"

// parseDatePattern reads a pattern; the error is a sentence.
func parseDatePattern(s string) (datePattern, error) {
	var p datePattern
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			at = len(s)
		}
		if at > 0 {
			p = append(p, dateToken{text: s[:at]})
			s = s[at:]
			continue
		}
		switch {
		case len(s) < 2:
			return nil, fmt.Errorf("the pattern ends with a lone %%; write %%%% for the character")
		case s[1] == '%':
			p = append(p, dateToken{text: "%"})
		case strings.IndexByte(dateDirectives, s[1]) < 0:
			return nil, fmt.Errorf("%%%c is not known; there are %%d %%e %%m %%y %%Y %%H %%I %%p %%M %%S %%f %%z and %%%%", s[1])
		case s[1] == 'z' && len(s) > 2:
			return nil, fmt.Errorf("%%z must come last")
		default:
			p = append(p, dateToken{directive: s[1]})
		}
		s = s[2:]
	}
	return p, nil
}

// format writes t, which is in the zone to write.
func (p datePattern) format(dst []byte, t time.Time) []byte {
	for _, k := range p {
		switch k.directive {
		case 0:
			dst = append(dst, k.text...)
		case 'd':
			dst = t.AppendFormat(dst, "02")
		case 'e':
			dst = t.AppendFormat(dst, "2")
		case 'm':
			dst = t.AppendFormat(dst, "01")
		case 'y':
			dst = t.AppendFormat(dst, "06")
		case 'Y':
			dst = t.AppendFormat(dst, "2006")
		case 'H':
			dst = t.AppendFormat(dst, "15")
		case 'I':
			dst = t.AppendFormat(dst, "03")
		case 'p':
			dst = t.AppendFormat(dst, "PM")
		case 'M':
			dst = t.AppendFormat(dst, "04")
		case 'S':
			dst = t.AppendFormat(dst, "05")
		case 'f':
			dst = fmt.Appendf(dst, "%06d", t.Nanosecond()/1000)
		case 'z':
			dst = t.AppendFormat(dst, "-0700")
		}
	}
	return dst
}

// dateParts are what a text says, with what it does not say as Python has it.
type dateParts struct {
	year, month, day, hour, minute, second, nano int
	pm, twelve                                   bool
	zone                                         *time.Location
}

// parse reads a text that matches the pattern whole. A text without %z is in
// the zone given.
func (p datePattern) parse(s string, zone *time.Location) (time.Time, bool) {
	d := dateParts{year: 1900, month: 1, day: 1, zone: zone}
	ok := true
	for _, k := range p {
		if s, ok = d.token(k, s); !ok {
			return time.Time{}, false
		}
	}
	if s != "" {
		return time.Time{}, false
	}
	return d.time()
}

// token reads one token off s and returns what follows.
func (d *dateParts) token(k dateToken, s string) (rest string, ok bool) {
	switch k.directive {
	case 0:
		return strings.CutPrefix(s, k.text)
	case 'Y':
		return digits(s, 4, 4, &d.year)
	case 'y':
		rest, ok = digits(s, 2, 2, &d.year)
		if d.year += 2000; d.year >= 2069 {
			d.year -= 100
		}
		return rest, ok
	case 'm':
		return digits(s, 1, 2, &d.month)
	case 'd':
		return digits(s, 1, 2, &d.day)
	case 'e':
		return digits(strings.TrimPrefix(s, " "), 1, 2, &d.day)
	case 'H':
		return digits(s, 1, 2, &d.hour)
	case 'I':
		rest, ok = digits(s, 1, 2, &d.hour)
		d.twelve = true
		return rest, ok && d.hour >= 1 && d.hour <= 12
	case 'M':
		return digits(s, 1, 2, &d.minute)
	case 'S':
		return digits(s, 1, 2, &d.second)
	case 'f':
		return d.fraction(s)
	case 'p':
		return d.half(s)
	default:
		return d.offset(s)
	}
}

// digits reads from least to most digits.
func digits(s string, least, most int, into *int) (rest string, ok bool) {
	n, v := 0, 0
	for n < len(s) && n < most && s[n]-'0' < 10 {
		v = v*10 + int(s[n]-'0')
		n++
	}
	*into = v
	return s[n:], n >= least
}

// fraction reads up to nine digits behind the point.
func (d *dateParts) fraction(s string) (rest string, ok bool) {
	rest, ok = digits(s, 1, 9, &d.nano)
	for n := len(s) - len(rest); n < 9; n++ {
		d.nano *= 10
	}
	return rest, ok
}

func (d *dateParts) half(s string) (rest string, ok bool) {
	if len(s) < 2 {
		return s, false
	}
	d.pm = strings.EqualFold(s[:2], "pm")
	return s[2:], d.pm || strings.EqualFold(s[:2], "am")
}

// offset reads Z, +HHMM or +HH:MM.
func (d *dateParts) offset(s string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "Z"); ok {
		d.zone = time.UTC
		return rest, true
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return s, false
	}
	var hours, minutes int
	if rest, ok = digits(s[1:], 2, 2, &hours); !ok {
		return s, false
	}
	rest, ok = digits(strings.TrimPrefix(rest, ":"), 2, 2, &minutes)
	seconds := hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	d.zone = time.FixedZone("", seconds)
	return rest, ok && hours < 24 && minutes < 60
}

// time checks that there is such a moment.
func (d *dateParts) time() (time.Time, bool) {
	if d.twelve {
		d.hour %= 12
		if d.pm {
			d.hour += 12
		}
	}
	if d.year < 1 || d.month < 1 || d.month > 12 || d.day < 1 || d.hour > 23 || d.minute > 59 || d.second > 59 {
		return time.Time{}, false
	}
	if d.day > daysIn(d.year, time.Month(d.month)) {
		return time.Time{}, false
	}
	return time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nano, d.zone), true
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
