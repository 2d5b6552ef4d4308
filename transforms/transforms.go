// Package transforms holds what a pipe does to its entities, one type a file.
package transforms

import (
	"context"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// Transform is a compiled transform, immutable and shared by runs.
type Transform interface {
	// Start returns the state of one run.
	Start(r Run) Step
	// SideEffects tells whether it changes something outside the node, so that
	// previews and tests must stop before it.
	SideEffects() bool
}

// Step is a transform in one run; it serves one goroutine.
type Step interface {
	// Apply replaces b.Entities by the transformed ones, in order. They are
	// valid until the next call, and as long as b.Arena is. On an error nothing
	// of the batch may be used.
	Apply(ctx context.Context, b *entity.Batch) error
}

// Finisher is the ability of steps that judge a run as a whole. Finish is
// called when a full run has read its source to the end, before the sink is
// finished; an error fails the run.
type Finisher interface {
	Finish(ctx context.Context) error
}

// Programmer is the ability of transforms that run DTL: engine and checks ask
// the programs what they hop to and call.
type Programmer interface {
	Programs() []*dtl.Program
}

// Run is what one run of a pipe gives its steps.
type Run struct {
	// Host is how DTL reaches datasets, clock and secrets.
	Host dtl.Host
	// Joins is told what traced hops find; nil if nobody wants to know.
	Joins *dtl.Joins
	// Resumed tells that a full run goes on that was cut short: other steps have seen
	// what came before.
	Resumed bool
	// Params is what "_B." reads, the parameters of a request; null if none.
	Params entity.Value
}

// Env is what a transform is built with.
type Env struct {
	PipeID string
	// Node is the transform's object, for places in messages.
	Node *jsonpos.Node
	Lib  *dtl.Lib
	// DTL carries the pipe's namespaces and prefixes; rules fill in the rest.
	DTL dtl.Options
	// System returns a system of the configuration, nil if there is none.
	System func(id string) systems.System
	Secret systems.SecretFunc
	// Metadata is the node's; nil if it has none.
	Metadata *jsonpos.Node
	Now      func() time.Time
	// Store is where datasets live, for transforms that keep something; nil if the
	// pipe is only checked. Build must not touch it.
	Store store.Store
	// Reads is the dataset that the pipe reads, if all its entities come to the
	// transform as they are stored; "" otherwise.
	Reads string
	// Transport carries HTTP calls of transforms that have no system; it decides
	// which addresses may be reached.
	Transport http.RoundTripper
	// Build compiles a nested transform or list of them (chained, conditional).
	Build func(n *jsonpos.Node) (Transform, diag.List)
}

// options are those of the pipe, with the functions that expressions may call.
func (e Env) options() dtl.Options {
	o := e.DTL
	if o.Lib == nil {
		o.Lib = e.Lib
	}
	return o
}
