package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Breaker is the ability of sinks with a circuit breaker.
type Breaker interface {
	// Tripped returns the trip that keeps the pipe from running, nil if none.
	Tripped(ctx context.Context) (*Trip, error)
}

// Tripper is the ability of writers that can be tripped on purpose.
type Tripper interface {
	// Trip keeps back what the run has held back so far, and the pipe from
	// running.
	Trip(ctx context.Context, message string) error
}

// Trip is a circuit breaker that has tripped.
type Trip struct {
	Dataset string    `json:"dataset"`
	Pipe    string    `json:"pipe"`
	At      time.Time `json:"at"`
	// Changes are held back; the run stopped at that many, or found them all at
	// its end. Limit is what was allowed, of IDs that the dataset has.
	Changes int64 `json:"changes"`
	Limit   int64 `json:"limit"`
	IDs     int64 `json:"ids"`
	// Message is that of trip!, if a rule tripped the breaker.
	Message string `json:"message,omitempty"`
	// Moved is how much of what was held back has been committed.
	Moved store.Offset `json:"moved"`
	rev   uint64
}

// ErrTripped is what a run fails with whose circuit breaker trips.
var ErrTripped = errors.New("circuit breaker tripped")

// Uncommitted is the dataset with what a breaker holds back.
func Uncommitted(dataset string) string { return "system:uncommitted:" + dataset }

func breakerKey(dataset string) string { return "breaker/" + dataset }

// Why says in a sentence what has happened.
func (t *Trip) Why() string {
	if t.Message != "" {
		return fmt.Sprintf("the circuit breaker of dataset %q was tripped by a rule: %s", t.Dataset, t.Message)
	}
	return fmt.Sprintf("the circuit breaker of dataset %q has tripped: a run would change %d entities or more, %d are allowed; see %s, then commit or roll back",
		t.Dataset, t.Changes, t.Limit, Uncommitted(t.Dataset))
}

// FindTrip returns the trip of a dataset, nil if its breaker has not tripped.
func FindTrip(ctx context.Context, st store.Store, dataset string) (*Trip, error) {
	data, rev, err := st.State(ctx, breakerKey(dataset))
	if err != nil || data == nil {
		return nil, err
	}
	t := &Trip{}
	if err := json.Unmarshal(data, t); err != nil {
		return nil, fmt.Errorf("the circuit breaker of dataset %q cannot be read: %w", dataset, err)
	}
	t.rev = rev
	return t, nil
}

func (t *Trip) write() store.StateWrite {
	data, err := json.Marshal(t)
	if err != nil {
		data = []byte("{}") // texts and numbers always marshal
	}
	return store.StateWrite{Key: breakerKey(t.Dataset), Value: data, IfRev: t.rev}
}

// Tripped implements Breaker.
func (s *datasetSink) Tripped(ctx context.Context) (*Trip, error) {
	return FindTrip(ctx, s.store, s.dataset)
}

// ErrNotTripped is a breaker that has not tripped and need not be resolved.
var ErrNotTripped = errors.New("no circuit breaker has tripped")

// ResolveTrip ends a trip: it commits what was held back, or drops it. The pipe
// may run again then. One that was cut short may be called again.
func ResolveTrip(ctx context.Context, st store.Store, dataset string, publish bool) (*Trip, error) {
	t, err := FindTrip(ctx, st, dataset)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("dataset %q: %w", dataset, ErrNotTripped)
	}
	if publish {
		if err := moveHeld(ctx, st, dataset, t.Moved, t); err != nil {
			return nil, err
		}
	}
	over := store.StateWrite{Key: breakerKey(dataset), IfRev: t.rev}
	if _, err := commit(ctx, st, &store.Batch{State: []store.StateWrite{over}}); err != nil {
		return nil, err
	}
	return t, st.Drop(ctx, Uncommitted(dataset))
}

// Drop deletes a dataset, with what a circuit breaker holds back of it.
func Drop(ctx context.Context, st store.Store, dataset string) error {
	if _, err := ResolveTrip(ctx, st, dataset, false); err != nil && !errors.Is(err, ErrNotTripped) {
		return err
	}
	return errors.Join(st.Drop(ctx, Uncommitted(dataset)), st.Drop(ctx, dataset))
}

// moveHeld moves what was held back to the dataset, in the order it was held
// back. A trip, if given, remembers with every page how far that went.
func moveHeld(ctx context.Context, st store.Store, dataset string, from store.Offset, t *Trip) error {
	arena := entity.NewArena()
	for q := (store.Query{Since: from, Limit: deleteBatch, History: true}); ; {
		arena.Reset()
		page, err := st.Read(ctx, Uncommitted(dataset), q, arena)
		if err != nil {
			return err
		}
		if err := t.movePage(ctx, st, dataset, page); err != nil || page.End {
			return err
		}
		q.Since = page.Next
	}
}

// movePage may be called without a trip.
func (t *Trip) movePage(ctx context.Context, st store.Store, dataset string, page store.Page) error {
	if len(page.Entities) == 0 {
		return nil
	}
	ops := make([]store.Op, len(page.Entities))
	for i, e := range page.Entities {
		ops[i] = store.Op{Kind: store.Put, Entity: e}
	}
	batch := &store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: ops}}}
	if t != nil {
		t.Moved = page.Next
		batch.State = []store.StateWrite{t.write()}
	}
	res, err := commit(ctx, st, batch)
	if err == nil && t != nil {
		t.rev = res.Revs[0]
	}
	return err
}
