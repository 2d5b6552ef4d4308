package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
)

const (
	// lookInterval is how often the configuration's files are looked at, unless
	// there are so many that it would take more than a 500th of the time.
	lookInterval = time.Second
	lookShare    = 500
	lookAtLeast  = 10 * time.Second
)

// live is a served node that takes up its configuration anew when its files
// change. Requests go to the node there is when they come.
type live struct {
	flags nodeFlags
	node  *node
	s     *stdio
	door  atomic.Pointer[http.Handler]
	// asked are wishes to have the configuration read anew.
	asked chan chan error
	// ended is closed when nobody answers them any more.
	ended chan struct{}
	// address is under which others reach the node.
	address string
	stop    func() // ends what the dialects do in the background
}

func newLive(ctx context.Context, flags nodeFlags, n *node, s *stdio, address string) (*live, error) {
	l := &live{flags: flags, node: n, s: s, address: strings.TrimSuffix(address, "/"), asked: make(chan chan error), ended: make(chan struct{})}
	return l, l.open(ctx)
}

// open leads requests to the node.
func (l *live) open(ctx context.Context) (err error) {
	h := server.New(l.node.Engine, server.Options{
		Log:  slog.New(slog.NewTextHandler(l.s.err, nil)),
		More: func(mux *http.ServeMux) { l.stop, err = serveDialects(ctx, servedNode{l.node.Engine, l}, mux) },
	})
	l.door.Store(&h)
	return err
}

// close ends what the dialects do, and the node.
func (l *live) close() {
	l.stop()
	l.node.close()
}

// ServeHTTP implements http.Handler.
func (l *live) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*l.door.Load()).ServeHTTP(w, r) }

// watch reloads when files have changed and come to rest, or when asked, until
// the context ends or the node cannot go on.
func (l *live) watch(ctx context.Context) error {
	defer close(l.ended)
	loaded, wait := l.stamp()
	before := loaded
	for {
		select {
		case <-ctx.Done():
			return nil
		case reply := <-l.asked:
			told, fatal := l.reload(ctx)
			reply <- told
			if fatal != nil {
				return fatal
			}
			continue
		case <-time.After(wait):
		}
		var now string
		// Files that were written a moment ago may not be whole yet.
		if now, wait = l.stamp(); now != before || now == loaded {
			before = now
			continue
		}
		loaded = before
		if _, err := l.reload(ctx); err != nil {
			return err
		}
	}
}

// stamp tells the state of the files, and how long to wait before they are
// looked at again.
func (l *live) stamp() (string, time.Duration) {
	begun := time.Now()
	stamp := config.Stamp([]string{l.flags.Dir}, loadOptions(l.flags.Profile))
	return stamp, min(max(lookInterval, lookShare*time.Since(begun)), lookAtLeast)
}

// reload takes the new configuration whole, or not at all: refused says that
// something is wrong with it. A fatal error is one of the store, after which the
// node cannot go on.
func (l *live) reload(ctx context.Context) (refused, fatal error) {
	o := l.node.o
	c, err := l.flags.read(ctx, l.s, o.Sets, o.Probes)
	if err == nil {
		c, err = l.flags.withStored(ctx, l.s, o.Sets, o.Probes, c, o.Store)
	}
	if err != nil {
		fmt.Fprintln(l.s.err, "the node goes on with the configuration it has")
		return errRefused, nil
	}
	l.stop()
	l.stop = func() {}
	l.node.Engine.Close()
	o.Config, o.After = c, l.node.Engine
	ctx = context.WithoutCancel(ctx)
	e, err := engine.Open(ctx, o)
	if err != nil {
		err = fmt.Errorf("the new configuration cannot be run: %w", err)
		return err, err
	}
	l.node.Engine = e
	if err := l.open(ctx); err != nil {
		return err, err
	}
	e.Start()
	fmt.Fprintf(l.s.err, "the configuration was reloaded: %d pipes\n", len(e.Pipes()))
	return nil, nil
}
