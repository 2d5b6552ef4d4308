package entity

import (
	"encoding/base64"
	"strings"
	"time"
)

// parseTag reads a string that begins with a tilde. An unknown or malformed
// tag is no tag: the string stays what it is.
func parseTag(a *Arena, s string) (Value, bool) {
	if len(s) < 2 {
		return Value{}, false
	}
	body := s[2:]
	switch s[1] {
	case 'r':
		return NewURI(body), true
	case ':':
		return NewNI(body), body != ""
	case 't':
		return ParseDatetime(body)
	case 'u':
		return ParseUUID(body)
	case 'f':
		return readDecimal(body)
	case 'b':
		return parseBytes(a, body)
	default:
		return Value{}, false
	}
}

func parseBytes(a *Arena, body string) (Value, bool) {
	b := a.Text(base64.StdEncoding.DecodedLen(len(body)))
	b, err := base64.StdEncoding.Strict().AppendDecode(b, []byte(body))
	return NewBytes(b), err == nil
}

// ParseUUID reads the 36 characters of a UUID, in either case.
func ParseUUID(s string) (Value, bool) {
	if len(s) != 36 {
		return Value{}, false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return Value{}, false
			}
			continue
		}
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
			return Value{}, false
		}
	}
	return textValue(UUID, strings.ToLower(s)), true
}

// ParseDatetime reads a Date "2015-12-31" or a Datetime
// "2015-12-31T23:59:59.123456789Z" of the years 1 to 9999.
func ParseDatetime(s string) (Value, bool) {
	if len(s) == len(time.DateOnly) {
		t, err := time.Parse(time.DateOnly, s)
		return NewDate(t), err == nil && t.Year() >= 1
	}
	const whole = len("2006-01-02T15:04:05Z")
	if len(s) < whole || len(s) > whole+10 || len(s) == whole+1 || s[len(s)-1] != 'Z' || s[10] != 'T' {
		return Value{}, false
	}
	if len(s) > whole && s[whole-1] != '.' {
		return Value{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return NewDatetime(t), err == nil && t.Year() >= 1
}

// appendTime appends the text of a Date or Datetime; the fraction has no
// trailing zeros.
func appendTime(dst []byte, v Value) []byte {
	if v.kind == Date {
		return v.Time().AppendFormat(dst, time.DateOnly)
	}
	return v.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999999Z")
}

// FormatDatetime returns the text of a Date or Datetime as the wire form has
// it behind its tag; "" for every other kind.
func FormatDatetime(v Value) string {
	if v.kind != Date && v.kind != Datetime {
		return ""
	}
	return string(appendTime(nil, v))
}
