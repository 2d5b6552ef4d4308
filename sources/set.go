package sources

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
	return []Type{
		datasetType(), mergeDatasetsType(), restType(), httpEndpointType(), embeddedType(), conditionalType(), emptyType(),
	}
}

// Documented returns the names of types that configurations may hold but
// Sluice does not have yet.
func Documented() []string {
	return []string{
		"union_datasets", "merge", "json", "sql", "csv", "kafka", "ldap", "rdf", "sparql", "sdshare", "binary", "diff_datasets",
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

// Build compiles the source env.Node, nested ones included. The source is nil if
// there are errors.
func (s Set) Build(env Env) (Source, diag.List) {
	if env.Build == nil {
		env.Build = func(n *jsonpos.Node) (Source, diag.List) {
			nested := env
			nested.Node = n
			return s.Build(nested)
		}
	}
	name, _ := env.Node.Get("type").Str()
	t, ok := s.Lookup(name)
	if !ok {
		return nil, systems.UnknownType("source", env.Node, s.Names(), Documented())
	}
	cfg := t.Config()
	diags := spec.Decode(env.Node, cfg)
	src, more := t.Build(cfg, env)
	diags.Add(more...)
	if diags.HasErrors() {
		return nil, diags
	}
	return src, diags
}
