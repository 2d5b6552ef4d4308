// Package engine is the node as a library: it compiles a configuration, opens
// the store, runs pumps on schedule and on signals, and takes in what is
// posted to receivers.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/heap"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// Options say what a node is made of.
type Options struct {
	Config *config.Config
	// Store is where datasets live; the node does not close it.
	Store store.Store
	Sets  Sets
	// Transport carries outgoing HTTP; nil refuses internal addresses.
	Transport http.RoundTripper
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// URL is how other nodes reach this one, for signals they send; "" if none do.
	URL string
	// Log receives what operators should know; nil is silent.
	Log *slog.Logger
	// Probes remembers which validation expressions were tried against forged
	// requests; nil tries those of this configuration, each once.
	Probes *sources.Probes
	// After is the closed node whose place this one takes: pumps of pipes that
	// are as they were go on where they were, rather than starting up.
	After *Engine

	known *pipes.Completeness
}

// ConfigError is a configuration that cannot be run, with all its findings.
type ConfigError struct{ Findings diag.List }

// Error counts the errors and tells the first.
func (e *ConfigError) Error() string {
	n, _ := e.Findings.Count()
	for _, f := range e.Findings {
		if f.Severity == diag.Error {
			return fmt.Sprintf("the configuration has %d errors; the first: %s", n, f.Message)
		}
	}
	return "the configuration cannot be run"
}

// Engine is a running node.
type Engine struct {
	o     Options
	graph *graph
	// complete is up to when datasets are complete.
	complete *pipes.Completeness
	// holders are the pumps, by the dataset they read, that a rise of its
	// completeness starts.
	holders map[string][]*pumpState
	// hooks are the dispatchers of webhooks, by the dataset of their queue.
	hooks     map[string]*webhooks.Dispatcher
	listeners *listeners
	sharing   sync.Mutex // held while the key of links is made
	// writers are the pipes by the dataset they write.
	writers map[string]*pipes.Pipe
	mu      struct {
		sync.Mutex
		runs    map[string]*pumpState
		inlets  map[string]*pipes.Inlet
		started bool
		agenda  agenda
		waiters waiters
		// heard counts the changes heard of; changes says when each dataset last
		// changed by that count.
		heard   uint64
		changes map[string]uint64
		seen    time.Time // on the clock, last
		wakeAt  time.Time // when the scheduler looks again by itself
	}
	wake   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// Open compiles the configuration and readies every pipe, but starts none: see
// [Engine.Start] and [Engine.RunAll]. A configuration with errors is refused
// whole, as a *ConfigError.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Transport == nil {
		o.Transport = systems.NewTransport(systems.GuardOptions{})
	}
	known := o.completeness()
	o.known = known
	g, finds := compile(ctx, o)
	if finds.HasErrors() {
		return nil, &ConfigError{finds}
	}
	e := &Engine{o: o, complete: known, graph: g, writers: g.writers(), listeners: newListeners(o), wake: make(chan struct{}, 1)}
	e.ctx, e.cancel = context.WithCancel(ctx)
	e.mu.runs, e.mu.inlets = map[string]*pumpState{}, map[string]*pipes.Inlet{}
	e.mu.agenda.dated = heap.New(dueBefore)
	e.mu.agenda.pools, e.mu.waiters, e.mu.changes = map[string]*pool{}, waiters{}, map[string]uint64{}
	if err := e.readyAll(ctx); err != nil {
		e.Close()
		return nil, err
	}
	e.holders, e.hooks = e.completing(), e.dispatchers()
	e.complete.Notify(e.rose)
	e.o.After = nil // nodes that followed one another are not kept all
	return e, nil
}

// readying is how many pipes are loaded at once: each waits for the disk, and
// those that wait together wait for one flush.
const readying = 64

// readyAll loads all pipes, and then what is remembered of their pumps.
func (e *Engine) readyAll(ctx context.Context) error {
	states, errs := make([]*pumpState, len(e.graph.pipes)), make([]error, len(e.graph.pipes))
	next := make(chan int)
	var loaders sync.WaitGroup
	for range min(readying, len(states)) {
		loaders.Go(func() {
			for i := range next {
				states[i], errs[i] = e.ready(ctx, e.graph.pipes[i])
			}
		})
	}
	for i := range states {
		next <- i
	}
	close(next)
	loaders.Wait()
	if err := severalOf(errs); err != nil {
		return err
	}
	for _, s := range states {
		e.remember(s)
	}
	return nil
}

// severalOf tells the first of several errors, and how many more there are: where the
// disk is full each pipe has the same one.
func severalOf(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	default:
		return fmt.Errorf("%w, and %d more pipes cannot be loaded", errs[0], len(errs)-1)
	}
}

// ready loads a pipe. Whether it ever completed a run is asked before, since
// loading may populate its dataset.
func (e *Engine) ready(ctx context.Context, p *pipes.Pipe) (*pumpState, error) {
	if err := p.Return(ctx); err != nil {
		return nil, err
	}
	completed, err := p.EverCompleted(ctx)
	if err != nil {
		return nil, err
	}
	disabled, off, err := loadSwitch(ctx, e.o.Store, p.ID())
	if err != nil {
		return nil, err
	}
	return &pumpState{pipe: p, fresh: !completed, disabled: disabled, off: off, switched: make(chan struct{}, 1)}, p.Load(ctx)
}

// remember takes a pump in, with what the node before this one knew of it.
func (e *Engine) remember(s *pumpState) {
	e.mu.agenda.join(s, e.workers)
	if before := e.before(s.pipe.ID()); before != nil {
		s.kept, s.fresh, s.due, s.rescan, s.full = true, before.fresh, before.due, before.rescan, before.full
		s.last, s.lastErr, s.failed = before.last, before.lastErr, before.failed
		if before.wait != nil {
			e.mu.waiters.add(s, before.wait)
		}
	}
	e.mu.runs[s.pipe.ID()] = s
}

// workers is how many pumps may use a system at once.
func (e *Engine) workers(system string) int {
	if w, ok := e.graph.systems[system].(systems.Workers); ok {
		return w.Workers()
	}
	return systems.DefaultWorkers
}

// before returns the state a pump had in the node before this one, nil if
// there was none or its pipe was another.
func (e *Engine) before(id string) *pumpState {
	if e.o.After == nil {
		return nil
	}
	was, is := e.o.After.Component(id), e.Component(id)
	if was == nil || !bytes.Equal(was.Effective.AppendJSON(nil), is.Effective.AppendJSON(nil)) {
		return nil
	}
	e.o.After.mu.Lock()
	defer e.o.After.mu.Unlock()
	return e.o.After.mu.runs[id]
}

// Check says everything that can be known of a configuration before it runs.
// The findings of config.Load are not repeated.
func Check(ctx context.Context, c *config.Config, s Sets) diag.List {
	return CheckOnce(ctx, c, s, nil)
}

// CheckOnce is Check for a configuration that is opened next, with the same
// probes.
func CheckOnce(ctx context.Context, c *config.Config, s Sets, probes *sources.Probes) diag.List {
	_, finds := compile(ctx, Options{Config: c, Sets: s, Now: time.Now, Probes: probes})
	return finds
}

// Pipes are the ids of all pipes, in the order of the configuration.
func (e *Engine) Pipes() []string {
	ids := make([]string, len(e.graph.pipes))
	for i, p := range e.graph.pipes {
		ids[i] = p.ID()
	}
	return ids
}

// Pipe returns a pipe, and whether there is one.
func (e *Engine) Pipe(id string) (*pipes.Pipe, bool) {
	p := e.graph.byID[id]
	return p, p != nil
}

// Component returns the configuration of a pipe or system, nil if unknown.
func (e *Engine) Component(id string) *config.Component { return e.o.Config.Get(id) }

// Config is the whole configuration.
func (e *Engine) Config() *config.Config { return e.o.Config }

// Now is the node's clock.
func (e *Engine) Now() time.Time { return e.o.Now() }

// Transport carries the node's outgoing HTTP.
func (e *Engine) Transport() http.RoundTripper { return e.o.Transport }

// Log is for what operators should know.
func (e *Engine) Log() *slog.Logger { return e.o.Log }

// Store is where the node's datasets live.
func (e *Engine) Store() store.Store { return e.o.Store }

// ErrNoPipe is a pipe that does not exist, ErrNotReceiver one that takes no
// posts, ErrDisabled one that is switched off.
var (
	ErrNoPipe      = errors.New("there is no such pipe")
	ErrNotReceiver = errors.New("the pipe is no receiver")
	ErrDisabled    = errors.New("the pipe is disabled")
)

// Publisher returns a pipe whose document may be asked for.
func (e *Engine) Publisher(id string) (*pipes.Pipe, error) {
	p, ok := e.Pipe(id)
	if !ok {
		return nil, ErrNoPipe
	}
	if _, ok := p.Publisher(); !ok {
		return nil, pipes.ErrNotPublisher
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.runs[id].disabled {
		return nil, ErrDisabled
	}
	return p, nil
}

// Copied tells whether a dataset is kept as a copy of another one, which nobody
// else may write to.
func (e *Engine) Copied(dataset string) bool {
	p := e.writers[dataset]
	return p != nil && p.Copies()
}

// Lib is the function library of the node's rules.
func (e *Engine) Lib() *dtl.Lib { return e.o.Sets.Lib }

// Inlet returns the way into a receiver pipe.
func (e *Engine) Inlet(ctx context.Context, id string) (*pipes.Inlet, error) {
	p, ok := e.Pipe(id)
	if !ok {
		return nil, ErrNoPipe
	}
	if _, ok := p.Receiver(); !ok {
		return nil, ErrNotReceiver
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.runs[id].disabled {
		return nil, ErrDisabled
	}
	if in := e.mu.inlets[id]; in != nil {
		return in, nil
	}
	in, err := p.Inlet(ctx)
	if err == nil {
		e.mu.inlets[id] = in
	}
	return in, err
}

// Close stops all runs after the batch in hand, and waits for them.
func (e *Engine) Close() {
	e.cancel()
	e.tasks.Wait()
	e.closeSystems()
}

// order sorts pipes so that a dataset is written before it is read, and a
// message published before it is consumed; within a cycle the order of the
// configuration stays.
func order(all []*pipes.Pipe) []*pipes.Pipe {
	writer := (&graph{pipes: all}).writers()
	publishers := map[string][]*pipes.Pipe{}
	for _, p := range all {
		if topic, _ := p.Publishes(); topic != "" {
			publishers[messages.Dataset(topic)] = append(publishers[messages.Dataset(topic)], p)
		}
	}
	var out []*pipes.Pipe
	seen := map[*pipes.Pipe]bool{}
	var visit func(p *pipes.Pipe)
	visit = func(p *pipes.Pipe) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		for _, d := range inputsOf(p) {
			visit(writer[d])
		}
		for _, d := range p.Inputs() {
			for _, q := range publishers[d] {
				visit(q)
			}
		}
		out = append(out, p)
	}
	for _, p := range all {
		visit(p)
	}
	return out
}

// inputsOf are the datasets a pipe reads, hops to or looks into.
func inputsOf(p *pipes.Pipe) []string {
	in := slices.Clone(p.Inputs())
	for _, h := range p.Hops() {
		in = append(in, h.Dataset)
	}
	for _, l := range p.Lookups() {
		in = append(in, l.Name)
	}
	return slices.DeleteFunc(in, func(d string) bool { return d == p.Output() || strings.HasPrefix(d, "system:") })
}
