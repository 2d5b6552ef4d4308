// Package diag holds what is said about a configuration: findings with a rule
// id, a severity, a place and a remedy. Every check of every package reports
// through it, so that validate, load and the API say the same.
package diag

import (
	"cmp"
	"slices"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Severity orders findings by what they forbid.
type Severity uint8

// An Error keeps a configuration from being loaded, a Warning does not.
const (
	Warning Severity = iota
	Error
)

// String returns "warning" or "error".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// MarshalText writes the severity as its name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing to say about a configuration.
type Finding struct {
	Rule     string       // stable id "family/name", as explained by `sluice explain`
	Severity Severity     //
	Message  string       // what is wrong, lower case, one line
	Span     jsonpos.Span // where
	Pointer  string       // JSON pointer within the component, or ""
	Pipe     string       // id of the pipe or system concerned, or ""
	Help     string       // what to do, or ""
	Unknown  string       // name of a system that there is none of, or "": who knows all names may suggest one
	Hidden   bool         // the line may hold a secret and is shown to nobody
}

// Error makes a single finding usable as an error.
func (f Finding) Error() string { return f.Message }

// List gathers findings. The zero List is ready to use.
type List []Finding

// Add appends findings.
func (l *List) Add(f ...Finding) { *l = append(*l, f...) }

// Errorf-like shorthands are left out on purpose: a finding without a rule id
// or a place cannot be made by accident.

// Causes returns those of more that do not follow from an error of l: what stands where
// a variable is unknown, for example, is no good address, either.
func (l List) Causes(more List) List {
	return slices.DeleteFunc(slices.Clone(more), func(f Finding) bool {
		return slices.ContainsFunc(l, func(of Finding) bool {
			return of.Severity == Error && of.Span == f.Span && of.Span.Start.Line > 0
		})
	})
}

// HasErrors tells whether any finding is an Error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(f Finding) bool { return f.Severity == Error })
}

// Count returns the numbers of errors and of warnings.
func (l List) Count() (errors, warnings int) {
	for _, f := range l {
		if f.Severity == Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// Sort orders findings by file, line, column and rule, and drops exact
// repetitions.
func (l *List) Sort() {
	slices.SortStableFunc(*l, compare)
	*l = slices.Compact(*l)
}

func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Span.File, b.Span.File),
		cmp.Compare(a.Span.Start.Line, b.Span.Start.Line),
		cmp.Compare(a.Span.Start.Col, b.Span.Start.Col),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Message, b.Message),
	)
}
