package enginetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// A message starts the pipes that read its topic at once, in any company of
// sources and sinks; batches are bounded in messages and bytes.
func TestMessageSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t)
		e := open(t, st, parse(t, `[
			{"_id": "few", "type": "pipe", "batch_size": 1000, "source": {"type": "message", "key": "a.#", "max_batch_items": 3}, "sink": {"type": "null"}},
			{"_id": "kept", "type": "pipe", "source": {"type": "message", "key": "a.b", "max_batch_bytes": 1000}}]`))
		e.Start()
		defer e.Close()
		synctest.Wait()
		topic := messages.Topic{Name: messages.DefaultExchange, Store: st}
		begun := time.Now()
		for i := range 10 {
			err := topic.Publish(t.Context(), messages.Message{ID: fmt.Sprint(i), Key: "a.b", Body: entity.NewString(strings.Repeat("x", 100*i))}, messages.Message{Key: "b"})
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %s", took)
		}
		if n := strings.Count(dump(t, st, "kept", false), `"_id"`); n != 10 {
			t.Errorf("%d messages were kept", n)
		}
		for _, id := range []string{"few", "kept"} {
			p, _ := e.Pipe(id)
			if at, err := p.Offset(t.Context()); at != "19" || err != nil {
				t.Errorf("%s is at %s: %v", id, at, err)
			}
		}
	})
}

// Compaction keeps of a topic what the longest retention of its sinks says, and
// all that a pipe has not read, even one that is disabled.
func TestMessageRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &compactions{Store: memory(t)}
		e := open(t, st, parse(t, `[
			{"_id": "short", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"type": "message", "exchange": "x", "key": "k", "retention_hours": 1}},
			{"_id": "long", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"type": "message", "exchange": "x", "key": "k", "retention_hours": 48, "retention_messages": 10}},
			{"_id": "reader", "type": "pipe", "source": {"type": "message", "exchange": "x"}, "sink": {"type": "null"}, "pump": {"schedule_interval": 7200}},
			{"_id": "lazy", "type": "pipe", "source": {"type": "message", "exchange": "x", "start": "new"}, "sink": {"type": "null"}, "pump": {"mode": "manual"}},
			{"_id": "own", "type": "pipe", "source": {"type": "message", "exchange": "y"}, "sink": {"type": "null"}, "pump": {"schedule_interval": 7200}}]`))
		put(t, st, "in", entities(t, `{"_id": "1"} `), false)
		e.Start()
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		e.Close()
		if len(st.asked) == 0 {
			t.Fatal("nothing was compacted")
		}
		got := st.asked[0]
		for name, want := range map[string]store.Retention{"system:topic:x": {MinAge: 48 * time.Hour}, "system:topic:y": {MinAge: 7 * 24 * time.Hour}} {
			if got.Datasets[name] != want {
				t.Errorf("%s: %+v, want %+v", name, got.Datasets[name], want)
			}
		}
		if at, held := got.Floors["system:topic:x"]; !held || at != store.Start {
			t.Errorf("the topic is held at %d, %v; a pipe has read nothing of it", at, held)
		}
	})
}

// A message starts only pipes that it is for, once the node has heard of the topic;
// none is missed when the topic is made anew, or when much comes at once.
func TestMessageSignalsChoose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t)
		pipe := func(id, source string) string {
			return fmt.Sprintf(`{"_id": %q, "type": "pipe", "source": %s, "sink": {"type": "null"}, "pump": {"schedule_interval": 86400, "log_events_noop_runs": true}}`, id, source)
		}
		ids := []string{"a", "b", "all", "other"}
		e := open(t, st, parse(t, "["+pipe("a", `{"type": "message", "key": "a.*"}`)+","+pipe("b", `{"type": "message", "key": "b"}`)+","+
			pipe("all", `{"type": "message"}`)+","+pipe("other", `{"type": "message", "exchange": "other"}`)+"]"))
		e.Start()
		defer e.Close()
		runs := func() (all []int) {
			time.Sleep(time.Second)
			synctest.Wait()
			commit(t, st, &store.Batch{State: []store.StateWrite{{Key: "test", Value: []byte{1}, IfRev: store.AnyRev}}})
			for _, id := range ids {
				all = append(all, strings.Count(dump(t, st, pipes.LogDataset(id), true), `"pump-completed","event_type"`))
			}
			return all
		}
		topic := messages.Topic{Name: messages.DefaultExchange, Store: st}
		before := runs()
		for _, step := range []struct {
			keys string
			want []int // runs more, in the order of ids
		}{
			{"a.1", []int{1, 1, 1, 0}}, // nobody knows yet what was there before
			{"a.2", []int{1, 0, 1, 0}},
			{"b", []int{0, 1, 1, 0}},
			{"c", []int{0, 0, 1, 0}},
			{"c b a.3", []int{1, 1, 1, 0}},
			{"drop", []int{1, 1, 1, 0}},
			{"a.4", []int{1, 0, 1, 0}},
			{strings.Repeat("c ", 1001), []int{1, 1, 1, 0}}, // too many to look at
			{"b", []int{0, 1, 1, 0}},
		} {
			var all []messages.Message
			for _, key := range strings.Fields(step.keys) {
				all = append(all, messages.Message{Key: key})
			}
			var err error
			if step.keys == "drop" {
				err = errors.Join(st.Drop(t.Context(), topic.Dataset()), topic.Load(t.Context()))
				all = []messages.Message{{Key: "z"}}
			}
			if err == nil {
				err = topic.Publish(t.Context(), all...)
			}
			if err != nil {
				t.Fatal(err)
			}
			after := runs()
			for i := range before {
				before[i] = after[i] - before[i]
				if step.keys == "drop" {
					before[i] = min(before[i], 1) // it is heard of once or twice
				}
			}
			if fmt.Sprint(before) != fmt.Sprint(step.want) {
				t.Errorf("%.20s: %v runs of %v, want %v", step.keys, before, ids, step.want)
			}
			before = after
		}
		for _, id := range []string{"a", "b", "all"} {
			p, _ := e.Pipe(id)
			if at, err := p.Offset(t.Context()); err != nil || at == "" {
				t.Errorf("%s is at %q: %v", id, at, err)
			}
		}
	})
}
