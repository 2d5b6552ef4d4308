// Package pel is the expression language of PIPEFORCE pipelines, as far as it
// is of use: paths, operators, selections and projections over the message,
// and a fixed set of utilities. There are no types, no constructors and no way
// to anything outside the values handed in: what would lead there is refused
// when the expression is parsed.
package pel

import (
	"fmt"
	"time"

	"github.com/sluiceio/sluice/entity"
)

const (
	longest   = 16 << 10 // bytes of an expression
	deepest   = 64       // levels of brackets and operators
	mostWork  = 1 << 20  // nodes evaluated for one expression
	mostBytes = 64 << 20 // bytes of text made for one expression
)

// Error says what is wrong with an expression, and where.
type Error struct {
	Offset    int // in bytes, from the start of the text
	Msg, Help string
	// Unknown tells that a name is at fault, rather than the grammar or a value.
	Unknown bool
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// Scope is what an expression sees.
type Scope struct {
	// Roots are body, vars, headers …, by their names.
	Roots map[string]entity.Value
	// User is who runs the pipeline: a dict with username and email.
	User entity.Value
	// Now is the clock of @date.
	Now time.Time
}

// Expr is a parsed expression. It does not change, and may be used by many
// goroutines at once.
type Expr struct {
	root node
	text string
}

// Parse reads an expression in which only the given roots may be named.
func Parse(text string, roots []string) (*Expr, *Error) {
	if len(text) > longest {
		return nil, &Error{Msg: fmt.Sprintf("the expression has more than %d bytes", longest)}
	}
	p := &parser{lexer: lexer{text: text}, roots: roots}
	return p.whole()
}

// String returns the expression as it was written.
func (e *Expr) String() string { return e.text }

// Eval evaluates the expression. Errors are of type *Error.
func (e *Expr) Eval(s *Scope) (entity.Value, error) {
	r := &run{scope: s}
	return r.eval(e.root)
}

// Path returns the names of an expression that is a root and properties, as
// vars.a.b is, and whether it is one.
func (e *Expr) Path() ([]string, bool) {
	var names []string
	for n := e.root; ; {
		switch t := n.(type) {
		case *propNode:
			names = append(names, t.name)
			n = t.of
		case *rootNode:
			names = append(names, t.name)
			for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
				names[i], names[j] = names[j], names[i]
			}
			return names, true
		default:
			return nil, false
		}
	}
}

// Names tells whether the expression reads a property of that name somewhere,
// or the root of that name.
func (e *Expr) Names(name string) bool {
	found := false
	walk(e.root, func(n node) {
		switch t := n.(type) {
		case *propNode:
			found = found || t.name == name
		case *rootNode:
			found = found || t.name == name
		}
	})
	return found
}

// node is a part of an expression.
type node interface {
	at() int
	// eval works out the value; it is called through run.eval, which counts.
	eval(r *run) (entity.Value, error)
	parts() []node
}

type place int

func (p place) at() int { return int(p) }

func walk(n node, see func(node)) {
	if n == nil {
		return
	}
	see(n)
	for _, part := range n.parts() {
		walk(part, see)
	}
}

// run is the state of one evaluation.
type run struct {
	scope *Scope
	this  []entity.Value // the elements that selections and projections look at
	work  int
	bytes int
}

func (r *run) eval(n node) (entity.Value, error) {
	if r.work++; r.work > mostWork {
		return entity.Value{}, &Error{Offset: n.at(), Msg: "the expression takes too long"}
	}
	return n.eval(r)
}

// grow accounts for text that is about to be made.
func (r *run) grow(n node, bytes int) error {
	if r.bytes += bytes; r.bytes > mostBytes || r.bytes < 0 {
		return &Error{Offset: n.at(), Msg: fmt.Sprintf("the expression makes more than %d bytes of text", mostBytes)}
	}
	return nil
}

func fault(n node, format string, args ...any) error {
	return &Error{Offset: n.at(), Msg: fmt.Sprintf(format, args...)}
}
