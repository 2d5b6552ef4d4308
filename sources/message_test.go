package sources

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store/local"
)

// Batches have as many messages and bytes as they may, none that does not fit
// the pattern, and end at places where reading can go on: read from any of them
// on, what is left is the same.
func TestMessageBatches(t *testing.T) {
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	topic := messages.Topic{Name: "x", Store: st}
	if err := topic.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 250 {
		m := messages.Message{ID: fmt.Sprint(i), Key: []string{"a.b", "a.c", "z"}[i%3], Body: entity.NewString(strings.Repeat("x", i%50*10))}
		if i%3 < 2 {
			want = append(want, m.ID)
		}
		if err := topic.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{`"max_batch_items": 7`, `"max_batch_bytes": 1500`, `"max_batch_items": 1`, `"max_batch_bytes": 1`, `"comment": ""`} {
		n, wrong := jsonpos.Parse("c", []byte(`{"type": "message", "exchange": "x", "key": "a.*", `+text+`}`))
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		src := mustBuild(t, Env{PipeID: "p", Node: n, Store: st})
		for from, left := "", want; ; {
			var got []string
			next, first := "", 0
			for b, err := range src.Read(t.Context(), from, 100) {
				if err != nil {
					t.Fatal(err)
				}
				bytes := 0
				for _, e := range b.Entities {
					id, _ := entity.ID(e)
					got = append(got, strings.Clone(id))
					bytes += len(entity.AppendJSON(nil, e))
				}
				cfg := src.(*messageSource).cfg
				if len(b.Entities) > min(cfg.MaxItems, 100) || len(b.Entities) > 1 && bytes > cfg.MaxBytes {
					t.Fatalf("%s: a batch of %d messages, %d bytes", text, len(b.Entities), bytes)
				}
				if next == "" {
					next, first = b.Since, len(b.Entities)
				}
				b.Entities = append(b.Entities, entity.NewInt(1)) // as a transform may
			}
			if strings.Join(got, " ") != strings.Join(left, " ") {
				t.Fatalf("%s from %q: %d messages, want %d", text, from, len(got), len(left))
			}
			if len(left) == 0 {
				break
			}
			from, left = next, left[first:]
		}
	}
}

// A batch that is not full waits for more, as long as it may.
func TestMessageBatchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		topic := messages.Topic{Name: "x", Store: st}
		if err := topic.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, _ := jsonpos.Parse("c", []byte(`{"type": "message", "exchange": "x", "key": "a", "max_batch_items": 10, "max_batch_wait": 1}`))
		src := mustBuild(t, Env{PipeID: "p", Node: n, Store: st})
		begun := time.Now()
		go func() {
			for i := range 50 {
				if err := topic.Publish(t.Context(), messages.Message{Key: []string{"a", "b"}[i%2]}); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		synctest.Wait()
		var sizes []int
		var last time.Duration
		for since := ""; len(sizes) < 3 && !t.Failed(); time.Sleep(time.Millisecond) { // as signals have the pump run
			for b, err := range src.Read(t.Context(), since, 100) {
				if err != nil {
					t.Fatal(err)
				}
				since = b.Since
				if len(b.Entities) > 0 {
					sizes, last = append(sizes, len(b.Entities)), time.Since(begun)
				}
			}
		}
		if fmt.Sprint(sizes) != "[10 10 5]" || last < 1200*time.Millisecond || last > 1600*time.Millisecond {
			t.Errorf("batches of %v, the last after %s", sizes, last)
		}
	})
}
