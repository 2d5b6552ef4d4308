package transforms

import (
	"slices"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

// Set is an immutable set of types, handed to whoever compiles pipes.
type Set struct{ types []Type }

// NewSet returns a set of the types; of one name the last counts.
func NewSet(types ...Type) Set {
	var s Set
	for _, t := range types {
		if i := slices.IndexFunc(s.types, func(h Type) bool { return h.Name == t.Name }); i >= 0 {
			s.types[i] = t
			continue
		}
		s.types = append(s.types, t)
	}
	return s
}

// Standard returns all types that Sluice has.
func Standard() []Type {
	return []Type{dtlType(), restType(), emitChildrenType(), chainedType(), conditionalType()}
}

// Documented returns the names of types that configurations may hold but
// Sluice does not have yet.
func Documented() []string {
	return []string{
		"template", "http", "json_schema", "xml", "rdf", "lower_keys", "upper_keys", "undirected_graph",
		"properties_to_curies", "uris_to_curies",
	}
}

// Lookup returns the type of that name.
func (s Set) Lookup(name string) (Type, bool) {
	for _, t := range s.types {
		if t.Name == name {
			return t, true
		}
	}
	return Type{}, false
}

// Names returns the names of all types, in the order given.
func (s Set) Names() []string {
	names := make([]string, len(s.types))
	for i, t := range s.types {
		names[i] = t.Name
	}
	return names
}

// Types returns the types, in the order given.
func (s Set) Types() []Type { return slices.Clone(s.types) }

// Build compiles the transform env.Node, nested ones included; a list of them
// becomes a *Chain, nothing at all an empty one. The transform is nil if there
// are errors.
func (s Set) Build(env Env) (Transform, diag.List) {
	if env.Build == nil {
		env.Build = func(n *jsonpos.Node) (Transform, diag.List) {
			nested := env
			nested.Node = n
			return s.Build(nested)
		}
	}
	if env.Node == nil || env.Node.Kind == jsonpos.Array {
		chain, diags := buildChain(env.Node, env)
		if diags.HasErrors() {
			return nil, diags
		}
		return chain, diags
	}
	name, _ := env.Node.Get("type").Str()
	t, ok := s.Lookup(name)
	if !ok {
		return nil, systems.UnknownType("transform", env.Node, s.Names(), Documented())
	}
	cfg := t.Config()
	diags := spec.Decode(env.Node, cfg)
	tr, more := t.Build(cfg, env)
	diags.Add(more...)
	if diags.HasErrors() {
		return nil, diags
	}
	return tr, diags
}
