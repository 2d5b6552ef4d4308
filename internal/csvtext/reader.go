// Package csvtext reads and writes tables as text: fields between delimiters,
// rows between line ends, quotes around what holds either.
package csvtext

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Dialect says how fields are told apart.
type Dialect struct {
	Delimiter string
	Quote     byte // 0 if nothing is quoted
	// SkipSpace leaves out spaces behind a delimiter.
	SkipSpace bool
}

// Excel is the dialect of most files.
func Excel() Dialect { return Dialect{Delimiter: ",", Quote: '"'} }

// Error is something wrong with a table, and where.
type Error struct {
	Line, Col int // 1-based; Col counts characters
	Msg       string
}

// Error tells the place and what is wrong.
func (e *Error) Error() string { return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Col, e.Msg) }

// MaxRow bounds the bytes of one row unless a Reader says otherwise.
const MaxRow = 64 << 20

// Reader reads a table in UTF-8 row by row. It needs the memory of the largest
// row.
type Reader struct {
	Dialect
	// Max bounds the bytes of a row.
	Max int
	// Nulls says what becomes of null characters: nil refuses them.
	Nulls []byte
	// Open tells that the last row has no line end.
	Open bool

	r       *bufio.Reader
	line    int // of the next byte
	col     int
	text    []byte // of the row, fields one after the other
	ends    []int  // of the fields in text
	starts  []place
	fields  [][]byte
	quoted  bool // a field of the row is
	afterCR bool // the byte before ended a line
}

type place struct{ line, col int }

// NewReader reads from r, whose byte order mark is left out.
func NewReader(r io.Reader, d Dialect) *Reader {
	in := bufio.NewReaderSize(r, 64<<10)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		in.ReadRune() // it has just been seen
	}
	return &Reader{Dialect: d, Max: MaxRow, r: in, line: 1, col: 1}
}

// Read returns the fields of the next row that is not blank, valid until the
// next call; io.EOF if there is none.
func (r *Reader) Read() ([][]byte, error) {
	for {
		if err := r.row(); err != nil {
			return nil, err
		}
		if len(r.ends) > 1 || r.quoted || len(r.text) > 0 {
			return r.cut(), nil
		}
	}
}

// Start is where field i of the last row begins; of one that is not there,
// where the row does.
func (r *Reader) Start(i int) (line, col int) {
	if i >= len(r.starts) {
		i = 0
	}
	if len(r.starts) == 0 {
		return r.line, r.col
	}
	return r.starts[i].line, r.starts[i].col
}

// At makes an error at field i of the last row.
func (r *Reader) At(i int, format string, args ...any) error {
	line, col := r.Start(i)
	return &Error{line, col, fmt.Sprintf(format, args...)}
}

func (r *Reader) cut() [][]byte {
	r.fields = r.fields[:0]
	from := 0
	for _, end := range r.ends {
		r.fields = append(r.fields, r.text[from:end:end])
		from = end
	}
	return r.fields
}

// state is where in a field the next byte stands.
type state uint8

const (
	atStart  state = iota // of a field
	inField               // without quotes
	inQuotes              //
	onQuote               // behind a quote within quotes: its end, or half of a doubled one
)

// row reads bytes until a row has ended.
func (r *Reader) row() error {
	r.text, r.ends, r.starts, r.quoted = r.text[:0], r.ends[:0], r.starts[:0], false
	f := field{r: r}
	f.begin()
	for {
		c, err := r.next()
		if errors.Is(err, io.EOF) {
			err := f.last()
			r.Open = r.Open || err == nil
			return err
		}
		if err != nil {
			return err
		}
		done, err := f.take(c)
		if done || err != nil {
			return err
		}
		if len(r.text)+len(r.ends) > r.Max {
			return r.At(0, "the row has more than %d bytes; is a quote not closed?", r.Max)
		}
	}
}

// next returns the next byte and counts lines: \n, \r and \r\n end one.
func (r *Reader) next() (byte, error) {
	c, err := r.r.ReadByte()
	if err != nil {
		return 0, err
	}
	switch {
	case c == '\n' && r.afterCR:
		// the line has been counted
	case c == '\n' || c == '\r':
		r.line, r.col = r.line+1, 1
	case utf8.RuneStart(c):
		r.col++
	}
	r.afterCR = c == '\r'
	return c, nil
}

// field is the field being read.
type field struct {
	r     *Reader
	state state
	bare  int   // where in the text what is not quoted begins
	open  place // of its quote
}

func (f *field) begin() {
	f.r.starts = append(f.r.starts, place{f.r.line, f.r.col})
	f.state, f.bare = atStart, len(f.r.text)
}

func (f *field) end() { f.r.ends = append(f.r.ends, len(f.r.text)) }

// last ends the row at the end of the text.
func (f *field) last() error {
	if f.state == inQuotes {
		return &Error{f.open.line, f.open.col, "the quote is not closed before the end of the text"}
	}
	if f.state == atStart && len(f.r.ends) == 0 {
		return io.EOF
	}
	f.end()
	return nil
}

// take takes the next byte in; done tells that it ended the row.
func (f *field) take(c byte) (done bool, err error) {
	r := f.r
	switch {
	case c == 0 && r.Nulls == nil:
		return false, &Error{r.line, r.col - 1, "a null character; set escape_null_bytes to read it"}
	case c == 0:
		r.text = append(r.text, r.Nulls...)
		f.state = max(f.state, inField)
		return false, nil
	case f.state == inQuotes:
		f.inside(c)
		return false, nil
	case c == r.Quote && c != 0 && f.quote():
		return false, nil
	case c == '\n' || c == '\r':
		f.end()
		return true, f.crlf(c)
	case c == ' ' && f.state == atStart && r.SkipSpace:
		return false, nil
	}
	f.outside(c)
	return false, nil
}

// inside takes a byte between quotes.
func (f *field) inside(c byte) {
	if c == f.r.Quote {
		f.state = onQuote
		return
	}
	f.r.text = append(f.r.text, c)
}

// quote takes a quote that opens a field or is half of a doubled one; false if
// it is one like any other byte.
func (f *field) quote() bool {
	switch f.state {
	case atStart:
		f.r.quoted = true
		f.open = place{f.r.line, f.r.col - 1}
	case onQuote:
		f.r.text = append(f.r.text, f.r.Quote)
	default:
		return false
	}
	f.state = inQuotes
	return true
}

// outside takes a byte that is not quoted, and ends the field where a
// delimiter ends.
func (f *field) outside(c byte) {
	r := f.r
	if f.state == onQuote {
		f.bare = len(r.text)
	}
	f.state = inField
	r.text = append(r.text, c)
	if d := r.Delimiter; c == d[len(d)-1] && bytes.HasSuffix(r.text[f.bare:], []byte(d)) {
		r.text = r.text[:len(r.text)-len(d)]
		f.end()
		f.begin()
	}
}

// crlf reads over the second half of a line end.
func (f *field) crlf(c byte) error {
	if c != '\r' {
		return nil
	}
	next, err := f.r.r.Peek(1)
	if err == nil && next[0] == '\n' {
		_, err = f.r.next()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
