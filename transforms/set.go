package transforms

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Type is one kind of transform.
type Type = spec.Type[Transform, Env]

// Set is an immutable set of types, handed to whoever compiles pipes.
type Set struct{ spec.Set[Transform, Env] }

// NewSet returns a set of the types; of one name the last counts.
func NewSet(types ...Type) Set { return Set{spec.NewSet("transform", Documented(), types)} }

// Standard returns all types that Sluice has.
func Standard() []Type {
	return []Type{
		dtlType(), restType(), httpType(), emitChildrenType(), jsonSchemaType(), xmlType(), rdfType(), lowerKeysType(), upperKeysType(),
		undirectedGraphType(), propertiesToCuriesType(), urisToCuriesType(), chainedType(), conditionalType(), templateType(),
	}
}

// Documented returns the names of types that configurations may hold but
// Sluice does not have yet.
func Documented() []string {
	return nil
}

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
	return s.Make(name, env.Node, env)
}
