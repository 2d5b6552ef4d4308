package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store"
)

var errNoID = errors.New("an entity is no dict with a string _id")

// errReadOnly is the answer to writes on a store opened for reading only.
var errReadOnly = errors.New("the store is open for reading only")

// pending is a request to the writer: a batch, or a dataset to make or drop.
type pending struct {
	writes   []encodedWrite
	enc      *encoder // owns the memory of writes
	size     int
	states   []store.StateWrite
	populate []string
	create   string
	drop     string

	done   chan struct{} // closed when the rest is final
	result store.Result
	err    error
}

// alone tells whether a request does what nothing else can be decided upon until
// it has arrived.
func (p *pending) alone() bool {
	return p.create != "" || p.drop != "" || len(p.populate) > 0 || slices.ContainsFunc(p.writes, func(w encodedWrite) bool {
		return slices.ContainsFunc(w.ops, func(op encodedOp) bool { return op.place != nil })
	})
}

// Wait implements store.Pending.
func (p *pending) Wait(ctx context.Context) (store.Result, error) {
	if ctx.Done() == nil { // nobody will end it: waiting for one thing is cheaper
		<-p.done
		return p.result, p.err
	}
	select {
	case <-p.done:
		return p.result, p.err
	default:
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return store.Result{}, ctx.Err()
	}
}

// finish tells the outcome. The memory of the entities serves again.
func (s *Store) finish(p *pending, err error) {
	if err != nil {
		p.result, p.err = store.Result{}, err
	}
	if p.enc != nil && cap(p.enc.buf) <= groupBytes {
		s.encoders.Put(p.enc)
	}
	p.enc, p.writes = nil, nil
	s.underway.Add(-1)
	close(p.done)
}

// Append implements store.Store. The dataset of every write must exist.
func (s *Store) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	enc := s.encoders.Get().(*encoder)
	enc.s, enc.buf, enc.idle = s, enc.buf[:0], s.underway.Load() == 0
	writes, err := enc.writes(b.Writes)
	if err != nil {
		return nil, err
	}
	p := &pending{writes: writes, enc: enc, size: len(enc.buf), populate: append([]string(nil), b.Populate...)}
	for _, st := range b.State {
		p.size += len(st.Value)
		st.Key = strings.Clone(st.Key)
		if st.Value != nil {
			st.Value = append([]byte{}, st.Value...)
		}
		p.states = append(p.states, st)
	}
	if p.size > maxBatch {
		return nil, fmt.Errorf("the batch has more than %d bytes: %w", maxBatch, store.ErrTooLarge)
	}
	if p.says() || s.unsure.Load() {
		return p, s.submit(ctx, p)
	}
	return p, s.answer(p)
}

// says tells whether a batch has anything to store, or anything to be refused
// for.
func (p *pending) says() bool {
	for i := range p.writes {
		w := &p.writes[i]
		if w.d == nil || slices.ContainsFunc(w.ops, func(op encodedOp) bool { return !op.same }) {
			return true
		}
	}
	return len(p.states)+len(p.populate) > 0 || len(p.writes) == 0
}

// answer finishes a batch of which everything stands there already, and is on
// the disk: the writer need not be asked, unless a restart might find something
// else there, which it would have to cut off first.
func (s *Store) answer(p *pending) error {
	if s.o.ReadOnly {
		return errReadOnly
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	p.result.Outcomes = make([][]store.Outcome, len(p.writes))
	for i := range p.writes {
		p.result.Outcomes[i] = make([]store.Outcome, len(p.writes[i].ops))
	}
	p.done = make(chan struct{})
	s.underway.Add(1)
	s.finish(p, nil)
	return nil
}

// submit queues a request; it waits while too many are queued.
func (s *Store) submit(ctx context.Context, p *pending) error {
	if s.o.ReadOnly {
		return errReadOnly
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	p.done = make(chan struct{})
	s.underway.Add(1)
	select { // mostly there is room, and to ask for one thing is cheaper
	case s.queue <- p:
		return nil
	default:
	}
	select {
	case s.queue <- p:
		return nil
	case <-ctx.Done():
		s.underway.Add(-1)
		return ctx.Err()
	}
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, name string) (store.Info, error) {
	if info, err := s.Info(ctx, name); !errors.Is(err, store.ErrNoDataset) {
		return info, err
	}
	if name == "" || strings.Contains(name, "/") {
		return store.Info{}, fmt.Errorf("%q cannot be the id of a dataset: it is empty or has a slash", name)
	}
	if _, err := s.do(ctx, &pending{create: name}); err != nil {
		return store.Info{}, err
	}
	return s.Info(ctx, name)
}

// Drop implements store.Store.
func (s *Store) Drop(ctx context.Context, name string) error {
	if _, err := s.Info(ctx, name); errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	_, err := s.do(ctx, &pending{drop: name})
	return err
}

func (s *Store) do(ctx context.Context, p *pending) (store.Result, error) {
	if err := s.submit(ctx, p); err != nil {
		return store.Result{}, err
	}
	return p.Wait(ctx)
}
