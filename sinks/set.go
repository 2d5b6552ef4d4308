package sinks

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Type is one kind of sink.
type Type = spec.Type[Sink, Env]

// Set is an immutable set of types, handed to whoever compiles pipes.
type Set struct{ spec.Set[Sink, Env] }

// NewSet returns a set of the types; of one name the last counts.
func NewSet(types ...Type) Set { return Set{spec.NewSet("sink", Documented(), types)} }

// Standard returns all types that Sluice has.
func Standard() []Type {
	return []Type{
		datasetType(), replicatedType(), restType(), jsonType(), httpEndpointType(), csvEndpointType(), xmlEndpointType(),
		webhookType(), messageType(), amqpType(), nullType(), conditionalType(),
	}
}

// Documented returns the names of types that configurations may hold but
// Sluice does not have yet.
func Documented() []string {
	return []string{
		"sql",
		"kafka", "elasticsearch", "mail", "sms", "solr", "sparql", "sdshare",
	}
}

// Build compiles the sink env.Node, nested ones included. A nil node, and one
// without a type, is a dataset sink. The sink is nil if there are errors.
func (s Set) Build(env Env) (Sink, diag.List) {
	if env.Build == nil {
		env.Build = func(n *jsonpos.Node) (Sink, diag.List) {
			nested := env
			nested.Node = n
			return s.Build(nested)
		}
	}
	if env.Node == nil {
		env.Node = &jsonpos.Node{Kind: jsonpos.Object, Span: env.Pipe.Span}
	}
	name, ok := env.Node.Get("type").Str()
	if !ok {
		name = "dataset"
	}
	return s.Make(name, env.Node, env)
}
