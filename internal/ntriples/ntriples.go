// Package ntriples reads RDF as N-Triples: a statement a line, with a place for
// all that is wrong.
package ntriples

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// Kind is what a term is.
type Kind uint8

// The kinds of terms.
const (
	IRI     Kind = iota // a name for the whole world
	Blank               // something without a name; its label holds in one text only
	Literal             // a text, with a data type or a language
)

// Term is one part of a statement. Its texts share the memory of what was read
// wherever nothing was escaped in it.
type Term struct {
	Kind Kind
	// Text is an IRI without its angle brackets, a label without its _:, or what
	// a literal says.
	Text string
	// Datatype is the IRI of a literal's data type; "" if it has none.
	Datatype string
	// Language is the tag of a literal's language; "" if it has none.
	Language string
	// Offset is where the term begins, in bytes from 0.
	Offset int
}

// Statement is one line.
type Statement struct {
	Subject   Term   // an IRI or a blank node
	Predicate string // an IRI without its angle brackets
	Object    Term
}

// Error tells what is wrong with N-Triples, and where.
type Error struct {
	Line, Col int // from 1, columns in characters
	Msg       string
}

// Error says what is wrong with line and column.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Col, e.Msg)
}

// At returns the error of a place in a text, an offset in bytes.
func At(text string, offset int, format string, args ...any) *Error {
	before := strings.ReplaceAll(text[:offset], "\r\n", "\n")
	line := strings.Count(before, "\n") + strings.Count(before, "\r") + 1
	before = before[strings.LastIndexAny(before, "\r\n")+1:]
	return &Error{line, utf8.RuneCountInString(before) + 1, fmt.Sprintf(format, args...)}
}

// Read reads statements one after the other, as RDF 1.1 N-Triples has them. After
// an error, which is an *Error, there are no more.
func Read(text string) iter.Seq2[Statement, error] {
	return func(yield func(Statement, error) bool) {
		r := &reader{text: text}
		for r.more() {
			s := r.statement()
			if r.err != nil {
				yield(Statement{}, r.err)
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// Again reads the statement that begins at an offset of a text once more, so that
// who has many of them to remember need not keep what they say.
func Again(text string, offset int) (Statement, error) {
	r := &reader{text: text, pos: offset}
	s := r.statement()
	if r.err != nil {
		return Statement{}, r.err
	}
	return s, nil
}

type reader struct {
	text string
	pos  int
	err  *Error
}

// fail keeps the first error.
func (r *reader) fail(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = At(r.text, offset, format, args...)
	}
}

// next is the character to be read, and how many bytes it has: none at the end,
// and where the text is no UTF-8, which is an error.
func (r *reader) next() (rune, int) {
	c, size := utf8.DecodeRuneInString(r.text[r.pos:])
	if c == utf8.RuneError && size == 1 {
		r.fail(r.pos, "this is not UTF-8")
		return 0, 0
	}
	return c, size
}

// blanks skips what may stand between terms.
func (r *reader) blanks() {
	for r.pos < len(r.text) && (r.text[r.pos] == ' ' || r.text[r.pos] == '\t') {
		r.pos++
	}
}

// rest skips what may follow a statement on its line: blanks and a comment.
func (r *reader) rest() {
	r.blanks()
	if r.pos == len(r.text) || r.text[r.pos] != '#' {
		return
	}
	for c, size := r.next(); size > 0 && c != '\n' && c != '\r'; c, size = r.next() {
		r.pos += size
	}
}

// more skips lines that say nothing, and tells whether another one follows. It
// does so with an error pending as well.
func (r *reader) more() bool {
	for {
		r.rest()
		if r.pos == len(r.text) || r.text[r.pos] != '\n' && r.text[r.pos] != '\r' {
			return r.pos < len(r.text)
		}
		r.pos++
	}
}

func (r *reader) statement() (s Statement) {
	if s.Subject.Offset = r.pos; r.has("_:") {
		s.Subject = r.blank()
	} else {
		s.Subject.Text = r.iri("a subject, which is an IRI in angle brackets or a blank node")
	}
	r.blanks()
	s.Predicate = r.iri("a predicate, which is an IRI in angle brackets")
	r.blanks()
	s.Object = r.object()
	r.blanks()
	if !r.take(".") {
		r.expected("the . that ends a statement")
	}
	r.rest()
	if r.err == nil && r.pos < len(r.text) && r.text[r.pos] != '\n' && r.text[r.pos] != '\r' {
		r.expected("the end of the line, since each statement has its own")
	}
	return s
}

func (r *reader) object() Term {
	at := r.pos
	switch {
	case r.has("_:"):
		return r.blank()
	case r.has(`"`):
		return r.literal()
	}
	return Term{Text: r.iri("an object, which is an IRI in angle brackets, a blank node or a text in double quotes"), Offset: at}
}

func (r *reader) has(s string) bool { return strings.HasPrefix(r.text[r.pos:], s) }

func (r *reader) take(s string) bool {
	if !r.has(s) {
		return false
	}
	r.pos += len(s)
	return true
}

// expected fails with what stands at a place instead of what should.
func (r *reader) expected(what string) {
	c, size := r.next()
	found := "the end"
	switch {
	case size > 0 && (c == '\n' || c == '\r'):
		found = "the end of the line"
	case size > 0:
		found = fmt.Sprintf("%q", c)
	}
	r.fail(r.pos, "expected %s, found %s", what, found)
}

func (r *reader) blank() Term {
	t := Term{Kind: Blank, Offset: r.pos}
	r.pos += len("_:")
	from := r.pos
	for c, size := r.next(); size > 0 && inLabel(c, r.pos == from); c, size = r.next() {
		r.pos += size
	}
	for r.pos > from && r.text[r.pos-1] == '.' { // it ends the statement
		r.pos--
	}
	if r.pos == from {
		r.expected("the label of a blank node")
	}
	t.Text = r.text[from:r.pos]
	return t
}

// inLabel tells whether a character may stand in the label of a blank node. Not
// all of those may begin one.
func inLabel(c rune, first bool) bool {
	switch {
	case c >= '0' && c <= '9' || c == '_' || letter(c):
		return true
	case first:
		return false
	}
	return c == '-' || c == '.' || c == 0xB7 || c >= 0x300 && c <= 0x36F || c == 0x203F || c == 0x2040
}

// letter tells whether the grammar takes a character for a letter.
func letter(c rune) bool {
	for _, span := range [...][2]rune{{'A', 'Z'}, {'a', 'z'}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF},
		{0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD}, {0x10000, 0xEFFFF}} {
		if c >= span[0] && c <= span[1] {
			return true
		}
	}
	return false
}

// literal reads a text in quotes, and its language or data type.
func (r *reader) literal() Term {
	t := Term{Kind: Literal, Offset: r.pos}
	t.Text = r.until('"', "a text", func(c rune) bool { return c != '\n' && c != '\r' }, simple)
	switch {
	case r.err != nil:
	case r.take("@"):
		t.Language = r.language()
	case r.take("^^"):
		t.Datatype = r.iri("a data type, which is an IRI in angle brackets")
	}
	return t
}

// language reads the tag of a language: letters, then parts of letters and digits.
func (r *reader) language() string {
	from, part := r.pos, r.pos
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && part > from:
			continue
		case c == '-' && r.pos > part:
			part = r.pos + 1
			continue
		}
		break
	}
	if r.pos == part {
		r.expected("the tag of a language")
	}
	return r.text[from:r.pos]
}
