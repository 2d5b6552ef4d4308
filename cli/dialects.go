package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/dialects/etlworks"
	"github.com/sluiceio/sluice/dialects/membrane"
	"github.com/sluiceio/sluice/dialects/pipeforce"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
)

// knownDialects are the formats of others that every command reads.
func knownDialects() []dialects.Dialect {
	return []dialects.Dialect{etlworks.Dialect(), membrane.Dialect(), pipeforce.Dialect()}
}

// Dialects are the formats of others that this binary reads.
func Dialects() []dialects.Dialect { return knownDialects() }

// storedComponents are the components that users of dialects made at run time.
func storedComponents(ctx context.Context, st store.Store) ([]*jsonpos.Node, diag.List) {
	var all []*jsonpos.Node
	var finds diag.List
	for _, d := range knownDialects() {
		if d.Stored == nil {
			continue
		}
		nodes, more := d.Stored(ctx, st)
		all = append(all, nodes...)
		finds.Add(more...)
	}
	return all, finds
}

// besideSecrets has the secrets found that users of dialects gave at run time.
func besideSecrets(ctx context.Context, st store.Store, s *config.Secrets) {
	own := func(name string) (string, bool) { return s.Lookup("", name) }
	for _, d := range knownDialects() {
		if d.Secrets != nil {
			s.Beside(d.Secrets(ctx, st, own))
		}
	}
}

// errRefused is a new configuration with errors, which the log tells.
var errRefused = errors.New("the new configuration has errors, and the node goes on with the one it has")

// servedNode is a served node as its dialects see it.
type servedNode struct {
	*engine.Engine
	l *live
}

// Address implements dialects.Node.
func (n servedNode) Address() string { return n.l.address }

// errEnding is a node that is about to end.
var errEnding = errors.New("the node is about to end")

// Reload implements dialects.Node.
func (n servedNode) Reload(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case n.l.asked <- reply:
		return <-reply
	case <-n.l.ended:
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serveDialects adds the doors of all dialects to those of a node; stop ends
// what they do besides.
func serveDialects(ctx context.Context, n dialects.Node, mux *http.ServeMux) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, end := range stops {
			end()
		}
	}
	for _, d := range knownDialects() {
		if d.Serve == nil {
			continue
		}
		end, err := d.Serve(ctx, n, mux)
		if err != nil {
			return stop, fmt.Errorf("%s: %w", d.Name, err)
		}
		stops = append(stops, end)
	}
	return stop, nil
}

// Log implements dialects.Node: what callers did is told too.
func (n servedNode) Log() *slog.Logger { return slog.New(slog.NewTextHandler(n.l.s.err, nil)) }
