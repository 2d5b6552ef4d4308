package webhooks_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

// put commits a change, and tells nobody.
func put(t *testing.T, q *webhooks.Queue, st store.Store, ids ...string) *webhooks.Change {
	t.Helper()
	var events []webhooks.Event
	for _, id := range ids {
		events = append(events, webhooks.Event{ID: id, Body: "{}"})
	}
	c, err := q.Offer(t.Context(), events, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stand(t, q, st, c)
	return c
}

func stand(t *testing.T, q *webhooks.Queue, st store.Store, c *webhooks.Change) {
	t.Helper()
	p, err := st.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: webhooks.Dataset(q.ID), Ops: c.Ops}}})
	if err == nil {
		_, err = p.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run has a queue's dispatcher at work until the test has done what it does.
func run(t *testing.T, q *webhooks.Queue, f func()) {
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { (&webhooks.Dispatcher{Queue: q, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Run(ctx) })
	f()
	stop()
	running.Wait()
}

// What the dispatcher has read from the store, and sent, before it is told of it is
// not sent again; and what was done through a queue whose place another has taken
// is heard of by that one.
func TestToldAfterwards(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 100}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		synctest.Wait()
		next := webhooks.NewQueue(q.Endpoint, st)
		if err := next.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, late := put(t, next, st, "early"), put(t, q, st, "old")
		next.Succeed(q)
		run(t, next, func() {
			time.Sleep(time.Hour)
			c.Settle(nil)
			late.Settle(nil)
			time.Sleep(time.Hour)
			if early, old := a.times("early"), a.times("old"); early != 1 || old != 1 {
				t.Errorf("they were sent %d and %d times", early, old)
			}
			put(t, q, st, "new").Settle(nil)
			if err := q.Redeliver(t.Context(), "early", time.Now()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
			if fresh, early := a.times("new"), a.times("early"); fresh != 1 || early != 2 {
				t.Errorf("new was sent %d times, and early %d", fresh, early)
			}
		})
	})
}

// A change that nobody waited for to the end is sent when it stands, once.
func TestDoubt(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 100}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		synctest.Wait()
		c, err := q.Offer(t.Context(), []webhooks.Event{{ID: "late", Body: "{}"}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		later := *c
		c.Settle(context.Canceled)
		q.Changed()
		time.Sleep(time.Hour)
		if n := a.times("late"); n != 0 {
			t.Fatalf("it was sent %d times before it stood", n)
		}
		stand(t, q, st, &later)
		for range 3 {
			q.Changed()
			time.Sleep(time.Hour)
		}
		if n := a.times("late"); n != 1 {
			t.Errorf("it was sent %d times", n)
		}
	})
}

// What is asked for once more before it is noted that it arrived is pending, and not
// forgotten in the place of what has arrived.
func TestPendingIsNotForgotten(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 1, Rate: 1.0 / 3600}, func(t *testing.T, q *webhooks.Queue, st *interrupted, a *asked) {
		synctest.Wait()
		st.after = func() { // what the test itself offers stands
			st.after = func() { // that the first was delivered stands
				time.Sleep(time.Second) // it is due behind the others
				if err := q.Redeliver(t.Context(), "e000", time.Now()); err != nil {
					t.Error(err)
				}
			}
		}
		offer(t, q, st, 4)
		time.Sleep(3*time.Hour + time.Minute)
		if d, err := q.Get(t.Context(), "e000"); err != nil || d.Status != webhooks.Pending {
			t.Errorf("%+v %v", d, err)
		}
		time.Sleep(time.Hour)
		if n := a.times("e000"); n != 2 {
			t.Errorf("it was sent %d times", n)
		}
		c, err := q.Counts(t.Context())
		if err != nil || c[webhooks.Pending] != 0 || c[webhooks.Delivered] != 1 {
			t.Errorf("%v %v", c, err)
		}
	})
}

// bodies notes the bodies of requests.
type bodies struct{ of sync.Map }

func (b *bodies) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	b.of.Store(q.Header.Get("Webhook-Id"), string(body))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, err
}

// More than there is room for in memory is sent all the same.
func TestNoRoom(t *testing.T) {
	inQueue(t, webhooks.Endpoint{KeepDelivered: 100}, func(t *testing.T, q *webhooks.Queue, st *interrupted, _ *asked) {
		synctest.Wait()
		got := &bodies{}
		q.Transport = got
		want := map[string]string{}
		var events []webhooks.Event
		for _, id := range []string{"a", "b", "c", "d"} {
			want[id] = strings.Repeat(id, 3<<20)
			events = append(events, webhooks.Event{ID: id, Body: want[id]})
		}
		c, err := q.Offer(t.Context(), events, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		stand(t, q, st, c)
		c.Settle(nil)
		time.Sleep(time.Hour)
		for id, body := range want {
			if sent, _ := got.of.Load(id); sent != body {
				t.Errorf("%s was not sent as it is", id)
			}
		}
	})
}
