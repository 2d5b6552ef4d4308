package jsonpos

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is one thing wrong with a JSON text.
type Error struct {
	Code string // stable id, "json/…"
	Span Span
	Msg  string // what was found and what was expected
	Help string // what to do, or ""
}

// Error names the place and says what is wrong.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Span.File, e.Span.Start.Line, e.Span.Start.Col, e.Msg)
}

// MaxDepth is how deep lists and dicts may nest in a file.
const MaxDepth = 512

// Parse reads one JSON value. A leading byte order mark is skipped. On success
// the list of errors is empty; otherwise the node is nil and the errors are
// sorted by place. Duplicate keys are all told; a syntax error ends the
// reading, since what follows it would be guesses.
func Parse(file string, data []byte) (*Node, []*Error) {
	src := strings.TrimPrefix(string(data), "\uFEFF")
	p := &parser{file: file, src: src, line: 1}
	n := p.document()
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return n, nil
}

type parser struct {
	file      string
	src       string
	pos       int
	line      int
	lineStart int // offset where the current line begins
	counted   int // offset whose column is known
	col       int // … which is this, from 0
	depth     int
	failed    bool
	errs      []*Error
	opened    []opening
}

type opening struct {
	char byte
	at   Pos
}

func (p *parser) document() *Node {
	p.space()
	if p.pos == len(p.src) {
		p.fail("json/empty", "the file is empty", "a JSON value is expected: an object {…} or a list […]")
		return nil
	}
	n := p.value()
	p.space()
	if !p.failed && p.pos < len(p.src) {
		p.trailing()
	}
	return n
}

func (p *parser) trailing() {
	switch c := p.src[p.pos]; c {
	case '}', ']':
		p.fail("json/unbalanced", fmt.Sprintf("one closing %q too many: everything is closed already", string(c)),
			"remove it")
	case ',':
		p.fail("json/trailing", "a comma after the end of the value", "several components in one file stand in a list […]")
	default:
		p.fail("json/trailing", "more text after the end of the value", "a file holds one JSON value; several components stand in a list […]")
	}
}

// here is the current place.
func (p *parser) here() Pos { return p.at(p.pos) }

// at is the place of an offset on the current line. It counts on from the place
// it was asked for last: files of one long line are common.
func (p *parser) at(offset int) Pos {
	if p.counted < p.lineStart || p.counted > offset {
		p.counted, p.col = p.lineStart, 0
	}
	p.col += utf8.RuneCountInString(p.src[p.counted:offset])
	p.counted = offset
	return Pos{Line: p.line, Col: 1 + p.col}
}

func (p *parser) span(start Pos) Span { return Span{File: p.file, Start: start, End: p.here()} }

func (p *parser) fail(code, msg, help string) {
	if p.failed {
		return
	}
	p.failed = true
	at := p.here()
	end := at
	end.Col++
	p.errs = append(p.errs, &Error{Code: code, Span: Span{p.file, at, end}, Msg: msg, Help: help})
}

func (p *parser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case '\n':
			p.line++
			p.lineStart = p.pos + 1
		case ' ', '\t', '\r':
		default:
			return
		}
		p.pos++
	}
}

func (p *parser) value() *Node {
	if p.pos == len(p.src) {
		p.unexpectedEnd()
		return nil
	}
	start := p.here()
	switch c := p.src[p.pos]; {
	case c == '{':
		return p.nested(start, p.object)
	case c == '[':
		return p.nested(start, p.array)
	case c == '"':
		s := p.str()
		return &Node{Kind: String, Text: s, Span: p.span(start)}
	case c == '-' || (c >= '0' && c <= '9'):
		return p.number(start)
	default:
		return p.word(start)
	}
}

func (p *parser) nested(start Pos, read func(Pos) *Node) *Node {
	if p.depth++; p.depth > MaxDepth {
		p.fail("json/depth", fmt.Sprintf("nested deeper than %d levels", MaxDepth), "flatten the value")
		return nil
	}
	p.opened = append(p.opened, opening{p.src[p.pos], start})
	p.pos++
	n := read(start)
	p.depth--
	if !p.failed {
		p.opened = p.opened[:len(p.opened)-1]
	}
	return n
}

func (p *parser) unexpectedEnd() {
	if len(p.opened) == 0 {
		p.fail("json/end", "the text ends where a value is expected", "")
		return
	}
	o := p.opened[len(p.opened)-1]
	p.fail("json/unclosed", fmt.Sprintf("the text ends before the %q of line %d, column %d is closed", string(o.char), o.at.Line, o.at.Col), "close it")
}

func (p *parser) object(start Pos) *Node {
	n := &Node{Kind: Object}
	seen := map[string]Pos{}
	for p.space(); !p.eat('}'); {
		m := p.member(seen)
		if m == nil {
			return nil
		}
		n.Members = append(n.Members, m)
		if !p.separator('}') {
			return nil
		}
	}
	n.Span = p.span(start)
	return n
}

func (p *parser) member(seen map[string]Pos) *Member {
	if !p.key() {
		return nil
	}
	start := p.here()
	m := &Member{Key: p.str()}
	m.KeySpan = p.span(start)
	if p.failed {
		return nil
	}
	if first, twice := seen[m.Key]; twice {
		p.errs = append(p.errs, &Error{Code: "json/duplicate-key", Span: m.KeySpan,
			Msg:  fmt.Sprintf("key %q stands twice in this object: first on line %d, column %d", m.Key, first.Line, first.Col),
			Help: "keep one of them"})
	}
	seen[m.Key] = start
	p.space()
	if !p.eat(':') {
		p.missing("json/colon", fmt.Sprintf("a colon is missing after the key %q", m.Key))
		return nil
	}
	p.space()
	m.Value = p.value()
	if p.failed {
		return nil
	}
	return m
}

// key tells whether a key begins here, and complains if not.
func (p *parser) key() bool {
	switch {
	case p.pos == len(p.src):
		p.unexpectedEnd()
	case p.src[p.pos] == '"':
		return true
	case p.src[p.pos] == '\'':
		p.fail("json/quotes", "a key in single quotes", "JSON uses double quotes: \"key\"")
	case p.comment():
	case p.src[p.pos] == ',':
		p.fail("json/comma", "a comma where a key is expected", "remove it")
	default:
		p.fail("json/key", fmt.Sprintf("%s where a key in double quotes is expected", p.found()), "write keys as \"key\"")
	}
	return false
}

func (p *parser) array(start Pos) *Node {
	n := &Node{Kind: Array}
	for p.space(); !p.eat(']'); {
		e := p.value()
		if p.failed {
			return nil
		}
		n.Elems = append(n.Elems, e)
		if !p.separator(']') {
			return nil
		}
	}
	n.Span = p.span(start)
	return n
}

// separator reads the comma between elements, or stops before the closing
// character.
func (p *parser) separator(closing byte) bool {
	p.space()
	if p.pos == len(p.src) {
		p.unexpectedEnd()
		return false
	}
	if p.src[p.pos] == closing {
		return true
	}
	comma := p.here()
	if !p.eat(',') {
		if p.src[p.pos] == '}' || p.src[p.pos] == ']' {
			o := p.opened[len(p.opened)-1]
			p.fail("json/unbalanced", fmt.Sprintf("%q cannot close the %q of line %d, column %d", p.src[p.pos:p.pos+1], string(o.char), o.at.Line, o.at.Col),
				fmt.Sprintf("close it with %q", string(closing)))
			return false
		}
		p.missing("json/comma", "a comma is missing before "+p.found())
		return false
	}
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == closing {
		p.failed = true
		p.errs = append(p.errs, &Error{Code: "json/comma", Msg: fmt.Sprintf("a comma before the closing %q", string(closing)),
			Span: Span{p.file, comma, Pos{comma.Line, comma.Col + 1}}, Help: "remove the comma"})
		return false
	}
	return true
}

func (p *parser) missing(code, msg string) {
	if p.pos == len(p.src) {
		p.unexpectedEnd()
		return
	}
	if !p.comment() {
		p.fail(code, msg, "")
	}
}

// comment complains about a comment, which JSON does not have.
func (p *parser) comment() bool {
	rest := p.src[p.pos:]
	if !strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "/*") && !strings.HasPrefix(rest, "#") {
		return false
	}
	p.fail("json/comment", "a comment, which JSON does not have", `write it as a "comment" property`)
	return true
}

func (p *parser) eat(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// found describes what stands here.
func (p *parser) found() string {
	r, _ := utf8.DecodeRuneInString(p.src[p.pos:])
	switch {
	case r == '"':
		return "a string"
	case r == '{' || r == '[':
		return fmt.Sprintf("%q", r)
	default:
		return fmt.Sprintf("the character %q", r)
	}
}
