// Package dialects says what a dialect is: a front end that makes ordinary
// pipes of somebody else's files, with the component types those pipes need
// and the doors through which the other system's users come in.
package dialects

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
)

// Dialect is one front end. All of it but the name may be left out.
type Dialect struct {
	// Name is the other system's.
	Name string
	// Front reads the dialect's files.
	Front config.Front
	// Stored returns the components that users made at run time, and that stand
	// in the store. What it returns changes only before [Node.Reload].
	Stored func(ctx context.Context, st store.Store) ([]*jsonpos.Node, diag.List)
	// Secrets finds, by the names that those components have for them, secrets
	// that users gave at run time. known are the node's own.
	Secrets func(ctx context.Context, st store.Store, known FindSecret) FindSecret
	// The component types that its pipes are made of.
	Sources    []sources.Type
	Transforms []transforms.Type
	Sinks      []sinks.Type
	Systems    []systems.Type
	// Serve adds the dialect's doors to a node that is served, and begins what it
	// does in the background; stop ends that and waits for it. It is called anew
	// when the configuration was reloaded, after stop.
	Serve func(ctx context.Context, n Node, mux *http.ServeMux) (stop func(), err error)
}

// FindSecret looks for a secret by its name.
type FindSecret func(name string) (value string, found bool)

// Node is what a dialect sees of the node it serves.
type Node interface {
	// Config is the whole configuration.
	Config() *config.Config
	// Store is where datasets live.
	Store() store.Store
	// Address is the URL under which others reach the node, without a slash at its
	// end.
	Address() string
	// Now is the node's clock.
	Now() time.Time
	// Transport carries outgoing HTTP, and refuses internal addresses unless they
	// were allowed.
	Transport() http.RoundTripper
	// Log is for operators.
	Log() *slog.Logger
	// Pipe returns a pipe, and whether there is one.
	Pipe(id string) (*pipes.Pipe, bool)
	// Inlet returns the way into a pipe that takes what is posted.
	Inlet(ctx context.Context, pipe string) (*pipes.Inlet, error)
	// Wake has a pipe that runs by schedule run soon, as if a dataset that it
	// reads had changed.
	Wake(pipe string)
	// StartPump runs a pipe as soon as it has a slot.
	StartPump(pipe string, full bool) error
	// Reload has the configuration read anew, with what [Dialect.Stored] returns
	// now, and returns what is wrong with it; then the node goes on as it was. The
	// node that is asked ends soon after.
	Reload(ctx context.Context) error
}
