package spec

import (
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// Type is one kind of component: T is what it makes, E what it makes it with.
type Type[T, E any] struct {
	// Name is the value of the component's `type`.
	Name string
	// Doc is one sentence for the reference.
	Doc string
	// Config returns a new configuration struct for Decode to fill.
	Config func() any
	// Build makes the component from its filled configuration. It reaches
	// nothing outside and reports every problem.
	Build func(cfg any, env E) (T, diag.List)
}

// Set is an immutable set of types, handed to whoever compiles configurations.
type Set[T, E any] struct {
	kind       string
	types      []Type[T, E]
	documented []string
}

// NewSet returns a set of types; of one name the last counts. The kind is
// "source", "transform", "sink" or "system"; documented are the names of types
// that configurations may hold but that are not there yet.
func NewSet[T, E any](kind string, documented []string, types []Type[T, E]) Set[T, E] {
	s := Set[T, E]{kind: kind, documented: documented}
	for _, t := range types {
		if i := slices.IndexFunc(s.types, func(h Type[T, E]) bool { return h.Name == t.Name }); i >= 0 {
			s.types[i] = t
			continue
		}
		s.types = append(s.types, t)
	}
	return s
}

// Lookup returns the type of that name.
func (s Set[T, E]) Lookup(name string) (Type[T, E], bool) {
	for _, t := range s.types {
		if t.Name == name {
			return t, true
		}
	}
	return Type[T, E]{}, false
}

// Names returns the names of all types, in the order given.
func (s Set[T, E]) Names() []string {
	names := make([]string, len(s.types))
	for i, t := range s.types {
		names[i] = t.Name
	}
	return names
}

// Types returns the types, in the order given.
func (s Set[T, E]) Types() []Type[T, E] { return slices.Clone(s.types) }

// Make makes a component of the type name from the object n. It is the zero T
// if there are errors.
func (s Set[T, E]) Make(name string, n *jsonpos.Node, env E) (T, diag.List) {
	var none T
	t, ok := s.Lookup(name)
	if !ok {
		return none, diag.List{s.unknown(n)}
	}
	cfg := t.Config()
	diags := Decode(n, cfg)
	made, more := t.Build(cfg, env)
	diags.Add(more...)
	if diags.HasErrors() {
		return none, diags
	}
	return made, diags
}

// unknown says what is wrong with the type of n, which is none of the set's.
func (s Set[T, E]) unknown(n *jsonpos.Node) diag.Finding {
	f := diag.Finding{Severity: diag.Error, Rule: s.kind + "/type"}
	if n == nil {
		f.Message = "there is no " + s.kind
		return f
	}
	f.Span = n.Span
	t := n.Get("type")
	if t == nil {
		f.Message, f.Help = s.kind+" has no type", `add "type"`
		return f
	}
	f.Span = t.Span
	name, ok := t.Str()
	switch {
	case !ok:
		f.Message = fmt.Sprintf("the type of a %s must be a string, found a %s", s.kind, t.Kind)
		return f
	case slices.Contains(s.documented, name):
		f.Rule = s.kind + "/unsupported"
		f.Message = fmt.Sprintf("%s type %q is not supported yet", s.kind, name)
		return f
	}
	f.Rule = s.kind + "/unknown"
	f.Message = fmt.Sprintf("there is no %s type %q", s.kind, name)
	if near := textdist.Nearest(name, append(s.Names(), s.documented...)); near != "" {
		f.Help = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}
