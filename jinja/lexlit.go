package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// number reads an integer or float; digits may be grouped by single
// underscores.
func (l *lexer) number() {
	start := l.pos
	rest := l.src[start:]
	if n := prefixed(rest); n > 0 {
		l.pos += n
		l.emit(tInt, rest[:n], start)
		return
	}
	n := digits(rest)
	afterDot := start > 0 && l.src[start-1] == '.'
	if f := n + fraction(rest[n:]); f > n && !afterDot {
		l.pos += f
		l.emit(tFloat, strings.ReplaceAll(rest[:f], "_", ""), start)
		return
	}
	if rest[0] == '0' {
		n = len(rest[:n]) - len(strings.TrimLeft(rest[:n], "0_"))
	}
	l.pos += n
	l.emit(tInt, strings.ReplaceAll(rest[:n], "_", ""), start)
}

// prefixed returns the length of a 0x, 0o or 0b integer, or 0.
func prefixed(s string) int {
	if len(s) < 3 || s[0] != '0' {
		return 0
	}
	allowed, ok := map[byte]string{
		'x': "0123456789abcdefABCDEF", 'o': "01234567", 'b': "01",
	}[s[1]|0x20]
	n := 2
	for ok && n < len(s) && (strings.IndexByte(allowed, s[n]) >= 0 ||
		s[n] == '_' && n+1 < len(s) && strings.IndexByte(allowed, s[n+1]) >= 0) {
		n++
	}
	if n == 2 {
		return 0
	}
	return n
}

func digits(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '_' && n > 0 && n+1 < len(s) && isDigit(s[n+1])) {
		n++
	}
	return n
}

// fraction returns the length of ".5", "e3" or ".5e-3" at the start of s.
func fraction(s string) int {
	n := 0
	if len(s) > 1 && s[0] == '.' && isDigit(s[1]) {
		n = 1 + digits(s[1:])
	}
	if n < len(s) && s[n]|0x20 == 'e' {
		e := n + 1
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if d := digits(s[e:]); d > 0 {
			return e + d
		}
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) str(quote byte) {
	start := l.pos
	for i := start + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			l.pos = i + 1
			s, bad := unescape(l.src[start+1 : i])
			if bad != "" {
				l.stop(start, "", "this text has the escape %s, which is not complete", bad)
			}
			l.emit(tString, s, start)
			return
		}
	}
	l.stop(start, "", "this text is never closed: expected %q", string(quote))
}

var escapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v",
	'\\': "\\", '\'': "'", '"': "\"", '\n': "",
}

// unescape resolves Python's escapes; bad is the first one that cannot be.
func unescape(s string) (out, bad string) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, ""
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if t, ok := escapes[s[i]]; ok {
			b.WriteString(t)
			continue
		}
		r, n, ok := numericEscape(s[i:])
		switch {
		case !ok:
			return "", "\\" + string(s[i])
		case n == 0:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		default:
			b.WriteRune(r)
			i += n - 1
		}
	}
	return b.String(), ""
}

// numericEscape reads xhh, uhhhh, Uhhhhhhhh or up to three octal digits; n is
// 0 if s is none of them, ok false if it is cut short.
func numericEscape(s string) (r rune, n int, ok bool) {
	size := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if size > 0 {
		if len(s) <= size {
			return 0, 0, false
		}
		v, err := strconv.ParseUint(s[1:1+size], 16, 32)
		return rune(v), 1 + size, err == nil && v <= utf8.MaxRune
	}
	if s[0] == 'N' {
		return 0, 0, false
	}
	for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
		r = r*8 + rune(s[n]-'0')
		n++
	}
	return r, n, true
}
