package pipes

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// RetryDataset is the id of the dataset that holds a pipe's failed entities:
// those that wait for another try, and those that were given up.
func RetryDataset(pipe string) string { return "system:retry:" + pipe }

// failure is a source entity that could not be delivered.
type failure struct {
	key      string // its _id, else what stands for it
	attempts int    // how often it has been tried again
	dead     bool   // not to be tried again
	epoch    int    // of the state when it failed
	hash     string // of its content
	entity   entity.Value
}

// queue is what a run knows of the pipe's failed entities. What stands in it
// changes only in one commit with what it follows from.
type queue struct {
	any     bool            // the dataset is not empty
	waiting map[string]bool // keys of those to be tried again
	order   []string        // of the waiting ones when the run began, oldest first
	met     map[string]bool // keys that were read in this run
}

// waitingIndex finds the entities that wait.
func waitingIndex() store.Index {
	return store.Index{Name: "waiting", Keys: func(e entity.Value, emit func([]byte)) {
		if dead, _ := e.Get("dead"); !dead.Bool() {
			emit(waitingKey)
		}
	}}
}

var waitingKey = []byte{1}

// keyOf is what an entity is filed under. One without an _id, which a
// transform may give it, is known by its content.
func keyOf(e entity.Value) string {
	if id, ok := entity.ID(e); ok {
		return string([]byte(id))
	}
	return "hash:" + hashOf(e)
}

func hashOf(e entity.Value) string {
	h := entity.Hash(e)
	return hex.EncodeToString(h[:])
}

func (f failure) value() entity.Value {
	return entity.NewDict(
		entity.Member{Key: entity.IDKey, Value: entity.NewString(f.key)},
		entity.Member{Key: "retry_attempts", Value: entity.NewInt(int64(f.attempts))},
		entity.Member{Key: "dead", Value: entity.NewBool(f.dead)},
		entity.Member{Key: "epoch", Value: entity.NewInt(int64(f.epoch))},
		entity.Member{Key: "hash", Value: entity.NewString(f.hash)},
		entity.Member{Key: "entity", Value: f.entity})
}

func failureOf(v entity.Value) failure {
	key, _ := entity.ID(v)
	dead, _ := v.Get("dead")
	hash, _ := v.Get("hash")
	e, _ := v.Get("entity")
	return failure{key: string([]byte(key)), attempts: number(v, "retry_attempts"), dead: dead.Bool(),
		epoch: number(v, "epoch"), hash: string([]byte(hash.Text())), entity: e}
}

func number(v entity.Value, key string) int {
	m, _ := v.Get(key)
	n, _ := m.Int64()
	return int(n)
}

// openQueue reads which entities wait.
func (r *run) openQueue(ctx context.Context) error {
	r.queue = queue{waiting: map[string]bool{}, met: map[string]bool{}}
	name := RetryDataset(r.p.ID())
	info, err := r.p.env.Store.Info(ctx, name)
	if errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	if r.queue.any = info.Live > 0; err != nil || !r.queue.any {
		return err
	}
	return r.p.eachWaiting(ctx, func(f failure) {
		r.queue.waiting[f.key] = true
		r.queue.order = append(r.queue.order, f.key)
	})
}

// eachWaiting calls back for each entity that waits, in the order in which they
// failed last.
func (p *Pipe) eachWaiting(ctx context.Context, call func(failure)) error {
	name := RetryDataset(p.ID())
	if err := p.env.Store.EnsureIndex(ctx, name, waitingIndex()); err != nil {
		return err
	}
	return p.eachFailure(ctx, store.Query{Index: waitingIndex().Name, Key: waitingKey}, call)
}

// eachFailure calls back for each failed entity; its memory is used again for
// the next ones.
func (p *Pipe) eachFailure(ctx context.Context, q store.Query, call func(failure)) error {
	arena := entity.NewArena()
	for q.Since = store.Start; ; {
		arena.Reset()
		page, err := p.env.Store.Read(ctx, RetryDataset(p.ID()), q, arena)
		if err != nil {
			return err
		}
		for _, v := range page.Entities {
			if !entity.Deleted(v) {
				call(failureOf(v))
			}
		}
		if page.End {
			return nil
		}
		q.Since = page.Next
	}
}

// known returns what has failed before of some entities, by key.
func (p *Pipe) known(ctx context.Context, keys []string, a *entity.Arena) (map[string]failure, error) {
	found, err := p.env.Store.Get(ctx, RetryDataset(p.ID()), keys, a)
	if err != nil {
		return nil, fmt.Errorf("looking for failed entities: %w", err)
	}
	known := map[string]failure{}
	for i, v := range found {
		if !v.IsNull() && !entity.Deleted(v) {
			known[keys[i]] = failureOf(v)
		}
	}
	return known, nil
}

// emptyQueue removes the entities that wait. Those that were given up stay
// known, so that their dead letters are found when they succeed.
func (p *Pipe) emptyQueue(ctx context.Context) ([]store.Write, error) {
	var ops []store.Op
	err := p.eachWaiting(ctx, func(f failure) {
		ops = append(ops, store.Op{Kind: store.Delete, ID: f.key})
	})
	if errors.Is(err, store.ErrNoDataset) || err == nil && len(ops) == 0 {
		return nil, nil
	}
	return []store.Write{{Dataset: RetryDataset(p.ID()), Ops: ops}}, err
}

// failing tells whether entities wait for another try, or were given up.
func (p *Pipe) failing(ctx context.Context) (bool, error) {
	info, err := p.env.Store.Info(ctx, RetryDataset(p.ID()))
	if errors.Is(err, store.ErrNoDataset) {
		return false, nil
	}
	return info.Live > 0, err
}

// Failures counts the entities that wait for another try, and those that were
// given up.
func (p *Pipe) Failures(ctx context.Context) (waiting, dead int, err error) {
	info, err := p.env.Store.Info(ctx, RetryDataset(p.ID()))
	if errors.Is(err, store.ErrNoDataset) {
		return 0, 0, nil
	}
	if err != nil || info.Live == 0 {
		return 0, 0, err
	}
	err = p.eachWaiting(ctx, func(failure) { waiting++ })
	return waiting, int(info.Live) - waiting, err
}
