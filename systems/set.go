package systems

import (
	"slices"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/spec"
)

// Set is an immutable set of types, handed to whoever compiles configurations.
type Set struct{ types []Type }

// NewSet returns a set of the types; of one name the last counts.
func NewSet(types ...Type) Set {
	var s Set
	for _, t := range types {
		i := slices.IndexFunc(s.types, func(h Type) bool { return h.Name == t.Name })
		if i >= 0 {
			s.types[i] = t
			continue
		}
		s.types = append(s.types, t)
	}
	return s
}

// Standard returns all types that Sluice has.
func Standard() []Type { return []Type{restType(), urlType()} }

// Documented returns the names of types that configurations may hold but
// Sluice does not have yet.
func Documented() []string {
	return []string{
		"system:microservice", "system:postgresql", "system:mysql", "system:sqlserver", "system:mssql-azure-dw",
		"system:mssql", "system:oracle", "system:oracle_tns", "system:smtp", "system:kafka", "system:ldap",
		"system:elasticsearch", "system:solr", "system:twilio",
	}
}

// Build compiles the system env.Node. The system is nil if there are errors.
func (s Set) Build(env Env) (System, diag.List) {
	name, _ := env.Node.Get("type").Str()
	t, ok := s.Lookup(name)
	if !ok {
		return nil, UnknownType("system", env.Node, s.Names(), Documented())
	}
	cfg := t.Config()
	diags := spec.Decode(env.Node, cfg)
	sys, more := t.Build(cfg, env)
	diags.Add(more...)
	if diags.HasErrors() {
		return nil, diags
	}
	return sys, diags
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

// Linker is the ability of sources, transforms and sinks that refer to
// systems. Link is called once every system of the configuration is built, and
// reports references that lead nowhere; it reaches nothing outside.
type Linker interface {
	Link() diag.List
}

// SecretHolder is the ability of systems with secrets: the system's own first,
// then the node's.
type SecretHolder interface {
	Secret(name string) (string, bool)
}
