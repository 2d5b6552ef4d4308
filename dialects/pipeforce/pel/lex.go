package pel

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	end kind = iota
	name
	number
	text
	symbol
)

type token struct {
	kind kind
	at   int
	text string // of a name, symbol or number as written; of a text what it says
}

func (t token) String() string {
	switch t.kind {
	case end:
		return "the end"
	case text:
		return fmt.Sprintf("the text %q", t.text)
	default:
		return fmt.Sprintf("%q", t.text)
	}
}

// symbols, longer ones before those they begin with.
func symbols() []string {
	return []string{
		"?.?[", "?.![", ".?[", ".![", ".^[", ".$[", "?.", "?:", "==", "!=", "<=", ">=", "&&", "||",
		".", "[", "]", "(", ")", "{", "}", ",", ":", "?", "<", ">", "+", "-", "*", "/", "%", "^", "!", "@", "#", "=",
	}
}

type lexer struct {
	text string
	pos  int
}

func (l *lexer) next() (token, *Error) {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.pos]) >= 0 {
		l.pos++
	}
	t := token{at: l.pos}
	if l.pos >= len(l.text) {
		return t, nil
	}
	c, size := utf8.DecodeRuneInString(l.text[l.pos:])
	switch {
	case c == '\'' || c == '"':
		return l.quoted(byte(c))
	case c >= '0' && c <= '9':
		return l.number(), nil
	case c == '_' || unicode.IsLetter(c):
		t.kind, t.text = name, l.text[l.pos:l.pos+l.run(isNamePart)]
		l.pos += len(t.text)
		return t, nil
	}
	for _, s := range symbols() {
		if strings.HasPrefix(l.text[l.pos:], s) {
			t.kind, t.text = symbol, s
			l.pos += len(s)
			return t, nil
		}
	}
	return t, &Error{Offset: l.pos, Msg: fmt.Sprintf("%q has no meaning in an expression", l.text[l.pos:l.pos+size])}
}

func isNamePart(c rune) bool {
	return c == '_' || c == '$' || unicode.IsLetter(c) || unicode.IsDigit(c)
}

// run is how many bytes from here on are of a kind.
func (l *lexer) run(is func(rune) bool) int {
	rest := l.text[l.pos:]
	if n := strings.IndexFunc(rest, func(c rune) bool { return !is(c) }); n >= 0 {
		return n
	}
	return len(rest)
}

// quoted reads a text; its quote stands in it doubled.
func (l *lexer) quoted(quote byte) (token, *Error) {
	t := token{kind: text, at: l.pos}
	var b strings.Builder
	for i := l.pos + 1; i < len(l.text); i++ {
		if l.text[i] != quote {
			b.WriteByte(l.text[i])
			continue
		}
		if i+1 < len(l.text) && l.text[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		l.pos, t.text = i+1, b.String()
		return t, nil
	}
	return t, &Error{Offset: t.at, Msg: "the text has no end", Help: "close it with " + string(quote)}
}

func (l *lexer) number() token {
	t := token{kind: number, at: l.pos}
	n := l.run(unicode.IsDigit)
	rest := l.text[l.pos+n:]
	// 1.5 is one number, 1.size() is not.
	if len(rest) > 1 && rest[0] == '.' && rest[1] >= '0' && rest[1] <= '9' {
		l.pos += n + 1
		n += 1 + l.run(unicode.IsDigit)
		l.pos = t.at
		rest = l.text[l.pos+n:]
	}
	if len(rest) > 1 && (rest[0] == 'e' || rest[0] == 'E') {
		digits := rest[1:]
		if digits[0] == '+' || digits[0] == '-' {
			digits = digits[1:]
		}
		if i := len(digits) - len(strings.TrimLeft(digits, "0123456789")); i > 0 {
			n += len(rest) - len(digits) + i
		}
	}
	t.text = l.text[l.pos : l.pos+n]
	l.pos += n
	if l.pos < len(l.text) && (l.text[l.pos] == 'L' || l.text[l.pos] == 'l') {
		l.pos++
	}
	return t
}
