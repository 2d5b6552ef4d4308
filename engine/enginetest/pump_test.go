package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
)

// events returns the events of one id in a pipe's execution log.
func (w *world) events(pipe, id string) (all []entity.Value) {
	w.t.Helper()
	for line := range strings.Lines(dump(w.t, w.st, pipes.LogDataset(pipe), true)) {
		e := entities(w.t, line)[0]
		if got, _ := entity.ID(e); got == id || strings.HasSuffix(id, ":") && strings.HasPrefix(got, id) {
			all = append(all, e)
		}
	}
	return all
}

func text(e entity.Value, key string) string {
	v, _ := e.Get(key)
	return v.Text()
}

// A run that does nothing is logged when the last record is too old.
func TestNotificationGranularity(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "pump": {"schedule_interval": 60%s}}]`
	for more, want := range map[string]int{"": 0, `, "notification_granularity": 900`: 3, `, "notification_granularity": true`: 0, `, "log_events_noop_runs": true`: 47} {
		inWorld(t, fmt.Sprintf(conf, more), func(t *testing.T, w *world) {
			put(t, w.st, "in", nil, true)
			w.e.Start()
			w.pass(46 * time.Minute)
			got := len(w.events("p", "pump-completed"))
			if got < want-2 || got > want+2 || want == 0 && got > 0 {
				t.Errorf("with %q %d runs were logged, want about %d", more, got, want)
			}
		})
	}
}

// A slow batch fails the run, and the log names its first entity.
func TestMaxSecondsPerEntity(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "nap", "seconds": 5},
		"pump": {"max_seconds_per_entity": 2, "max_write_errors_in_retry_dataset": 10}}]`, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}, {"_id": "3"}]`), true)
		if results, err := w.e.RunAll(t.Context(), nil, nil); err != nil || results[0].Err != nil {
			t.Errorf("5 seconds for 3 entities: %v %v", results, err)
		}
		put(t, w.st, "in", entities(t, `[{"_id": "4"}, {"_id": "5"}]`), true)
		begun := time.Now()
		results, _ := w.e.RunAll(t.Context(), nil, nil)
		if err := results[0].Err; err == nil || !strings.Contains(err.Error(), "max_seconds_per_entity") {
			t.Errorf("5 seconds for 2 entities: %v", err)
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("it was tried again: %s", took)
		}
		w.pass(time.Second)
		failed := w.events("p", "pump-failed")
		if len(failed) != 1 {
			t.Fatalf("logged: %v", failed)
		}
		if e, _ := failed[0].Get("exception_entity"); text(e, "_id") != "4" {
			t.Errorf("blamed: %s", e)
		}
	})
}

// Without a retry dataset the entity is tried so often before the run ends.
func TestConsecutiveErrorsWithoutQueue(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "batch_size": 1, "source": {"type": "dataset", "dataset": "in"},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.bad", true], ["fail!", "bad"]]]}},
		"pump": {"max_consecutive_write_errors": 4, "write_retry_delay": 10}}]`, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `[{"_id": "1"}, {"_id": "2", "bad": true}, {"_id": "3"}]`), true)
		begun := time.Now()
		results, _ := w.e.RunAll(t.Context(), nil, nil)
		if err := results[0].Err; err == nil || !strings.HasPrefix(err.Error(), "4 write errors in a row") {
			t.Error(err)
		}
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("it took %s", took)
		}
		if got := dump(t, w.st, "p", false); got != "{\"_id\":\"1\"}\n" {
			t.Errorf("stored: %s", got)
		}
	})
}

// Every failed read is logged under an id of its own.
func TestReadErrorsAreLogged(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "probe", "fails": 3}, "pump": {"max_read_retries": 2, "read_retry_delay": 5}}]`,
		func(t *testing.T, w *world) {
			if results, _ := w.e.RunAll(w.t.Context(), nil, nil); results[0].Err == nil {
				t.Error("it did not fail")
			}
			w.pass(time.Second)
			found := map[string]bool{}
			for _, e := range w.events("p", "read-error:") {
				found[text(e, "_id")] = true
			}
			if len(found) != 3 || len(w.events("p", "pump-failed")) != 1 {
				t.Errorf("logged: %v", found)
			}
		})
}

// A run that closing the node has cut short goes on as the full run it was.
func TestFullRunGoesOnAfterRestart(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "batch_size": 1, "source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "nap", "seconds": 5}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `[{"_id": "1"}, {"_id": "2"}, {"_id": "3"}, {"_id": "4"}]`), true)
		put(t, w.st, "p", entities(t, `{"_id": "alien"}`), false)
		w.e.Start()
		w.pass(7 * time.Second)
		w.e.Close()
		w.open(conf)
		begun := time.Now()
		w.e.Start()
		w.pass(11 * time.Second)
		st, err := w.e.Status(t.Context(), "p")
		if err != nil || st.Last.Kind != "full" || st.Last.Read != 2 || st.Last.Deleted != 1 {
			t.Errorf("after %s: %+v %v", time.Since(begun), st.Last, err)
		}
	})
}

// A rescan that was due while the node was down is made up for.
func TestMissedRescan(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"},
		"pump": {"rescan_cron_expression": "0 3 * * ?", "schedule_interval": 600}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `{"_id": "1"}`), true)
		w.e.Start()
		w.pass(time.Hour)
		w.e.Close()
		put(t, w.st, "p", entities(t, `{"_id": "alien"}`), false)
		w.open(conf)
		w.e.Start()
		w.pass(time.Hour)
		if got := dump(t, w.st, "p", false); strings.Contains(got, "_deleted") {
			t.Errorf("a rescan was made before three: %s", got)
		}
		w.e.Close()
		w.pass(5 * time.Hour) // past three
		w.open(conf)
		w.e.Start()
		w.pass(time.Minute)
		if got := dump(t, w.st, "p", false); !strings.Contains(got, `"alien","_deleted":true`) {
			t.Errorf("the missed rescan was not made: %s", got)
		}
		runs := len(w.events("p", "pump-completed"))
		w.e.Close()
		w.open(conf)
		w.e.Start()
		w.pass(time.Hour)
		if now := len(w.events("p", "pump-completed")); now != runs {
			t.Errorf("it was made again")
		}
	})
}
