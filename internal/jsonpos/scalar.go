package jsonpos

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func (p *parser) word(start Pos) *Node {
	rest := p.src[p.pos:]
	for _, w := range []struct {
		text string
		node Node
	}{
		{"true", Node{Kind: Bool, Bool: true}}, {"false", Node{Kind: Bool}}, {"null", Node{Kind: Null}},
	} {
		if strings.HasPrefix(rest, w.text) && !wordChar(rest[len(w.text):]) {
			p.pos += len(w.text)
			n := w.node
			n.Span = p.span(start)
			return &n
		}
	}
	p.badWord(rest)
	return nil
}

func wordChar(rest string) bool {
	if rest == "" {
		return false
	}
	c := rest[0]
	return c == '_' || (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9')
}

func (p *parser) badWord(rest string) {
	end := 0
	for end < len(rest) && wordChar(rest[end:]) {
		end++
	}
	switch word := rest[:end]; {
	case word == "True" || word == "False" || word == "None":
		spelling := map[string]string{"True": "true", "False": "false", "None": "null"}[word]
		p.fail("json/word", fmt.Sprintf("%s is Python's spelling", word), "write "+spelling)
	case word != "":
		p.fail("json/word", fmt.Sprintf("%q is not a JSON value", word), "text stands in double quotes")
	case rest[0] == '\'':
		p.fail("json/quotes", "text in single quotes", "JSON uses double quotes")
	case p.comment():
	default:
		p.fail("json/value", p.found()+" where a value is expected", "")
	}
}

func (p *parser) number(start Pos) *Node {
	begin := p.pos
	p.eat('-')
	switch {
	case p.eat('0'):
	case !p.digits():
		p.fail("json/number", "a number without digits", "")
		return nil
	}
	if p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
		p.fail("json/number", "a number with a leading zero", "remove the zero, or quote it as text")
		return nil
	}
	if p.eat('.') && !p.digits() {
		p.fail("json/number", "no digits after the decimal point", "")
		return nil
	}
	if p.eat('e') || p.eat('E') {
		if !p.eat('+') {
			p.eat('-')
		}
		if !p.digits() {
			p.fail("json/number", "no digits in the exponent", "")
			return nil
		}
	}
	return &Node{Kind: Number, Text: p.src[begin:p.pos], Span: p.span(start)}
}

func (p *parser) digits() bool {
	begin := p.pos
	for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > begin
}

// str reads a string whose opening quote stands here.
func (p *parser) str() string {
	p.pos++
	begin := p.pos
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '"':
			s := p.src[begin:p.pos]
			p.pos++
			return s
		case c == '\\':
			return p.escaped(begin)
		case !p.plain(c):
			return ""
		}
	}
	p.fail("json/unclosed", "the text ends inside a string", `close it with "`)
	return ""
}

// plain steps over one character that may stand in a string as it is.
func (p *parser) plain(c byte) bool {
	if c < 0x20 {
		help := "write it as an escape, for example \\n"
		if c == '\n' || c == '\r' {
			help = "close the string before the end of the line, or write \\n"
		}
		p.fail("json/control", "a control character inside a string", help)
		return false
	}
	if c < utf8.RuneSelf {
		p.pos++
		return true
	}
	r, size := utf8.DecodeRuneInString(p.src[p.pos:])
	if r == utf8.RuneError && size <= 1 {
		p.fail("json/utf8", "the file is not UTF-8 here", "save it as UTF-8")
		return false
	}
	p.pos += size
	return true
}

// escaped reads on a string that has escapes, from its first one.
func (p *parser) escaped(begin int) string {
	var b strings.Builder
	b.WriteString(p.src[begin:p.pos])
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			p.pos++
			return b.String()
		case c == '\\':
			r, ok := p.escape()
			if !ok {
				return ""
			}
			b.WriteRune(r)
		default:
			from := p.pos
			if !p.plain(c) {
				return ""
			}
			b.WriteString(p.src[from:p.pos])
		}
	}
	p.fail("json/unclosed", "the text ends inside a string", `close it with "`)
	return ""
}

var shortEscapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

func (p *parser) escape() (rune, bool) {
	if p.pos+1 >= len(p.src) {
		p.fail("json/unclosed", "the text ends inside a string", "")
		return 0, false
	}
	c := p.src[p.pos+1]
	if r, ok := shortEscapes[c]; ok {
		p.pos += 2
		return r, true
	}
	if c != 'u' {
		p.fail("json/escape", fmt.Sprintf("\\%c is no escape of JSON", c), `a backslash itself is written \\`)
		return 0, false
	}
	r, ok := p.hex4(p.pos)
	if ok && utf16.IsSurrogate(r) {
		low, paired := p.hex4(p.pos + 6)
		r = utf16.DecodeRune(r, low)
		if ok = paired && r != utf8.RuneError; ok {
			p.pos += 6
		}
	}
	if !ok {
		p.fail("json/escape", "an invalid \\u escape", "four hexadecimal digits follow \\u, and surrogates come in pairs")
		return 0, false
	}
	p.pos += 6
	return r, true
}

// hex4 reads the \uXXXX at an offset.
func (p *parser) hex4(at int) (rune, bool) {
	if at+6 > len(p.src) || p.src[at] != '\\' || p.src[at+1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(p.src[at+2:at+6], 16, 16)
	return rune(v), err == nil
}
