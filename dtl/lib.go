package dtl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluiceio/sluice/entity"
)

// Eval works out an expression in the state of a run.
type Eval func(c *Ctx) entity.Value

// Step carries out one transform and tells how to go on.
type Step func(c *Ctx) Flow

// Flow says what follows a transform.
type Flow uint8

// After Continue the next transform runs; Filter stops the entity, which a
// dataset sink then deletes; Discard stops it without a trace.
const (
	Continue Flow = iota
	Filter
	Discard
)

// Example is an expression and what it gives, both as JSON; a result that
// begins with "error: " is a part of the message.
type Example [2]string

// Func declares a function once; arity checks, documentation, help and tests
// follow from it. Of Call and Build at most one is set; Step makes it (also) a
// transform.
type Func struct {
	Name string
	// Args is the signature in the manual's notation:
	// "SEPARATOR(string{0|1}) VALUES(value-expression{1})". A repeated group
	// stands in parentheses: "(VALUE(…) THEN(…)){>=1} ELSE(…{0|1})".
	Args     string
	Doc      string // one sentence
	Examples []Example
	// Impure functions depend on more than their arguments and are never
	// worked out at compile time.
	Impure bool
	// Call gets one value for each parameter, null for an optional one left
	// out; the values of a repeated last parameter follow at the end.
	Call func(c *Ctx, args []entity.Value) entity.Value
	// Build gets the arguments as written and compiles what it needs. A nil
	// result means that b has been told what is wrong.
	Build func(b *Builder, a Args) Eval
	// Step is Build for transforms.
	Step func(b *Builder, a Args) Step
}

// Lib is an immutable set of functions.
type Lib struct {
	funcs map[string]*declared
	names []string
}

type declared struct {
	Func
	sig signature
}

// NewLib makes a set of the families given. A signature that cannot be read or
// a name that stands twice is an error.
func NewLib(families ...[]Func) (*Lib, error) {
	l := &Lib{funcs: map[string]*declared{}}
	for _, family := range families {
		for _, f := range family {
			sig, err := parseSignature(f.Args)
			if err != nil {
				return nil, fmt.Errorf("function %s: %w", f.Name, err)
			}
			if l.funcs[f.Name] != nil {
				return nil, fmt.Errorf("function %s is declared twice", f.Name)
			}
			l.funcs[f.Name] = &declared{f, sig}
		}
	}
	l.names = slices.Sorted(maps.Keys(l.funcs))
	return l, nil
}

// Names returns all function names, sorted.
func (l *Lib) Names() []string { return l.names }

// Func returns the declaration of a function.
func (l *Lib) Func(name string) (Func, bool) {
	d := l.funcs[name]
	if d == nil {
		return Func{}, false
	}
	return d.Func, true
}
