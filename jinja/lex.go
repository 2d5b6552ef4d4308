package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Delimiters say how the language's pieces stand out from the text.
type Delimiters struct {
	VarStart, VarEnd     string
	BlockStart, BlockEnd string
	CommentStart         string
	CommentEnd           string
}

// StdDelimiters are Jinja's own: {{ x }}, {% … %}, {# … #}.
func StdDelimiters() Delimiters {
	return Delimiters{"{{", "}}", "{%", "%}", "{#", "#}"}
}

// ConnectorDelimiters are those of connector templates: {{@ x @}}, {{% … %}},
// {# … #}; what stands in the standard ones passes through.
func ConnectorDelimiters() Delimiters {
	return Delimiters{"{{@", "@}}", "{{%", "%}}", "{#", "#}"}
}

type tokenKind uint8

const (
	tEOF tokenKind = iota
	tText
	tVarStart
	tVarEnd
	tBlockStart
	tBlockEnd
	tName
	tString
	tInt
	tFloat
	tOp
)

type token struct {
	k   tokenKind
	s   string // text, name, operator, digits, or the string's content
	pos int
}

type lexer struct {
	src   string
	d     Delimiters
	pos   int
	toks  []token
	strip bool // the next text loses its leading space
	found [3]int
	fail  func(pos int, help, format string, args ...any)
	bad   bool
}

// lex cuts a template into tokens. fail is called at most once.
func lex(src string, d Delimiters, fail func(pos int, help, format string, args ...any)) []token {
	l := &lexer{src: src, d: d, fail: fail}
	for !l.bad && l.pos < len(l.src) {
		l.text()
	}
	return append(l.toks, token{tEOF, "", len(src)})
}

func (l *lexer) stop(pos int, help, format string, args ...any) {
	if !l.bad {
		l.bad = true
		l.fail(pos, help, format, args...)
	}
}

func (l *lexer) emit(k tokenKind, s string, pos int) { l.toks = append(l.toks, token{k, s, pos}) }

// text reads up to and including the next opening delimiter, and then what it
// opens.
func (l *lexer) text() {
	start := l.pos
	at, open := l.nextOpen(start)
	data := l.src[start:at]
	body := at + len(open)
	sign := byte(0)
	if open != "" && body < len(l.src) && (l.src[body] == '-' || l.src[body] == '+') {
		sign = l.src[body]
		body++
	}
	if l.strip {
		data = strings.TrimLeftFunc(data, isSpace)
	}
	l.strip = false
	if sign == '-' {
		data = strings.TrimRightFunc(data, isSpace)
	}
	if data != "" {
		l.emit(tText, data, start)
	}
	l.pos = body
	switch open {
	case "":
	case l.d.CommentStart:
		l.comment(at)
	case l.d.BlockStart:
		if !l.raw(at) {
			l.emit(tBlockStart, open, at)
			l.code(tBlockEnd, l.d.BlockEnd)
		}
	default:
		l.emit(tVarStart, open, at)
		l.code(tVarEnd, l.d.VarEnd)
	}
}

// nextOpen finds the first opening delimiter; of several at one place the
// longest counts. Where each was last found is kept, or long templates would
// be searched again and again.
func (l *lexer) nextOpen(from int) (at int, open string) {
	at = len(l.src)
	for k, d := range [...]string{l.d.BlockStart, l.d.VarStart, l.d.CommentStart} {
		if l.found[k] < from || from == 0 {
			if l.found[k] = strings.Index(l.src[from:], d); l.found[k] < 0 {
				l.found[k] = len(l.src)
			} else {
				l.found[k] += from
			}
		}
		if i := l.found[k]; i < at || i == at && i < len(l.src) && len(d) > len(open) {
			at, open = i, d
		}
	}
	return at, open
}

func (l *lexer) comment(at int) {
	i := strings.Index(l.src[l.pos:], l.d.CommentEnd)
	if i < 0 {
		l.stop(at, "", "this comment is never closed: expected %q", l.d.CommentEnd)
		return
	}
	end := l.pos + i
	l.strip = end > l.pos && l.src[end-1] == '-'
	l.pos = end + len(l.d.CommentEnd)
}

// raw reads {% raw %}…{% endraw %} if that is what stands here.
func (l *lexer) raw(at int) bool {
	after, strip, ok := l.tag(l.pos, "raw")
	if !ok {
		return false
	}
	for from := after; ; {
		i := strings.Index(l.src[from:], l.d.BlockStart)
		if i < 0 {
			l.stop(at, "", "this raw block is never closed: expected %s endraw %s", l.d.BlockStart, l.d.BlockEnd)
			return true
		}
		end := from + i
		from = end + len(l.d.BlockStart)
		trim := from < len(l.src) && l.src[from] == '-'
		if from < len(l.src) && (trim || l.src[from] == '+') {
			from++
		}
		rest, stripAfter, closed := l.tag(from, "endraw")
		if !closed {
			continue
		}
		l.rawText(l.src[after:end], after, strip, trim)
		l.pos, l.strip = rest, stripAfter
		return true
	}
}

func (l *lexer) rawText(data string, at int, left, right bool) {
	if left {
		data = strings.TrimLeftFunc(data, isSpace)
	}
	if right {
		data = strings.TrimRightFunc(data, isSpace)
	}
	if data != "" {
		l.emit(tText, data, at)
	}
}

// tag reads a tag that is only a name, up to and including its end.
func (l *lexer) tag(from int, name string) (after int, strip, ok bool) {
	rest := strings.TrimLeftFunc(l.src[from:], isSpace)
	if !strings.HasPrefix(rest, name) {
		return 0, false, false
	}
	rest = strings.TrimLeftFunc(rest[len(name):], isSpace)
	if strip = strings.HasPrefix(rest, "-"); strip || strings.HasPrefix(rest, "+") {
		rest = rest[1:]
	}
	if !strings.HasPrefix(rest, l.d.BlockEnd) {
		return 0, false, false
	}
	return len(l.src) - len(rest) + len(l.d.BlockEnd), strip, true
}

// code reads tokens up to and including the closing delimiter. Within
// brackets the delimiter is not one: {{ {'a': {}}}}.
func (l *lexer) code(end tokenKind, close string) {
	var open []byte
	for start := l.pos; !l.bad; {
		l.skipSpace()
		if len(open) == 0 && l.closed(end, close) {
			return
		}
		if l.pos >= len(l.src) {
			l.stop(start, "", "expected %q before the end of the template", close)
			return
		}
		open = l.token(open)
	}
}

func (l *lexer) closed(end tokenKind, close string) bool {
	rest, sign := l.src[l.pos:], byte(0)
	if rest != "" && (rest[0] == '-' || rest[0] == '+' && end == tBlockEnd) {
		sign, rest = rest[0], rest[1:]
	}
	if !strings.HasPrefix(rest, close) {
		return false
	}
	l.emit(end, close, l.pos)
	l.pos = len(l.src) - len(rest) + len(close)
	l.strip = sign == '-'
	return true
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if !isSpace(r) {
			return
		}
		l.pos += n
	}
}

// token reads one token and keeps track of the open brackets.
func (l *lexer) token(open []byte) []byte {
	c := l.src[l.pos]
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	switch {
	case c >= '0' && c <= '9':
		l.number()
	case c == '\'' || c == '"':
		l.str(c)
	case r == '_' || unicode.IsLetter(r):
		l.name()
	default:
		return l.operator(open)
	}
	return open
}

func (l *lexer) name() {
	start := l.pos
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			break
		}
		l.pos += n
	}
	l.emit(tName, l.src[start:l.pos], start)
}

func (l *lexer) operator(open []byte) []byte {
	rest := l.src[l.pos:]
	n := 0
	for _, op := range [...]string{"**", "//", "==", "!=", ">=", "<="} {
		if strings.HasPrefix(rest, op) {
			n = 2
		}
	}
	if n == 0 && strings.IndexByte("+-/*%~[](){}><=.:|,;", rest[0]) >= 0 {
		n = 1
	}
	if n == 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		l.stop(l.pos, operatorHelp(r), "unexpected character %q", r)
		return open
	}
	l.emit(tOp, rest[:n], l.pos)
	at := l.pos
	l.pos += n
	if n > 1 {
		return open
	}
	return l.bracket(open, rest[0], at)
}

func (l *lexer) bracket(open []byte, c byte, at int) []byte {
	switch c {
	case '(', '[', '{':
		return append(open, map[byte]byte{'(': ')', '[': ']', '{': '}'}[c])
	case ')', ']', '}':
		if len(open) == 0 {
			l.stop(at, "", "unexpected %q: nothing is open that it closes", string(c))
		} else if want := open[len(open)-1]; want != c {
			l.stop(at, "", "unexpected %q, expected %q", string(c), string(want))
		} else {
			return open[:len(open)-1]
		}
	}
	return open
}

// operatorHelp says what the author of another language probably meant.
func operatorHelp(r rune) string {
	switch r {
	case '&':
		return "write `and`"
	case '!':
		return "write `not`"
	case '?':
		return "write `a if condition else b`"
	}
	return ""
}

// isSpace is Python's notion of white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
