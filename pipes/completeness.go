package pipes

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// Completeness knows up to when each dataset of a node is complete: everything
// that happened in the source before that time is in the dataset. Times are
// microseconds since 1970. They are kept in memory and saved when a pipe has
// something to save anyway: after a restart a dataset may be less complete than
// it was, which only makes readers wait.
type Completeness struct {
	store store.Store
	mu    struct {
		sync.Mutex
		known map[string]complete
		last  map[string]stamp
		rose  func(dataset string)
	}
}

// complete is what is known of a dataset.
type complete struct {
	Generation string `json:"generation"`
	At         int64  `json:"at,omitempty"` // 0: never heard of
	// Heard is what its pipe has heard of the datasets upstream, and they of
	// theirs.
	Heard map[string]int64 `json:"heard,omitempty"`
	// follows tells that nothing in the dataset is newer than it is complete.
	follows bool
}

// stamp is the time stamp of what was a dataset's newest version.
type stamp struct {
	generation [16]byte
	at         store.Offset
	micros     int64
}

// NewCompleteness returns what is saved in a store.
func NewCompleteness(st store.Store) *Completeness {
	c := &Completeness{store: st}
	c.mu.known, c.mu.last = map[string]complete{}, map[string]stamp{}
	return c
}

// Notify has f told of each dataset that has become more complete.
func (c *Completeness) Notify(f func(dataset string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.rose = f
}

func completenessKey(dataset string) string { return "complete/" + dataset }

// of returns what is known of a dataset.
func (c *Completeness) of(ctx context.Context, dataset string) (complete, error) {
	is, err := c.lookUp(ctx, dataset)
	if err == nil && is.follows {
		var ts int64
		ts, err = c.newest(ctx, dataset)
		is.At = max(is.At, ts)
	}
	return is, err
}

// lookUp returns what was noted of a dataset; nothing of one that was made anew.
func (c *Completeness) lookUp(ctx context.Context, dataset string) (complete, error) {
	generation, _, err := c.store.Head(ctx, dataset)
	if errors.Is(err, store.ErrNoDataset) {
		return complete{}, nil
	}
	if err != nil {
		return complete{}, err
	}
	c.mu.Lock()
	was, known := c.mu.known[dataset]
	c.mu.Unlock()
	if !known {
		if was, err = c.saved(ctx, dataset); err != nil {
			return complete{}, err
		}
		c.remember(dataset, was)
	}
	var is [2 * len(generation)]byte
	if hex.Encode(is[:], generation[:]); was.Generation != string(is[:]) {
		was = complete{Generation: string(is[:])}
	}
	return was, nil
}

func (c *Completeness) saved(ctx context.Context, dataset string) (is complete, err error) {
	data, _, err := c.store.State(ctx, completenessKey(dataset))
	if err == nil && data != nil {
		err = json.Unmarshal(data, &is)
	}
	if err != nil {
		return complete{}, fmt.Errorf("the completeness of dataset %q cannot be read: %w", dataset, err)
	}
	return is, nil
}

func (c *Completeness) remember(dataset string, is complete) {
	c.mu.Lock()
	if _, known := c.mu.known[dataset]; !known {
		c.mu.known[dataset] = is
	}
	c.mu.Unlock()
}

// set takes in what a run has found; a value never sinks by itself, but one
// that was given explicitly may.
func (c *Completeness) set(dataset string, is complete) {
	c.mu.Lock()
	was := c.mu.known[dataset]
	c.mu.known[dataset] = is
	rose := c.mu.rose
	c.mu.Unlock()
	if rose != nil && is.At != was.At {
		rose(dataset)
	}
}

// Of returns up to when dataset is complete as via has heard of it, and whether
// it has.
func (c *Completeness) Of(ctx context.Context, via, dataset string) (micros int64, ok bool, err error) {
	is, err := c.of(ctx, via)
	if err != nil {
		return 0, false, err
	}
	if via == dataset {
		return is.At, is.At > 0, nil
	}
	at, ok := is.Heard[dataset]
	return at, ok, nil
}

// contributes lists the datasets whose completeness the pipe's dataset
// inherits, and all it hears of.
func (p *Pipe) contributes() (inherits, hears []string) {
	hears = slices.Concat(p.Inputs(), p.looksInto())
	slices.Sort(hears)
	hears = slices.DeleteFunc(slices.Compact(hears), func(d string) bool { return d == p.Output() })
	inherits = hears
	if p.Def.Node.Get("include_completeness") != nil {
		inherits = p.Def.IncludeCompleteness
	}
	return slices.DeleteFunc(slices.Clone(inherits), func(d string) bool { return slices.Contains(p.Def.ExcludeCompleteness, d) }), hears
}

// hearing is what a run heard of completeness before it read anything.
type hearing struct {
	fresh    bool // nothing is inherited: the run makes a value of its own
	at       int64
	complete bool // all that is inherited has a value
	heard    map[string]int64
}

// hear asks how complete the inputs are; nil if nobody can ask for the answer.
func (p *Pipe) hear(ctx context.Context) (*hearing, error) {
	c := p.env.Completeness
	if c == nil || p.Output() == "" {
		return nil, nil
	}
	inherits, hears := p.contributes()
	h := &hearing{fresh: len(inherits) == 0, complete: true, heard: map[string]int64{}}
	for _, d := range inherits {
		is, err := c.of(ctx, d)
		if err != nil {
			return nil, err
		}
		h.complete = h.complete && is.At > 0
		if h.at == 0 || is.At < h.at {
			h.at = is.At
		}
	}
	for _, d := range hears {
		is, err := c.of(ctx, d)
		if err != nil {
			return nil, err
		}
		h.hears(d, is)
	}
	return h, nil
}

// hears takes in what an input knows; of two values of a dataset upstream the
// smaller one counts.
func (h *hearing) hears(dataset string, is complete) {
	all := maps.Clone(is.Heard)
	if all == nil {
		all = map[string]int64{}
	}
	if is.At > 0 {
		all[dataset] = is.At
	}
	for d, at := range all {
		if was, known := h.heard[d]; !known || at < was {
			h.heard[d] = at
		}
	}
}

// completed is how complete the pipe's dataset is after the run.
func (p *Pipe) completed(ctx context.Context, h *hearing) (complete, error) {
	is, err := p.env.Completeness.of(ctx, p.Output())
	if err != nil || is.Generation == "" {
		return is, err
	}
	is.Heard = h.heard
	switch {
	case h.fresh:
		newest, err := p.env.Completeness.newest(ctx, p.Output())
		is.At = max(p.env.Now().UnixMicro(), newest)
		return is, err
	case h.complete:
		is.At = h.at
	}
	return is, nil
}

// newest is the time stamp of a dataset's newest version. Clocks may be behind
// it.
func (c *Completeness) newest(ctx context.Context, dataset string) (int64, error) {
	generation, last, err := c.store.Head(ctx, dataset)
	if err != nil || last == store.Start {
		return 0, err
	}
	c.mu.Lock()
	was := c.mu.last[dataset]
	c.mu.Unlock()
	if was.generation == generation && was.at == last {
		return was.micros, nil
	}
	e, err := c.store.GetAt(ctx, dataset, last, entity.NewArena())
	if err != nil {
		return 0, err
	}
	v, _ := e.Get(entity.TSKey)
	micros, _ := v.Int64()
	c.mu.Lock()
	c.mu.last[dataset] = stamp{generation, last, micros}
	c.mu.Unlock()
	return micros, nil
}

func completenessWrite(dataset string, is complete) store.StateWrite {
	data, err := json.Marshal(is)
	if err != nil {
		data = nil // texts and numbers always marshal
	}
	return store.StateWrite{Key: completenessKey(dataset), Value: data, IfRev: store.AnyRev}
}

// saveCompleteness adds to what the end of a run saves how complete its dataset
// is then, and returns what makes it known once that is safe.
func (r *run) saveCompleteness(ctx context.Context, save []store.StateWrite) ([]store.StateWrite, func(), error) {
	if r.heard == nil {
		return save, func() {}, nil
	}
	is, err := r.p.completed(ctx, r.heard)
	if err != nil || is.Generation == "" {
		return save, func() {}, err
	}
	out := r.p.Output()
	if len(save) > 0 {
		save = append(save, completenessWrite(out, is))
	}
	return save, func() { r.p.env.Completeness.set(out, is) }, nil
}

// incomplete returns why the source has to wait for completeness.
func (p *Pipe) incomplete(ctx context.Context) error {
	s, ok := p.source.(sources.Completing)
	if !ok {
		return nil
	}
	reason, dataset, err := s.Incomplete(ctx)
	if err != nil || reason == "" {
		return err
	}
	return &WaitError{Reason: reason, Dataset: dataset}
}

// Completes are the datasets up to whose completeness the pipe reads, so that a
// rise of that starts it.
func (p *Pipe) Completes() []string {
	if s, ok := p.source.(sources.Completing); ok {
		return s.Completes()
	}
	return nil
}

// loadCompleteness gives a receiver's dataset that has no value saved the time
// of its newest entity, which was that of a request.
func (p *Pipe) loadCompleteness(ctx context.Context) error {
	c := p.env.Completeness
	if _, receiver := p.Receiver(); !receiver || c == nil || p.Output() == "" {
		return nil
	}
	is, err := c.lookUp(ctx, p.Output())
	if err == nil && is.At == 0 && is.Generation != "" {
		is.follows = true
		c.set(p.Output(), is)
	}
	return err
}

// claim is the completeness of a receiver's dataset once a request is stored.
type claim struct {
	complete
	made bool // there is one
}

// given is what a request says of the completeness of the receiver's dataset: the
// time of the request unless the sender says another one, which is saved with it.
func (in *Inlet) given(ctx context.Context, micros int64) (c claim, save []store.StateWrite, err error) {
	all, out := in.p.env.Completeness, in.p.Output()
	if all == nil || out == "" {
		return c, nil, nil
	}
	c.complete, err = all.lookUp(ctx, out)
	if c.made = err == nil && c.Generation != ""; !c.made {
		return c, nil, err
	}
	c.At, c.follows = micros, micros == 0
	if micros > 0 {
		save = []store.StateWrite{completenessWrite(out, c.complete)}
	}
	return c, save, nil
}

// stands makes known what a request that is stored has said.
func (in *Inlet) stands(c claim, now time.Time) {
	if !c.made {
		return
	}
	if c.follows {
		c.At = now.UnixMicro()
	}
	in.p.env.Completeness.set(in.p.Output(), c.complete)
}
