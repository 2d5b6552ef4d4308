package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store"
)

const (
	// lookInterval is how often the configuration's files are looked at, unless
	// there are so many that it would take more than a 1000th of the time.
	lookInterval = time.Second
	lookShare    = 1000
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
	if err == nil {
		l.door.Store(&h)
	}
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
	var again patience
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
			again.after(told)
			continue
		case <-time.After(wait):
		}
		var now string
		// Files that were written a moment ago may not be whole yet.
		if now, wait = l.stamp(); now != before || now == loaded && !again.due() {
			before = now
			continue
		}
		loaded = before
		told, err := l.reload(ctx)
		if err != nil {
			return err
		}
		again.after(told)
	}
}

// patience is when a configuration that found no room on the disk is tried again:
// rarer and rarer, since the node stops for each try.
type patience struct {
	wait time.Duration
	at   time.Time // zero: not at all
}

const leastPatience, mostPatience = 10 * time.Second, 5 * time.Minute

// after learns what came of a try.
func (p *patience) after(told error) {
	if !errors.Is(told, store.ErrFull) {
		*p = patience{}
		return
	}
	p.wait = min(max(2*p.wait, leastPatience), mostPatience)
	p.at = time.Now().Add(p.wait)
}

func (p *patience) due() bool { return !p.at.IsZero() && !time.Now().Before(p.at) }

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
	if err == nil {
		if err = lacks(l.node.Config(), c); err != nil {
			fmt.Fprintln(l.s.err, err)
		}
	}
	if err != nil {
		fmt.Fprintln(l.s.err, "the node goes on with the configuration it has")
		return errRefused, nil
	}
	before := l.node.Engine
	l.end()
	if err := l.take(ctx, c, before); err != nil {
		refused = fmt.Errorf("the new configuration cannot be run: %w", err)
		fmt.Fprintln(l.s.err, refused)
		return refused, l.goBack(ctx, before)
	}
	fmt.Fprintf(l.s.err, "the configuration was reloaded: %d pipes\n", len(l.node.Pipes()))
	return nil, nil
}

// lacks is the circuit breaker of configurations: it refuses one without more than ten
// components, and more than a tenth, of the one before, if that asks for it.
func lacks(before, now *config.Config) error {
	if m, _ := pipes.ReadMetadata(before.Metadata()); !m.Defaults.ConfigBreaker {
		return nil
	}
	var gone []string
	for _, c := range before.Components {
		if now.Get(c.ID) == nil {
			gone = append(gone, c.ID)
		}
	}
	if len(gone) <= 10 || 10*len(gone) <= len(before.Components) {
		return nil
	}
	return fmt.Errorf("the new configuration is refused: it lacks %d of %d components, %s and others, which use_config_circuit_breaker does not allow; "+
		"set that to false first if they are to go", len(gone), len(before.Components), strings.Join(gone[:3], ", "))
}

// end ends the node that is running; its door stays until there is another.
func (l *live) end() {
	l.stop()
	l.stop = func() {}
	l.node.Engine.Close()
}

// take runs a configuration in the place of a node that was closed.
func (l *live) take(ctx context.Context, c *config.Config, before *engine.Engine) error {
	ctx = context.WithoutCancel(ctx)
	o := l.node.o
	o.Config, o.After = c, before
	e, err := engine.Open(ctx, o)
	if err != nil {
		return err
	}
	l.node.Engine = e
	if err := l.open(ctx); err != nil {
		l.end()
		return err
	}
	e.Start()
	return nil
}

// goBackWait is how long it takes until a node that could not go back tries again.
const goBackWait = time.Second

// goBack runs the configuration of a node again that had to make room for one that
// could not be run. Where the disk is so full that not even that can be, it waits for
// room, and callers are asked to come again. Any other error of the store is fatal.
func (l *live) goBack(ctx context.Context, before *engine.Engine) (fatal error) {
	for told := false; ; told = true {
		err := l.take(ctx, before.Config(), before)
		if err == nil {
			fmt.Fprintln(l.s.err, "the node goes on with the configuration it had")
			return nil
		}
		if !errors.Is(err, store.ErrFull) {
			return fmt.Errorf("the node cannot go on with the configuration it had either: %w", err)
		}
		if !told {
			fmt.Fprintf(l.s.err, "the node waits for room on its disk: %v\n", err)
			var h http.Handler = http.HandlerFunc(noRoom)
			l.door.Store(&h)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(goBackWait):
		}
	}
}

// noRoom answers while no configuration can be run.
func noRoom(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, `{"error":{"message":"the node waits for room on its disk","status":503}}`, http.StatusServiceUnavailable)
}
