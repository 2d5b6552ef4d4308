package entity

import (
	"errors"
	"io"
	"iter"
)

// Texts yields the JSON values of a stream one by one, each as its own bytes:
// the elements of one list, or values that follow one another with white space
// or line ends between (NDJSON). A slice is valid until the next one is asked
// for. Memory is bounded by the largest value, which may have most bytes at
// the most; the values themselves are not validated here.
func Texts(r io.Reader, most int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s := &splitter{r: r, most: most}
		for {
			text, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(text, err) || err != nil {
				return
			}
		}
	}
}

type splitter struct {
	r      io.Reader
	most   int
	buf    []byte
	pos    int // of what has not been looked at
	read   int // bytes of the stream before buf
	inList bool
	begun  bool // the list has had an element
	done   bool
}

var errStream = errors.New("the stream ends inside a value or list")

func (s *splitter) errAt(code, msg string) error {
	return &SyntaxError{Code: code, Offset: s.read + s.pos, Line: 1, Col: s.read + s.pos + 1, Msg: msg}
}

// next returns the bytes of the next value.
func (s *splitter) next() ([]byte, error) {
	if s.pos > 0 {
		s.read += s.pos
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
		s.pos = 0
	}
	c, err := s.nonSpace()
	if err != nil {
		return nil, s.ending(err)
	}
	switch {
	case s.done:
		return nil, s.errAt("json/trailing", "more text after the end of the list")
	case !s.inList && c == '[' && !s.begun:
		s.inList = true
		s.pos++
		return s.element()
	case s.inList:
		return s.element()
	}
	s.begun = true
	return s.value()
}

func (s *splitter) ending(err error) error {
	if errors.Is(err, io.EOF) && s.inList && !s.done {
		return errStream
	}
	return err
}

// element reads on within the list, where a comma, a value or its end stands.
func (s *splitter) element() ([]byte, error) {
	c, err := s.nonSpace()
	if err != nil {
		return nil, s.ending(err)
	}
	if c == ']' {
		s.pos++
		s.done = true
		if _, err := s.nonSpace(); err != nil {
			return nil, err
		}
		return nil, s.errAt("json/trailing", "more text after the end of the list")
	}
	if s.begun {
		if c != ',' {
			return nil, s.errAt("json/list", "a comma or ] is expected in the list")
		}
		s.pos++
		if _, err := s.nonSpace(); err != nil {
			return nil, s.ending(err)
		}
	}
	s.begun = true
	return s.value()
}

// value reads to the end of the value that begins at pos.
func (s *splitter) value() ([]byte, error) {
	start, depth, inText := s.pos, 0, false
	for {
		if s.pos == len(s.buf) {
			if err := s.fill(); err != nil {
				if errors.Is(err, io.EOF) && depth == 0 && !inText && s.pos > start {
					return s.buf[start:s.pos], nil
				}
				if errors.Is(err, io.EOF) {
					err = errStream
				}
				return nil, err
			}
		}
		c := s.buf[s.pos]
		switch {
		case inText && c == '\\':
			s.pos++
			if s.pos == len(s.buf) {
				if err := s.fill(); err != nil {
					return nil, errStream
				}
			}
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']' || c <= ' '):
			return s.buf[start:s.pos], nil
		case c == '}' || c == ']':
			depth--
		}
		s.pos++
		if depth == 0 && !inText && (c == '}' || c == ']' || c == '"') {
			return s.buf[start:s.pos], nil
		}
	}
}

func (s *splitter) nonSpace() (byte, error) {
	for {
		for ; s.pos < len(s.buf); s.pos++ {
			if c := s.buf[s.pos]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
				return c, nil
			}
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// fill reads more behind what is there.
func (s *splitter) fill() error {
	if len(s.buf) > s.most {
		return s.errAt("json/size", "a value is larger than the limit")
	}
	if len(s.buf) == cap(s.buf) {
		wider := make([]byte, len(s.buf), max(64<<10, 2*cap(s.buf)))
		copy(wider, s.buf)
		s.buf = wider
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
