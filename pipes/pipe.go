package pipes

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
	"github.com/sluiceio/sluice/webhooks"
)

// Env is what pipes are compiled with. Store may be nil if they are only
// checked.
type Env struct {
	Sources    sources.Set
	Transforms transforms.Set
	Sinks      sinks.Set
	Lib        *dtl.Lib
	Store      store.Store
	Host       dtl.Host
	System     func(id string) systems.System
	Secret     systems.SecretFunc
	// Metadata is the node's; see ReadMetadata.
	Metadata *Metadata
	Now      func() time.Time
	// Sleep waits between tries, and ends early with the context's error.
	Sleep func(ctx context.Context, d time.Duration) error
	// Completeness is what is known of datasets; nil if nothing is.
	Completeness *Completeness
	// JWKS fetches key sets for validation expressions; nil refuses them.
	JWKS func(ctx context.Context, url string) ([]byte, error)
	// Probes remembers which validation expressions were tried; nil remembers
	// none.
	Probes *sources.Probes
	// Transport carries outgoing HTTP that belongs to no system.
	Transport http.RoundTripper
	// Traffic is what the pipes of a node that are posted to have in common;
	// nil counts none.
	Traffic *Traffic
	// Context bounds the work of compiling.
	Context context.Context
}

// Pipe is a compiled pipe. It is immutable but for the counters of its runs.
type Pipe struct {
	Def       Definition
	env       Env
	source    sources.Source
	transform transforms.Transform // nil if there is none
	sink      sinks.Sink
	facts     dtl.Facts
	inverses  []*dtl.Inverse // of each program with tracked hops
	tracks    []string       // the datasets they start from
	digest    string         // of what decides the output
	turn      chan struct{}  // held by who runs the pipe
	last      atomic.Pointer[writtenState]
}

// ID is the pipe's _id.
func (p *Pipe) ID() string { return p.Def.ID }

// Compile compiles a pipe component and reports every problem; the pipe is nil
// if any is an error.
func Compile(c *config.Component, env Env) (*Pipe, diag.List) {
	if env.Metadata == nil {
		env.Metadata, _ = ReadMetadata(nil)
	}
	p := &Pipe{env: env, turn: make(chan struct{}, 1)}
	finds := spec.Decode(c.Effective, &p.Def)
	if p.Def.Source != nil && p.Def.Source.Kind == jsonpos.Object {
		finds.Add(p.compileParts(c.Effective)...)
	}
	if p.source != nil && p.sink != nil && !finds.HasErrors() {
		finds.Add(p.checkPump()...)
		finds.Add(p.checkKind()...)
		finds.Add(p.checkCompaction()...)
		finds.Add(p.checkTracking()...)
	}
	for i := range finds {
		if finds[i].Pipe == "" {
			finds[i].Pipe = c.ID
		}
	}
	if finds.HasErrors() {
		return nil, finds
	}
	p.digest = p.digestConfig()
	p.tellOfWebhook()
	return p, finds
}

func (p *Pipe) compileParts(pipe *jsonpos.Node) diag.List {
	var finds diag.List
	opts := p.dtlOptions()
	var more diag.List
	p.source, more = p.env.Sources.Build(sources.Env{
		PipeID: p.ID(), Node: p.Def.Source, Store: p.env.Store, Lib: p.env.Lib, DTL: opts, System: p.env.System,
		Secret: p.env.Secret, Now: p.env.Now, Context: p.env.Context, IfSourceEmpty: p.env.Metadata.Defaults.IfEmpty, JWKS: p.env.JWKS,
		Probes: p.env.Probes, MaxMerged: p.env.Metadata.Defaults.MaxMerged,
		Host: p.env.Host, Complete: p.complete(),
	})
	finds.Add(more...)
	if t := p.Def.Transform; t != nil && t.Kind != jsonpos.Null && !(t.Kind == jsonpos.Array && len(t.Elems) == 0) {
		p.transform, more = p.env.Transforms.Build(transforms.Env{
			PipeID: p.ID(), Node: t, Lib: p.env.Lib, DTL: opts, System: p.env.System, Secret: p.env.Secret, Metadata: p.env.Metadata.Node, Now: p.env.Now,
			Store: p.env.Store, Transport: p.env.Transport, Reads: p.readsWhole(),
		})
		finds.Add(more...)
	}
	_, receiver := p.source.(sources.Receiver)
	p.sink, more = p.env.Sinks.Build(sinks.Env{
		PipeID: p.ID(), Node: p.Def.Sink, Pipe: pipe, Store: p.env.Store, Lib: p.env.Lib, DTL: opts,
		Endpoint: receiver, System: p.env.System, Now: p.env.Now, Secret: p.env.Secret, Transport: p.env.Transport,
		MaxEntityBytes: p.env.Metadata.Defaults.EntityBytes,
		IndexIDs:       p.env.Metadata.Defaults.IndexIDs,
	})
	finds.Add(more...)
	if pr, ok := p.transform.(transforms.Programmer); ok {
		for _, prog := range pr.Programs() {
			f := prog.Facts()
			p.facts.Hops = append(p.facts.Hops, f.Hops...)
			p.facts.Lookups = append(p.facts.Lookups, f.Lookups...)
			p.facts.Functions = append(p.facts.Functions, f.Functions...)
			p.facts.Children = p.facts.Children || f.Children
		}
		if p.source != nil {
			finds.Add(p.compileTracking(pr.Programs())...)
		}
	}
	p.transform = transforms.Join(p.adder(), p.transform, p.remover())
	return finds
}

// readsWhole is the dataset that the source reads, if it gives all its entities as
// they are stored; "" otherwise.
func (p *Pipe) readsWhole() string {
	if _, one := p.source.(sources.Tracked); !one || p.subsetOf() != "" || p.adder() != nil {
		return ""
	}
	return p.Inputs()[0]
}

// Link checks what can only be known when all systems are built.
func (p *Pipe) Link() diag.List {
	var finds diag.List
	for _, part := range []any{p.source, p.transform, p.sink} {
		if l, ok := part.(systems.Linker); ok {
			finds.Add(l.Link()...)
		}
	}
	for i := range finds {
		finds[i].Pipe = p.ID()
	}
	return finds
}

// Receiver returns the source as a receiver, if it is one.
func (p *Pipe) Receiver() (sources.Receiver, bool) {
	r, ok := p.source.(sources.Receiver)
	return r, ok
}

// Source is where the pipe's entities come from, for those who look for an
// ability that pipes know nothing of.
func (p *Pipe) Source() sources.Source { return p.source }

// Hook returns the source as a receiver of webhooks, if it is one.
func (p *Pipe) Hook() (sources.Hook, bool) {
	h, ok := p.source.(sources.Hook)
	return h, ok
}

// Inputs are the datasets the source reads.
func (p *Pipe) Inputs() []string {
	if in, ok := p.source.(sources.Inputs); ok {
		return in.Datasets()
	}
	return nil
}

// Output is the dataset the sink writes, "" if it writes none.
func (p *Pipe) Output() string {
	if d, ok := p.sink.(sinks.Datasets); ok {
		return d.DatasetID()
	}
	return ""
}

// Copies tells whether the sink keeps a copy of the source's dataset.
func (p *Pipe) Copies() bool {
	_, ok := p.sink.(sinks.Copying)
	return ok
}

// Locks tells whether the sink refuses entities whose sender has not seen the stored
// version.
func (p *Pipe) Locks() bool {
	l, ok := p.sink.(sinks.Locking)
	return ok && l.Locks()
}

// Hops are the datasets that transforms look into.
func (p *Pipe) Hops() []dtl.HopsUse { return p.facts.Hops }

// Lookups are the datasets of lookup-entity.
func (p *Pipe) Lookups() []dtl.Use { return p.facts.Lookups }

// Internal tells whether source and sink are both datasets of the node, the
// queue of a webhook among them.
func (p *Pipe) Internal() bool {
	return len(p.Inputs()) > 0 && (p.Output() != "" || p.Webhook() != nil)
}

// Webhook is the queue that the sink fills, nil if it fills none.
func (p *Pipe) Webhook() *webhooks.Queue {
	if w, ok := p.sink.(sinks.Webhook); ok {
		return w.Webhook()
	}
	return nil
}

// Listen is how the source listens to what comes by itself, nil if nothing does;
// see sources.Listening.
func (p *Pipe) Listen() func(ctx context.Context, ready func(), trouble func(error)) {
	if s, ok := p.source.(sources.Listening); ok {
		return s.Listen
	}
	return nil
}

// Publishes is the topic that the sink publishes to, and how long that is to
// keep messages; "" if it publishes to none.
func (p *Pipe) Publishes() (exchange string, keep messages.Limits) {
	if s, ok := p.sink.(sinks.Publishing); ok {
		return s.Publishes()
	}
	return "", messages.Limits{}
}

// Signalled tells whether a change of an input starts the pipe at once: by
// default if source and sink are datasets and no schedule was chosen.
func (p *Pipe) Signalled() bool {
	if s, ok := p.source.(sources.Signalled); ok {
		if on, given := s.SupportsSignalling(); given {
			return on
		}
	}
	if !p.env.Metadata.Defaults.Signals {
		return false
	}
	interval := p.Def.Pump.Node.Get("schedule_interval")
	return p.Internal() && p.Def.Pump.Cron == "" && (interval == nil || p.Def.Pump.Interval >= 3600)
}

// Chooser returns what tells whether an entity that is new in a dataset is for the
// pipe; nil if all may be.
func (p *Pipe) Chooser(dataset string) func(e entity.Value) bool {
	if s, ok := p.source.(sources.Choosy); ok && slices.Contains(p.Inputs(), dataset) {
		return s.Chooses
	}
	return nil
}

// Interval is the time between scheduled runs, before jitter.
func (p *Pipe) Interval() time.Duration {
	if p.Def.Pump.Node.Get("schedule_interval") != nil {
		return ofSeconds(p.Def.Pump.Interval)
	}
	if p.Internal() || p.passing() {
		return 30 * time.Second
	}
	return 900 * time.Second
}

// RunsIfNotPopulated resolves run_at_startup_if_not_populated.
func (p *Pipe) RunsIfNotPopulated() bool {
	if v := p.Def.Pump.RunIfNotPopulated; v != nil {
		return *v
	}
	return p.env.Metadata.Defaults.RunIfNot
}

// Load readies the pipe's execution log and its dataset.
func (p *Pipe) Load(ctx context.Context) error {
	if _, err := p.env.Store.Create(ctx, LogDataset(p.ID())); err != nil {
		return fmt.Errorf("pipe %s: %w", p.ID(), err)
	}
	if err := p.loadQueue(ctx); err != nil {
		return fmt.Errorf("pipe %s: %w", p.ID(), err)
	}
	for _, part := range []any{p.source, p.sink} {
		if l, ok := part.(sinks.Loader); ok {
			if err := l.Load(ctx); err != nil {
				return fmt.Errorf("pipe %s: %w", p.ID(), err)
			}
		}
	}
	return p.loadCompleteness(ctx)
}

// complete is how the source asks for completeness.
func (p *Pipe) complete() sources.CompleteFunc {
	if p.env.Completeness == nil {
		return nil
	}
	return p.env.Completeness.Of
}

// batchSize is how many source entities a batch has.
func (p *Pipe) batchSize() int {
	if p.Def.BatchSize > 0 {
		return p.Def.BatchSize
	}
	return p.sink.BatchSize()
}
