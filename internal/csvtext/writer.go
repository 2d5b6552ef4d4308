package csvtext

import (
	"bytes"
	"errors"
	"strings"
)

// Quoting says which fields are put in quotes.
type Quoting uint8

// The ways to quote.
const (
	Minimal    Quoting = iota // what holds a delimiter, a quote or a line end
	All                       //
	NonNumeric                // all but numbers
	None                      // none: what would need it is escaped
)

// ParseQuoting finds a way to quote by its name in configurations.
func ParseQuoting(name string) Quoting {
	switch name {
	case "all":
		return All
	case "non-numeric":
		return NonNumeric
	case "none":
		return None
	default:
		return Minimal
	}
}

// Style is how a table is written.
type Style struct {
	Delimiter, Quote, End string
	Escape                string // "" if there is none
	Double                bool   // quotes within quotes are doubled, else escaped
	Quoting               Quoting
}

// errQuote is a field that the style has no way to write.
var errQuote = errors.New("it holds the quotechar, which cannot be written: doublequote is false and there is no escapechar")

// AppendField appends a field; number tells that it is one, alone that the row
// has no other: then an empty field is quoted, since it would be a blank line.
func (s *Style) AppendField(dst, text []byte, number, alone bool) ([]byte, error) {
	switch {
	case s.Quoting == None:
		return s.appendEscaped(dst, text, s.Delimiter, s.Quote, s.Escape, "\r", "\n", s.End), nil
	case s.Quoting == All, s.Quoting == NonNumeric && !number, alone && len(text) == 0, s.needsQuotes(text):
		return s.appendQuoted(dst, text)
	default:
		return append(dst, text...), nil
	}
}

func (s *Style) needsQuotes(text []byte) bool {
	return bytes.ContainsAny(text, "\r\n") || contains(text, s.Delimiter) || contains(text, s.Quote) || contains(text, s.End) ||
		len(text) > 0 && text[0] == ' '
}

func contains(text []byte, part string) bool {
	return part != "" && bytes.Contains(text, []byte(part))
}

func (s *Style) appendQuoted(dst, text []byte) ([]byte, error) {
	dst = append(dst, s.Quote...)
	switch {
	case !contains(text, s.Quote) && (s.Double || !contains(text, s.Escape)):
		dst = append(dst, text...)
	case s.Double:
		dst = append(dst, bytes.ReplaceAll(text, []byte(s.Quote), []byte(s.Quote+s.Quote))...)
	case s.Escape == "":
		return dst, errQuote
	default:
		dst = s.appendEscaped(dst, text, s.Quote, s.Escape)
	}
	return append(dst, s.Quote...), nil
}

// appendEscaped puts the escape before each of the parts. Without an escape
// they stand as they are.
func (s *Style) appendEscaped(dst, text []byte, parts ...string) []byte {
	var pairs []string
	for _, p := range parts {
		if p != "" && s.Escape != "" {
			pairs = append(pairs, p, s.Escape+p)
		}
	}
	return append(dst, strings.NewReplacer(pairs...).Replace(string(text))...)
}
