package jinja

import (
	"errors"
	"fmt"
)

// The codes of an [Error].
const (
	CodeSyntax    = "jinja/syntax"    // the template cannot be read
	CodeName      = "jinja/name"      // no such filter or test
	CodeUndefined = "jinja/undefined" // a variable or property that is not there was used
	CodeType      = "jinja/type"      // an operation its operand does not have
	CodeValue     = "jinja/value"     // an operand outside of what the operation takes
	CodeLimit     = "jinja/limit"     // the template spends more than it may
	CodeCall      = "jinja/call"      // a function of the host refused
	CodeInternal  = "jinja/internal"  // a mistake in Sluice
)

// Kinds of failure, to be recognised with errors.Is.
var (
	// ErrUndefined is the use of something that is not there. In
	// next_page_link it means that there is no next page.
	ErrUndefined = errors.New("undefined")
	// ErrLimit is the reaching of any bound, the context's end included.
	ErrLimit = errors.New("limit")
	// ErrSyntax is a template that does not compile.
	ErrSyntax = errors.New("syntax")
)

// Error is what is wrong with a template and where. Offset counts bytes in
// the template; File, Line and Col are the place in the configuration file
// when Options.Pos gives it, else Line and Col count within the template.
type Error struct {
	Code      string
	File      string
	Offset    int
	Line, Col int
	Msg       string
	Help      string // what to do, or ""
	Cause     error  // what a function of the host said, or nil
}

// Error returns place, message and help on one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg)
	if e.File != "" {
		s = e.File + ":" + s
	}
	if e.Help != "" {
		s += " (" + e.Help + ")"
	}
	return s
}

// Unwrap returns the kind of failure and the cause.
func (e *Error) Unwrap() []error {
	var kinds []error
	switch e.Code {
	case CodeUndefined:
		kinds = append(kinds, ErrUndefined)
	case CodeLimit:
		kinds = append(kinds, ErrLimit)
	case CodeSyntax, CodeName:
		kinds = append(kinds, ErrSyntax)
	}
	if e.Cause != nil {
		kinds = append(kinds, e.Cause)
	}
	return kinds
}

// lineCol finds the place of a byte offset in the template.
func lineCol(src string, offset int) (line, col int) {
	line, col = 1, 1
	for i, r := range src {
		if i >= offset {
			break
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
	}
	return line, col
}
