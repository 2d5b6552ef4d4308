package pipeforce

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// slow is a store whose batches are safe after a while.
type slow struct{ store.Store }

const while = 20 * time.Millisecond

func (s slow) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	p, err := s.Store.Append(ctx, b)
	return late{p, time.Now().Add(while)}, err
}

// late is not safe before its time.
type late struct {
	store.Pending
	due time.Time
}

func (l late) Wait(ctx context.Context) (store.Result, error) {
	time.Sleep(time.Until(l.due))
	return l.Pending.Wait(ctx)
}

// P-8: a token that nobody has costs what one costs that somebody has. The clock is
// the test's own, on which nothing takes time but the store.
func TestUnknownTokenTakesAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		_, mux := nodeOn(t, slow{st})
		_, hook := ask(mux, "POST", "/api/v3/command/webhook.put", url.Values{"eventKey": {"webhook.x"}})
		known, _ := hook["uuid"].(string)
		for range 3 {
			for _, token := range []string{known, "ba4825b6-6718-42f3-a400-000000000000"} {
				begun := time.Now()
				if w, _ := ask(mux, "POST", "/api/v3/webhook.receive?token="+token, url.Values{"a": {"1"}}); w.Code != http.StatusOK {
					t.Error(w.Code, w.Body)
				}
				if took := time.Since(begun); took != while {
					t.Errorf("%s is answered after %s", token, took)
				}
			}
		}
	})
}

// What takes less nevertheless waits for the rest.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.spinning.Store(true) // else the last moment would be waited for busily
		const size, kilo = 100, 1 << 10
		for _, known := range []time.Duration{time.Hour, 50 * time.Millisecond, 40 * time.Millisecond} {
			p.note(true, size, known)
		}
		for first, want := range map[time.Duration]time.Duration{0: 50 * time.Millisecond, 10 * time.Millisecond: 40 * time.Millisecond, time.Second: 0} {
			if got := p.owed(size, first); got != want {
				t.Errorf("the first one, after %s, owes %s", first, got)
			}
		}
		p.note(false, size, 20*time.Millisecond)
		if got := p.owed(size, time.Second); got != 30*time.Millisecond {
			t.Errorf("it owes %s", got)
		}
		if got := p.owed(100*kilo, time.Second); got != 0 {
			t.Errorf("one of another size owes %s", got)
		}
		begun := time.Now()
		if err := p.wait(t.Context(), 30*time.Millisecond); err != nil || time.Since(begun) != 30*time.Millisecond-coarse {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
