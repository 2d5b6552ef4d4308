package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/webhooks"
)

// interrupted is a store that has somebody do something just when a batch stands,
// before whoever wrote it hears of that; or just before one that deletes.
type interrupted struct {
	store.Store
	after   func()
	before  func()
	cramped atomic.Bool // there is room for deliveries, and none for what was tried
}

func (s *interrupted) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if s.cramped.Load() && tried(b) {
		return nil, fmt.Errorf("no room: %w", store.ErrTooLarge)
	}
	if before := s.before; before != nil && forgets(b) {
		s.before = nil
		before()
	}
	p, err := s.Store.Append(ctx, b)
	return stood{p, s}, err
}

func forgets(b *store.Batch) bool {
	for _, w := range b.Writes {
		if slices.ContainsFunc(w.Ops, func(op store.Op) bool { return entity.Deleted(op.Entity) }) {
			return true
		}
	}
	return false
}

func tried(b *store.Batch) bool {
	for _, w := range b.Writes {
		for _, op := range w.Ops {
			if attempts, _ := op.Entity.Get("attempts"); attempts.Len() > 0 {
				return true
			}
		}
	}
	return false
}

type stood struct {
	store.Pending
	s *interrupted
}

func (p stood) Wait(ctx context.Context) (store.Result, error) {
	r, err := p.Pending.Wait(ctx)
	if after := p.s.after; after != nil {
		p.s.after = nil
		after()
	}
	return r, err
}

// asked counts the requests that came, by the ids of their events.
type asked struct {
	mu  sync.Mutex
	of  map[string]int
	ill bool          // it answers 500
	set time.Duration // by how much the dispatcher's clock was set back
}

func (a *asked) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Add(-a.set)
}

func (a *asked) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *asked) RoundTrip(q *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[q.Header.Get("Webhook-Id")]++
	status := http.StatusOK
	if a.ill {
		status = http.StatusInternalServerError
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func (a *asked) times(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of[id]
}

// inQueue runs f with a queue and its dispatcher at work.
func inQueue(t *testing.T, e webhooks.Endpoint, f func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked)) {
	synctest.Test(t, func(t *testing.T) {
		base, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		st, a := &interrupted{Store: base}, &asked{of: map[string]int{}}
		e.ID, e.Method, e.IDHeader, e.Transport, e.Timeout, e.Most = "hook", http.MethodPost, "Webhook-Id", a, time.Second, 1000
		e.Target = func(time.Time) (*webhooks.Target, error) {
			same := func(s string) string { return s }
			return &webhooks.Target{URL: "https://example.com/hook", Redact: same, Address: same}, nil
		}
		q := webhooks.NewQueue(e, st)
		if err := q.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { (&webhooks.Dispatcher{Queue: q, Now: a.now, Log: slog.New(slog.DiscardHandler)}).Run(ctx) })
		f(t, q, st, a)
		stop()
		running.Wait()
		if err := base.Close(); err != nil {
			t.Error(err)
		}
	})
}

// offer puts events into the queue.
func offer(t *testing.T, q *webhooks.Queue, st store.Store, n int) {
	t.Helper()
	offerAt(t, q, st, n, time.Now())
}

func offerAt(t *testing.T, q *webhooks.Queue, st store.Store, n int, now time.Time) {
	t.Helper()
	var events []webhooks.Event
	for i := range n {
		events = append(events, webhooks.Event{ID: fmt.Sprintf("e%03d", i), Body: "{}"})
	}
	c, err := q.Offer(t.Context(), events, now)
	if err != nil {
		t.Fatal(err)
	}
	p, err := st.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: webhooks.Dataset(q.ID), Ops: c.Ops}}})
	if err == nil {
		_, err = p.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(nil)
}

// Who asks for a delivery once more in the moment in which it arrives gets it.
func TestRedeliverAtOnce(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 100}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		synctest.Wait()
		offered := make(chan bool)
		st.after = func() { // what the test itself offers stands
			st.after = func() { // that it was delivered stands
				if err := q.Redeliver(t.Context(), "e000", time.Now()); err != nil {
					t.Error(err)
				}
				synctest.Wait() // the dispatcher has read that
				close(offered)
			}
		}
		offer(t, q, st, 1)
		<-offered
		time.Sleep(time.Hour)
		if n := a.times("e000"); n != 2 {
			t.Errorf("it was sent %d times, want 2", n)
		}
		if d, err := q.Get(t.Context(), "e000"); err != nil || d.Status != webhooks.Delivered || d.Made != 2 {
			t.Errorf("%+v %v", d, err)
		}
	})
}

// Who asks for a delivery that waits for its next try does not wait for it: the
// receiver may be well again long before. A disabled endpoint is sent nothing.
func TestRedeliverPending(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 10, Schedule: []time.Duration{5 * time.Hour, 5 * time.Hour}}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		a.change(func() { a.ill = true })
		offer(t, q, st, 2)
		time.Sleep(time.Minute)
		a.change(func() { a.ill = false })
		if err := q.Redeliver(t.Context(), "e000", time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if d, err := q.Get(t.Context(), "e000"); err != nil || d.Status != webhooks.Delivered || d.Tries != 2 || len(d.Attempts) != 2 || a.times("e000") != 2 || a.times("e001") != 1 {
			t.Errorf("%+v %v, sent %d and %d times", d, err, a.times("e000"), a.times("e001"))
		}
		if err := q.SetEnabled(t.Context(), false, "me", "", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := q.Redeliver(t.Context(), "e001", time.Now()); !errors.Is(err, webhooks.ErrPending) {
			t.Error(err)
		}
		time.Sleep(24 * time.Hour)
		if n := a.times("e001"); n != 1 {
			t.Errorf("a disabled endpoint was asked %d times", n)
		}
	})
}

// What is recovered are those that were given up and queued since one time and before
// another, and nothing else; all tries are theirs again.
func TestRecoverRange(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 10, KeepFailed: 10, Schedule: []time.Duration{time.Minute}}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		a.change(func() { a.ill = true })
		begun := time.Now()
		for n := range 4 { // e000 to e003, an hour apart: those that are there are not queued again
			offer(t, q, st, n+1)
			time.Sleep(time.Hour)
		}
		for _, span := range [][2]time.Duration{{time.Hour, 3 * time.Hour}, {5 * time.Hour, 0}, {0, 0}} {
			until := time.Time{}
			if span[1] > 0 {
				until = begun.Add(span[1])
			}
			n, err := q.Recover(t.Context(), begun.Add(span[0]), until, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			got := fmt.Sprint(n, ": ", a.times("e000"), a.times("e001"), a.times("e002"), a.times("e003"))
			if want := map[time.Duration]string{time.Hour: "2: 2 4 4 2", 5 * time.Hour: "0: 2 4 4 2", 0: "4: 4 6 6 4"}[span[0]]; got != want {
				t.Errorf("since %s until %s: %s, want %s", span[0], span[1], got, want)
			}
		}
	})
}

// When the clock is set back by a day nothing waits for a day more.
func TestClockSetBack(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 10, Schedule: []time.Duration{time.Minute}}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		a.change(func() { a.ill = true })
		offer(t, q, st, 1)
		time.Sleep(10 * time.Second)
		a.change(func() { a.set, a.ill = 24*time.Hour, false })
		time.Sleep(10 * time.Minute)
		if n := a.times("e000"); n != 2 {
			t.Errorf("it was tried %d times", n)
		}
		// What was queued just before, and is read after.
		offerAt(t, q, st, 3, time.Now())
		time.Sleep(time.Second)
		if n := a.times("e001") + a.times("e002"); n != 2 {
			t.Errorf("%d of two new ones were sent", n)
		}
	})
}

// A delivery that is asked for once more while old ones are forgotten is sent, and
// is forgotten only then.
func TestRedeliverWhileTrimmed(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 2}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		synctest.Wait()
		var again sync.WaitGroup
		st.before = func() {
			again.Go(func() {
				if err := q.Redeliver(t.Context(), "e000", time.Now()); err != nil && err != webhooks.ErrNoDelivery {
					t.Error(err)
				} else if err == nil {
					a.mu.Lock()
					a.of["wanted"]++
					a.mu.Unlock()
				}
			})
			synctest.Wait()
		}
		offer(t, q, st, 5)
		time.Sleep(time.Hour)
		again.Wait()
		if sent, wanted := a.times("e000"), 1+a.times("wanted"); sent != wanted {
			t.Errorf("it was sent %d times, want %d", sent, wanted)
		}
		counts, err := q.Counts(t.Context())
		if err != nil || counts[webhooks.Pending] != 0 {
			t.Errorf("%v %v", counts, err)
		}
	})
}

// A rate that is as good as none is a rate all the same.
func TestTinyRate(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 10, Rate: 1e-12}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		offer(t, q, st, 3)
		for i := range 3 {
			time.Sleep(time.Hour)
			if n := a.times("e000") + a.times("e001") + a.times("e002"); n != i+1 {
				t.Errorf("%d were sent on day %d", n, i)
			}
			time.Sleep(23 * time.Hour)
		}
	})
}

// A delivery that is so large that what was tried has no room beside it is not sent
// again and again for that.
func TestNoRoomForAttempts(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 10}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		st.cramped.Store(true)
		offer(t, q, st, 1)
		time.Sleep(24 * time.Hour)
		if d, err := q.Get(t.Context(), "e000"); err != nil || d.Status != webhooks.Delivered || a.times("e000") != 1 {
			t.Errorf("%+v %v, sent %d times", d, err, a.times("e000"))
		}
	})
}
