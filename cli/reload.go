package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/systems"
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
}

func newLive(flags nodeFlags, n *node, s *stdio) *live {
	l := &live{flags: flags, node: n, s: s}
	l.open()
	return l
}

// open leads requests to the node.
func (l *live) open() {
	h := server.New(l.node.Engine, server.Options{Log: slog.New(slog.NewTextHandler(l.s.err, nil))})
	l.door.Store(&h)
}

// ServeHTTP implements http.Handler.
func (l *live) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*l.door.Load()).ServeHTTP(w, r) }

// watch reloads when files have changed and come to rest, until the context
// ends or the node cannot go on.
func (l *live) watch(ctx context.Context) error {
	loaded, wait := l.stamp()
	before := loaded
	for {
		if systems.Sleep(ctx, wait) != nil {
			return nil
		}
		var now string
		// Files that were written a moment ago may not be whole yet.
		if now, wait = l.stamp(); now != before || now == loaded {
			before = now
			continue
		}
		loaded = before
		if err := l.reload(ctx); err != nil {
			return err
		}
	}
}

// stamp tells the state of the files, and how long to wait before they are
// looked at again.
func (l *live) stamp() (string, time.Duration) {
	begun := time.Now()
	stamp := config.Stamp([]string{l.flags.Dir}, config.Options{Profile: l.flags.Profile})
	return stamp, min(max(lookInterval, lookShare*time.Since(begun)), lookAtLeast)
}

// reload takes the new configuration whole, or not at all if anything is wrong
// with it. An error is one of the store, after which the node cannot go on.
func (l *live) reload(ctx context.Context) error {
	o := l.node.o
	c, err := l.flags.read(ctx, l.s, o.Sets, o.Probes)
	if err != nil {
		fmt.Fprintln(l.s.err, "the node goes on with the configuration it has")
		return nil
	}
	l.node.Engine.Close()
	o.Config, o.After = c, l.node.Engine
	e, err := engine.Open(context.WithoutCancel(ctx), o)
	if err != nil {
		return fmt.Errorf("the new configuration cannot be run: %w", err)
	}
	l.node.Engine = e
	l.open()
	e.Start()
	fmt.Fprintf(l.s.err, "the configuration was reloaded: %d pipes\n", len(e.Pipes()))
	return nil
}
