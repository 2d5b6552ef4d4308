package sinks

import (
	"context"
	"fmt"
	"sync"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// datasetWriter is a dataset sink in one run.
type datasetWriter struct {
	s         *datasetSink
	run       Run
	suppress  bool
	last      store.Offset // of the dataset when the run began
	populated bool
	tracks    bool       // deletions, by absence
	finishing bool       // what is left to write is deletions by absence
	seen      *seenSet   // nil if neither deletions nor what is suppressed depend on it
	buf       []store.Op // of the last batch, to be used again; not by requests
	// single keeps together the look-up of stored versions and the write that
	// depends on it.
	single  sync.Mutex
	breaker *breaker // nil: nothing is held back
	offers  sync.Pool
}

// offered is the memory of what a request offers to the store, which keeps nothing
// of it.
type offered struct {
	ops    []store.Op
	writes [1]store.Write
	batch  store.Batch
}

// keptOps bounds the memory that serves again.
const keptOps = 256

// Write implements Writer.
func (w *datasetWriter) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	p, err := w.Begin(ctx, b, save)
	if err != nil {
		return Written{}, err
	}
	return p.Wait(ctx)
}

// Begin implements Ahead.
func (w *datasetWriter) Begin(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Pending, error) {
	return w.BeginWith(ctx, b, store.Batch{State: save})
}

// BeginWith implements Committing.
func (w *datasetWriter) BeginWith(ctx context.Context, b *entity.Batch, also store.Batch) (Pending, error) {
	ops, err := w.ops(b, w.buffer(b))
	if err != nil {
		return nil, err
	}
	return w.offer(ctx, b, ops, also)
}

// BeginRequest implements Offering.
func (w *datasetWriter) BeginRequest(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Pending, error) {
	if w.breaker != nil || w.compares() {
		return w.Begin(ctx, b, save)
	}
	o, _ := w.offers.Get().(*offered)
	if o == nil {
		o = new(offered)
	}
	ops, err := w.ops(b, o.ops[:0])
	if err != nil {
		return nil, err
	}
	o.batch.State = save
	if len(ops) > 0 {
		o.writes[0] = store.Write{Dataset: w.s.dataset, Ops: ops}
		o.batch.Writes = o.writes[:]
	}
	p, err := w.begin(ctx, &o.batch)
	clear(ops)
	*o = offered{ops: ops}
	if cap(ops) <= keptOps {
		w.offers.Put(o)
	}
	return p, err
}

// BeginTelling implements Telling.
func (w *datasetWriter) BeginTelling(ctx context.Context, b *entity.Batch, also func([]byte) store.Batch) (Pending, error) {
	ops, err := w.ops(b, w.buffer(b))
	if err != nil {
		return nil, err
	}
	return w.offer(ctx, b, ops, also(w.Progress()))
}

// offer hands over the changes of a batch. What depends on the versions stored
// is waited for here.
func (w *datasetWriter) offer(ctx context.Context, b *entity.Batch, ops []store.Op, also store.Batch) (p Pending, err error) {
	compares := w.compares() && len(ops) > 0
	if compares {
		w.single.Lock()
		defer w.single.Unlock()
		if ops, err = w.compare(ctx, ops, b.Arena); err != nil {
			return nil, err
		}
	}
	if w.breaker != nil {
		w.breaker.postpone(also.Writes)
		also.Writes = nil
	}
	if len(ops) > 0 {
		also.Writes = append([]store.Write{{Dataset: w.s.dataset, Ops: ops}}, also.Writes...)
	}
	if compares {
		written, err := w.commit(ctx, &also)
		return settled(written), err
	}
	return w.begin(ctx, &also)
}

// compares tells whether changes depend on the versions stored.
func (w *datasetWriter) compares() bool {
	return w.s.prevent != "" || w.s.children || w.s.cfg.OptimisticLocking
}

// settled is a batch that is safe already.
type settled Written

// Wait implements Pending.
func (s settled) Wait(context.Context) (Written, error) { return Written(s), nil }

// handed is a batch the store has taken; all says that every write of it is to
// the sink's dataset.
type handed struct {
	store.Pending
	all, first bool
	states     int // of the pipe; the sink may save others behind them
}

// Wait implements Pending.
func (h handed) Wait(ctx context.Context) (Written, error) {
	res, err := h.Pending.Wait(ctx)
	w := Written{Changed: res.Changed, Revs: res.Revs[:min(h.states, len(res.Revs))]}
	if err == nil && !h.all {
		w.Changed = 0
		if h.first {
			w.Changed = changes(res.Outcomes[0])
		}
	}
	return w, err
}

func changes(outcomes []store.Outcome) (n int) {
	for _, o := range outcomes {
		if o != store.Unchanged {
			n++
		}
	}
	return n
}

func (w *datasetWriter) begin(ctx context.Context, b *store.Batch) (Pending, error) {
	if len(b.Writes) == 0 && len(b.State) == 0 && len(b.Populate) == 0 {
		return settled{}, nil
	}
	if w.breaker != nil {
		held, err := w.breaker.hold(ctx, b)
		return settled(held), err
	}
	states := len(b.State)
	defer w.besides(b)()
	p, err := w.s.store.Append(ctx, b)
	if err != nil {
		return nil, err
	}
	first := len(b.Writes) > 0 && b.Writes[0].Dataset == w.s.dataset
	return handed{p, len(b.Writes) == 0 || len(b.Writes) == 1 && first, first, states}, nil
}

func (w *datasetWriter) commit(ctx context.Context, b *store.Batch) (Written, error) {
	p, err := w.begin(ctx, b)
	if err != nil {
		return Written{}, err
	}
	return p.Wait(ctx)
}

// buffer is where the changes of a batch go.
func (w *datasetWriter) buffer(b *entity.Batch) []store.Op {
	if w.run.Kind == Request {
		return make([]store.Op, 0, len(b.Entities))
	}
	return w.buf[:0]
}

// ops turns entities into changes and notes which ids were seen.
func (w *datasetWriter) ops(b *entity.Batch, ops []store.Op) ([]store.Op, error) {
	for i, e := range b.Entities {
		id, ok := entity.ID(e)
		if !ok {
			return nil, noID(i, len(b.Entities), e)
		}
		if entity.Filtered(e) {
			// What this run has written and then read again, changed so that it is
			// filtered now, must not stay.
			if !w.suppress || w.seen.has(id) {
				ops = append(ops, store.Op{Kind: store.Delete, ID: id})
			}
			continue
		}
		if err := w.s.fits(e, id); err != nil {
			return nil, err
		}
		ops = append(ops, store.Op{Kind: store.Put, Entity: e})
	}
	if w.run.Kind != Request {
		w.buf = ops
	}
	w.see(ops)
	return ops, nil
}

// see remembers what is in a batch that is complete; deletions are as good as
// unseen.
func (w *datasetWriter) see(ops []store.Op) {
	if w.seen == nil {
		return
	}
	for _, op := range ops {
		if op.Kind == store.Put {
			id, _ := entity.ID(op.Entity)
			w.seen.add(id)
		}
	}
}

func noID(i, n int, e entity.Value) error {
	what := "has no _id"
	if v, ok := e.Get(entity.IDKey); ok {
		what = fmt.Sprintf("has an _id of type %s", v.Kind())
	}
	return &NoIDError{Position: i, text: fmt.Sprintf("entity %d of %d %s; a dataset needs a string", i+1, n, what)}
}

// NoIDError is an entity that cannot be stored because it has no string _id.
type NoIDError struct {
	Position int // in its batch, from 0
	text     string
}

// Error names the entity's position in its batch, from 1.
func (e *NoIDError) Error() string { return e.text }

// defaultMaxBytes is also what stores allow, so that it need not be measured
// twice.
const defaultMaxBytes = 104857600

func (s *datasetSink) fits(e entity.Value, id string) error {
	if s.cfg.MaxEntityBytes >= defaultMaxBytes {
		return nil
	}
	if n := len(entity.AppendJSON(nil, e)); n > s.cfg.MaxEntityBytes {
		return fmt.Errorf("entity %q has %d bytes, more than the %d of max_entity_bytes_size: %w",
			id, n, s.cfg.MaxEntityBytes, store.ErrTooLarge)
	}
	return nil
}

// compare adapts the changes to what is stored.
func (w *datasetWriter) compare(ctx context.Context, ops []store.Op, a *entity.Arena) ([]store.Op, error) {
	if w.s.cfg.OptimisticLocking {
		if err := w.lock(ctx, ops, a); err != nil {
			return nil, err
		}
	}
	if w.s.children {
		if err := w.trackChildren(ctx, ops, a); err != nil {
			return nil, err
		}
	}
	if w.s.prevent == "" {
		return ops, nil
	}
	return w.firstVersions(ctx, ops, a)
}

// stored are the latest versions, with what is held back.
func (w *datasetWriter) stored(ctx context.Context, ids []string, a *entity.Arena) ([]entity.Value, error) {
	if w.breaker != nil {
		return w.breaker.latest(ctx, ids, a)
	}
	return w.s.store.Get(ctx, w.s.dataset, ids, a)
}

// firstVersions leaves out what would change an entity that exists, or fails
// for it.
func (w *datasetWriter) firstVersions(ctx context.Context, ops []store.Op, a *entity.Arena) ([]store.Op, error) {
	ids := make([]string, len(ops))
	for i, op := range ops {
		ids[i] = opID(op)
	}
	stored, err := w.stored(ctx, ids, a)
	if err != nil {
		return nil, err
	}
	first := make(map[string]entity.Value, len(ops))
	kept := ops[:0]
	for i, op := range ops {
		have, again := first[ids[i]]
		if !again {
			have = stored[i]
		}
		changes := !have.IsNull() && changed(op, have)
		if changes && w.s.prevent == "fail" {
			return nil, fmt.Errorf("entity %q: %w", ids[i], ErrVersion)
		}
		if changes {
			continue
		}
		if op.Kind == store.Put {
			first[ids[i]] = op.Entity
		}
		kept = append(kept, op)
	}
	return kept, nil
}

func opID(op store.Op) string {
	if op.Kind == store.Delete {
		return op.ID
	}
	id, _ := entity.ID(op.Entity)
	return id
}

// changed tells whether the op would store a version other than have.
func changed(op store.Op, have entity.Value) bool {
	if op.Kind == store.Delete {
		return !entity.Deleted(have)
	}
	return entity.Hash(op.Entity) != entity.Hash(have)
}
