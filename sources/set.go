package sources

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Type is one kind of source.
type Type = spec.Type[Source, Env]

// Set is an immutable set of types, handed to whoever compiles pipes.
type Set struct{ spec.Set[Source, Env] }

// NewSet returns a set of the types; of one name the last counts.
func NewSet(types ...Type) Set { return Set{spec.NewSet("source", Documented(), types)} }

// Standard returns all types that Sluice has.
func Standard() []Type {
	return []Type{
		datasetType(), mergeType(), mergeDatasetsType(), diffDatasetsType(), unionType(), restType(), jsonType(), httpEndpointType(), webhookType(), messageType(), amqpType(), csvType(), embeddedType(), conditionalType(), emptyType(),
	}
}

// Documented returns the names of types that configurations may hold but
// Sluice does not have yet.
func Documented() []string {
	return []string{
		"sql", "kafka", "ldap", "rdf", "sparql", "sdshare", "binary",
	}
}

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
	return s.Make(name, env.Node, env)
}
