package systems

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/spec"
)

// Type is one kind of system.
type Type = spec.Type[System, Env]

// Set is an immutable set of types, handed to whoever compiles configurations.
type Set struct{ spec.Set[System, Env] }

// NewSet returns a set of the types; of one name the last counts.
func NewSet(types ...Type) Set { return Set{spec.NewSet("system", Documented(), types)} }

// Standard returns all types that Sluice has.
func Standard() []Type { return []Type{restType(), urlType(), amqpType()} }

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
	return s.Make(name, env.Node, env)
}

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

// DefaultWorkers is worker_threads unless a system says otherwise.
const DefaultWorkers = 10

// Workers is the ability of systems that say how many pipes may use them at
// once.
type Workers interface{ Workers() int }
