package dtl

import (
	"errors"
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
// follow from it. Of Call, Call1, Call2 and Build at most one is set; Step
// makes it (also) a transform.
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
	// Call1 and Call2 are Call for exactly one or two values, without the cost
	// of a slice: for what rules use all the time.
	Call1 func(c *Ctx, v entity.Value) entity.Value
	Call2 func(c *Ctx, v, w entity.Value) entity.Value
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
			if err := f.checkBody(sig); err != nil {
				return nil, fmt.Errorf("function %s: %w", f.Name, err)
			}
			l.funcs[f.Name] = &declared{f.withCall(), sig}
		}
	}
	l.names = slices.Sorted(maps.Keys(l.funcs))
	return l, nil
}

// checkBody tells what is wrong with the bodies of a declaration: two for an
// expression, none at all, or one that cannot have the parameters.
func (f *Func) checkBody(sig signature) error {
	bodies := 0
	for _, set := range [...]bool{f.Call != nil, f.Call1 != nil, f.Call2 != nil, f.Build != nil} {
		if set {
			bodies++
		}
	}
	least, most := sig.counts()
	switch {
	case bodies > 1:
		return errors.New("only one of Call, Call1, Call2 and Build may be set")
	case bodies == 0 && f.Step == nil:
		return errors.New("there is no body")
	case f.Call1 != nil && (least != 1 || most != 1):
		return errors.New("Call1 takes exactly one argument")
	case f.Call2 != nil && (least != 2 || most != 2):
		return errors.New("Call2 takes exactly two arguments")
	case bodies == 1 && f.Build == nil && sig.unevaluated():
		return errors.New("parameters that are functions or defaults need Build")
	}
	return nil
}

// withCall gives a declaration with Call1 or Call2 its Call.
func (f Func) withCall() Func {
	if one := f.Call1; one != nil {
		f.Call = func(c *Ctx, a []entity.Value) entity.Value { return one(c, a[0]) }
	}
	if two := f.Call2; two != nil {
		f.Call = func(c *Ctx, a []entity.Value) entity.Value { return two(c, a[0], a[1]) }
	}
	return f
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
