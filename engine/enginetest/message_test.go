package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
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
