package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// countingStore counts the batches handed over.
type countingStore struct {
	store.Store
	appends atomic.Int64
}

func (c *countingStore) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	c.appends.Add(1)
	return c.Store.Append(ctx, b)
}

// Pipes that find nothing to do write nothing, however often they look: those
// whose source has never had anything, and those that have read it all.
func TestIdlePipesWriteNothing(t *testing.T) {
	conf := `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}},
		{"_id": "never", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}},
		{"_id": "merged", "type": "pipe", "source": {"type": "merge_datasets", "datasets": ["in", "all"]}},
		{"_id": "all", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]}, "pump": {"run_at_startup": true, "schedule_interval": 86400}},
		{"_id": "read", "type": "pipe", "source": {"type": "dataset", "dataset": "all"}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Close()
		c := &countingStore{Store: w.st}
		w.openOn(conf, c)
		w.e.Start()
		w.pass(20 * time.Minute)
		before := c.appends.Load()
		w.pass(10 * time.Minute)
		if n := c.appends.Load() - before; n != 0 {
			t.Errorf("%d writes in ten idle minutes", n)
		}
	})
}

// mute is a store whose execution logs cannot be written.
type mute struct{ countingStore }

func (m *mute) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	for _, w := range b.Writes {
		if strings.HasPrefix(w.Dataset, "system:pump:") {
			return nil, errors.New("the log is full")
		}
	}
	return m.countingStore.Append(ctx, b)
}

// A run that takes in one entity is two commits: the entity, and that the run has begun
// and ended, with how far it has come. A log that cannot be written fails
// no run, nor has it done again what it did.
func TestCommitsOfARun(t *testing.T) {
	const conf = `[{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "pump": {"rescan_run_count": 100}}]`
	base := memory(t)
	one := func(id string) { put(t, base, "in", []entity.Value{idOnly(id)}, true) }
	one("a")
	counted := &countingStore{Store: base}
	e := open(t, counted, parse(t, conf))
	runPipe(t, e, false)
	one("b")
	before := counted.appends.Load()
	runPipe(t, e, false)
	if n := counted.appends.Load() - before; n != 2 {
		t.Errorf("%d commits", n)
	}
	if runs := runsOf(t, base); runs != 2 {
		t.Errorf("%d runs are counted", runs)
	}
	e.Close()
	one("c")
	e = open(t, &mute{countingStore{Store: base}}, parse(t, conf))
	runPipe(t, e, false)
	if runs := runsOf(t, base); runs != 3 {
		t.Errorf("%d runs are counted, the last without a log", runs)
	}
	if p, _ := e.Pipe("out"); p != nil {
		if stats, err := p.Run(t.Context(), false); err != nil || stats.Read != 0 {
			t.Errorf("the next run read %d: %v", stats.Read, err)
		}
	}
}

// meddling is a store in which somebody else comes first with a record for a log.
type meddling struct {
	store.Store
	t *testing.T
}

func (m *meddling) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if len(b.Writes) == 1 && len(b.Writes[0].Ops) == 2 {
		put(m.t, m.Store, b.Writes[0].Dataset, []entity.Value{idOnly("other")}, true)
	}
	return m.Store.Append(ctx, b)
}

// The record of a run's end says where that of its start is, whoever else writes into
// the log.
func TestStartIsFound(t *testing.T) {
	const conf = `[{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}}]`
	for _, meddles := range []bool{false, true} {
		var st store.Store = memory(t)
		base := st
		if meddles {
			st = &meddling{base, t}
		}
		e := open(t, st, parse(t, conf))
		for _, id := range []string{"a", "b"} {
			put(t, base, "in", []entity.Value{idOnly(id)}, true)
			runPipe(t, e, false)
		}
		e.Close()
		put(t, base, "in", nil, true) // what was handed over before stands then
		found, err := base.Get(t.Context(), pipes.LogDataset("out"), []string{"pump-started", "pump-completed", "other"}, nil)
		must(t, err)
		at, _ := found[0].Get(entity.UpdatedKey)
		if told, _ := found[1].Get("pump_started_location"); told.String() != at.String() || found[2].IsNull() == meddles {
			t.Errorf("it is at %s, the end says %s; %s", at, told, found[2])
		}
	}
}

// runsOf is how many runs the pipe's state counts.
func runsOf(t *testing.T, st store.Store) int {
	t.Helper()
	data, _, err := st.State(t.Context(), "pipe/out")
	var s struct{ Runs int }
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	must(t, err)
	return s.Runs
}

func idOnly(id string) entity.Value {
	return entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString(id)})
}
