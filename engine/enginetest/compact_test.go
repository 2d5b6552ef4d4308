package enginetest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// compactions is a store that notes what it is asked to compact.
type compactions struct {
	*local.Store
	mu    sync.Mutex
	asked []store.CompactOptions
	gone  map[string]int64 // what the next compaction says it has forgotten
}

// Compact implements store.Compacter.
func (c *compactions) Compact(ctx context.Context, o store.CompactOptions) (store.Compacted, error) {
	c.mu.Lock()
	c.asked = append(c.asked, o)
	gone := c.gone
	c.gone = nil
	c.mu.Unlock()
	done, err := c.Store.Compact(ctx, o)
	if gone != nil {
		done.Forgotten = gone
	}
	return done, err
}

func (c *compactions) list() []store.CompactOptions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// A day after it started a node compacts what its pipes write, as each of them
// or the node's metadata says, and not what is to stay as it is; what a pipe
// has yet to read of a subset is held.
func TestCompactsDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &compactions{Store: memory(t)}
		const one = `"source": {"type": "embedded", "entities": [{"_id": "1", "k": 1}]}`
		e := open(t, st, parse(t, `[
			{"_id": "node", "type": "metadata", "global_defaults": {"compaction_keep_versions": 3, "compaction_time_threshold_hours_pump": 800}},
			{"_id": "plain", "type": "pipe", `+one+`},
			{"_id": "own", "type": "pipe", `+one+`, "compaction": {"keep_versions": 1, "time_threshold_hours": 2,
				"ttl_deletes_hours": 0.5, "retract": true, "retract_timeout_seconds": 7}},
			{"_id": "off", "type": "pipe", `+one+`, "compaction": {"automatic": false, "sink": false}},
			{"_id": "grows", "type": "pipe", `+one+`, "compaction": {"sink": false, "growth_threshold": 2}},
			{"_id": "part", "type": "pipe", "source": {"type": "dataset", "dataset": "plain", "subset": ["eq", "_S.k", 1]}}]`))
		if _, err := e.RunAll(t.Context(), nil, func(engine.PipeResult, int) {}); err != nil {
			t.Fatal(err)
		}
		// The same is known without the configuration.
		if floors, err := pipes.StoredFloors(t.Context(), st); err != nil || len(floors) != 1 || floors["plain"] != 0 {
			t.Errorf("floors as stored: %v %v", floors, err)
		}
		e.Start()
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if asked := st.list(); len(asked) > 0 {
			t.Fatalf("within the first day: %+v", asked)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		asked := st.list()
		if len(asked) == 0 {
			t.Fatal("nothing was compacted")
		}
		got := asked[0]
		minute := time.Minute
		for name, want := range map[string]store.Retention{
			"plain":             {KeepVersions: 3, TTLBudget: minute, RetractBudget: minute},
			"own":               {KeepVersions: 1, MinAge: 2 * time.Hour, TTLDeletes: 30 * minute, TTLBudget: minute, Retract: true, RetractBudget: 7 * time.Second},
			"system:pump:plain": {MinAge: 800 * time.Hour},
			"off":               {},
			"grows":             {},
		} {
			if got.Datasets[name] != want {
				t.Errorf("%s: %+v, want %+v", name, got.Datasets[name], want)
			}
		}
		if at, held := got.Floors["plain"]; !held || at != 0 {
			t.Errorf("plain is held at %d, %v; the reader of a part of it is at 0", at, held)
		}
		e.Close()
	})
}

// The run after a compaction tells how many deleted entities it has forgotten, and no
// other run does, nor is anything lost if the node ends between.
func TestForgottenAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &compactions{Store: memory(t), gone: map[string]int64{"in": 3, "elsewhere": 5}}
		conf := parse(t, `[{"_id": "in", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]}, "pump": {"schedule_interval": 1000000, "log_events_noop_runs_changes_only": false, "log_events_noop_runs": true}}]`)
		e := open(t, st, conf)
		tell := func(want string) {
			t.Helper()
			if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
				t.Fatal(err)
			}
			commit(t, st, &store.Batch{State: []store.StateWrite{{Key: "test", Value: []byte{1}, IfRev: store.AnyRev}}})
			lines := strings.Split(strings.TrimSpace(dump(t, st, pipes.LogDataset("in"), true)), "\n")
			last := lines[len(lines)-1]
			if !strings.Contains(last, `"ttl_deletes_entities_last_run":`+want+`,`) || !regexp.MustCompile(`"memory":{"batch-max-mem-size":\d+,"total-peak":[1-9]\d*}`).MatchString(last) {
				t.Errorf("%s of %s, want %s", last, lines, want)
			}
		}
		tell("0")
		e.Start()
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		e.Close()
		if len(st.asked) == 0 {
			t.Fatal("nothing was compacted")
		}
		e = open(t, st, conf)
		tell("3")
		tell("0")
		e.Close()
	})
}
