package messages_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

func open(t *testing.T) *local.Store {
	t.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func consumer(t *testing.T, o messages.ConsumerOptions, pattern string) *messages.Consumer {
	t.Helper()
	var err error
	if o.Pattern, err = messages.ParsePattern(pattern); err != nil {
		t.Fatal(err)
	}
	if o.Name == "" {
		o.Name = "c"
	}
	c, err := messages.OpenConsumer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, topic messages.Topic, keys ...string) {
	t.Helper()
	var all []messages.Message
	for _, k := range keys {
		all = append(all, messages.Message{ID: "id-" + k, Key: k, Body: entity.NewString("of " + k)})
	}
	if err := topic.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := topic.Publish(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
}

// fetch returns the keys of a batch, and the batch.
func fetch(t *testing.T, c *messages.Consumer) (string, []messages.Delivery) {
	t.Helper()
	got, err := c.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, d := range got {
		if d.Body.Text() != "of "+d.Key {
			t.Errorf("message %s has the body %s", d.Key, d.Body)
		}
		keys = append(keys, fmt.Sprintf("%s/%d", d.Key, d.Tries))
	}
	return strings.Join(keys, " "), got
}

func expect(t *testing.T, c *messages.Consumer, want string) []messages.Delivery {
	t.Helper()
	keys, got := fetch(t, c)
	if keys != want {
		t.Fatalf("got %q, want %q", keys, want)
	}
	return got
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is not settled comes again when the consumer is opened anew; what is
// does not, whatever the order it was settled in.
func TestDurable(t *testing.T) {
	topic := messages.Topic{Name: "x", Store: open(t)}
	publish(t, topic, "a.1", "b.1", "a.2", "a.3", "a.4", "a.5")
	for _, pattern := range []string{"a.*", "#"} {
		o := messages.ConsumerOptions{Topic: topic, Name: pattern, MaxItems: 3}
		c := consumer(t, o, pattern)
		_, got := fetch(t, c)
		must(t, c.Ack(t.Context(), got[1]))
		if err := c.Ack(t.Context(), got[0], got[1]); !errors.Is(err, messages.ErrNotOpen) {
			t.Errorf("settled twice: %v", err)
		}
		c.Close()
		c = consumer(t, o, pattern)
		again := got[0].Key + "/0 " + got[2].Key + "/0"
		keys, got := fetch(t, c)
		if !strings.HasPrefix(keys, again+" ") || len(got) != 3 {
			t.Errorf("after a restart: %q, want %q and one more", keys, again)
		}
		must(t, c.Ack(t.Context(), got...))
		rest, got := fetch(t, c)
		must(t, c.Ack(t.Context(), got...))
		if !strings.Contains(rest, "a.5/0") {
			t.Errorf("the rest: %q", rest)
		}
		expect(t, c, "")
		c.Close()
		c = consumer(t, o, pattern)
		expect(t, c, "")
		c.Close()
	}
}

// A message that is refused comes again, later, until it is given up; others
// do not wait for it. One that is dropped is gone.
func TestRedelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := open(t)
		topic := messages.Topic{Name: "x", Store: st}
		publish(t, topic, "k.1", "k.2", "k.3")
		c := consumer(t, messages.ConsumerOptions{Topic: topic, MaxItems: 2, Redeliveries: 2, RetryDelay: time.Minute, DeadLetters: "letters"}, "k.#")
		defer c.Close()
		got := expect(t, c, "k.1/0 k.2/0")
		must(t, c.Settle(t.Context(), store.Batch{}, messages.Verdict{Delivery: got[0], Outcome: messages.Nack, Reason: "no"},
			messages.Verdict{Delivery: got[1], Outcome: messages.Drop}))
		must(t, c.Ack(t.Context(), expect(t, c, "k.3/0")...))
		expect(t, c, "")
		for tries := 1; tries <= 2; tries++ {
			begun := time.Now()
			again, err := c.Next(t.Context())
			must(t, err)
			if len(again) != 1 || again[0].Key != "k.1" || again[0].Tries != tries || time.Since(begun) < time.Minute {
				t.Fatalf("try %d after %s: %v", tries, time.Since(begun), again)
			}
			must(t, c.Nack(t.Context(), "still no", again...))
		}
		time.Sleep(time.Hour)
		expect(t, c, "")
		page, err := st.Read(t.Context(), "letters", store.Query{Since: store.Start}, nil)
		must(t, err)
		if len(page.Entities) != 1 {
			t.Fatalf("%d dead letters", len(page.Entities))
		}
		e := page.Entities[0]
		reason, _ := e.Get("reason")
		deliveries, _ := e.Get("deliveries")
		if id, _ := entity.ID(e); id != "id-k.1" || reason.Text() != "still no" || deliveries.String() != "3" {
			t.Errorf("dead letter %s", e)
		}
	})
}

// Who waits hears of a message at once, without asking again and again.
func TestSignalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := messages.Topic{Name: "x", Store: open(t)}
		c := consumer(t, messages.ConsumerOptions{Topic: topic, FromNow: true}, "a.b")
		defer c.Close()
		var key atomic.Value
		go func() {
			got, err := c.Next(t.Context())
			if err == nil && len(got) == 1 {
				key.Store(got[0].Key)
			}
		}()
		synctest.Wait()
		begun := time.Now()
		publish(t, topic, "a.c", "a.b")
		synctest.Wait()
		if key.Load() != "a.b" || !time.Now().Equal(begun) {
			t.Errorf("heard %v after %s", key.Load(), time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting in vain: %v", err)
		}
	})
}

// Batches are bounded in messages, bytes, and in what is open at once.
func TestBounds(t *testing.T) {
	topic := messages.Topic{Name: "x", Store: open(t)}
	must(t, topic.Load(t.Context()))
	big := strings.Repeat("x", 1000)
	for i := range 6 {
		must(t, topic.Publish(t.Context(), messages.Message{Key: fmt.Sprint("k", i), Body: entity.NewString(big[:100+900*(i%2)])}))
	}
	c := consumer(t, messages.ConsumerOptions{Topic: topic, MaxItems: 10, MaxBytes: 700, MaxOpen: 4}, "#")
	defer c.Close()
	var sizes []int
	var all []messages.Delivery
	for range 5 {
		got, err := c.Fetch(t.Context())
		must(t, err)
		sizes = append(sizes, len(got))
		all = append(all, got...)
	}
	if fmt.Sprint(sizes) != "[1 1 1 1 0]" {
		t.Errorf("batches of %v", sizes)
	}
	must(t, c.Ack(t.Context(), all...))
	if got, err := c.Fetch(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// What a message is comes back as it was; what can be none is refused whole.
func TestMessage(t *testing.T) {
	topic := messages.Topic{Name: "x", Store: open(t)}
	must(t, topic.Load(t.Context()))
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	m := messages.Message{Key: "a.b", Headers: entity.NewDict(entity.Member{Key: "trace", Value: entity.NewString("t1")}),
		Body: entity.NewBytes([]byte{0xff, 0}), ContentType: "application/octet-stream", Published: at}
	must(t, topic.Publish(t.Context(), m))
	for _, wrong := range []messages.Message{{Key: "a.#"}, {Key: "~ta"}, {ID: "~:x"}, {Key: strings.Repeat("k", 256)}, {Key: "\xff"}, {Headers: entity.NewInt(1)}, {ID: strings.Repeat("i", 600)}} {
		if err := topic.Publish(t.Context(), messages.Message{Key: "fine"}, wrong); err == nil {
			t.Errorf("%v was published", wrong)
		}
	}
	c := consumer(t, messages.ConsumerOptions{Topic: topic, MaxItems: 10}, "#")
	defer c.Close()
	got, err := c.Fetch(t.Context())
	must(t, err)
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	trace, _ := got[0].Headers.Get("trace")
	if g := got[0]; g.Key != m.Key || trace.Text() != "t1" || string(g.Body.Octets()) != "\xff\x00" ||
		g.ContentType != m.ContentType || !g.Published.Equal(at) || g.ID == "" {
		t.Errorf("%+v", g)
	}
}

// Compaction takes what is old, or too much, but nothing that a consumer still
// needs.
func TestRetention(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	st, err := local.Open("mem", local.Options{InMemory: true, Clock: clock})
	must(t, err)
	defer st.Close()
	topic := messages.Topic{Name: "x", Store: st, Now: clock}
	must(t, topic.Load(t.Context()))
	for i := range 100 {
		must(t, topic.Publish(t.Context(), messages.Message{ID: fmt.Sprint(i), Key: "k"}))
		now = now.Add(time.Minute)
	}
	c := consumer(t, messages.ConsumerOptions{Topic: topic, MaxItems: 10}, "#")
	defer c.Close()
	compact := func(l messages.Limits) int64 {
		keep, err := topic.Retention(t.Context(), l)
		must(t, err)
		floors, err := messages.Floors(t.Context(), st)
		must(t, err)
		_, err = st.Compact(t.Context(), store.CompactOptions{Datasets: map[string]store.Retention{topic.Dataset(): keep}, Floors: floors, Seal: true})
		must(t, err)
		info, err := st.Info(t.Context(), topic.Dataset())
		must(t, err)
		return info.Live
	}
	tight := messages.Limits{Age: time.Minute, Most: 1 << 40}
	if n := compact(tight); n != 100 {
		t.Errorf("%d messages are left though none was consumed", n)
	}
	first, err := c.Fetch(t.Context())
	must(t, err)
	second, err := c.Fetch(t.Context())
	must(t, err)
	must(t, c.Ack(t.Context(), second...))
	if n := compact(tight); n != 100 {
		t.Errorf("%d messages are left though the first is open", n)
	}
	must(t, c.Ack(t.Context(), first...))
	if n := compact(tight); n != 80 {
		t.Errorf("%d messages are left of 80", n)
	}
	for range 8 {
		rest, err := c.Fetch(t.Context())
		must(t, err)
		must(t, c.Ack(t.Context(), rest...))
	}
	if n := compact(messages.Limits{Age: 30*time.Minute + time.Second, Most: 1 << 40}); n != 30 {
		t.Errorf("%d messages are left of 30", n)
	}
	if n := compact(messages.Limits{Age: time.Hour, Most: 10}); n != 10 {
		t.Errorf("%d messages are left of 10", n)
	}
}

// Only one consumer of a name may be at work: the other learns of it before
// anything is settled twice.
func TestTwice(t *testing.T) {
	topic := messages.Topic{Name: "x", Store: open(t)}
	publish(t, topic, "k.1", "k.2")
	a := consumer(t, messages.ConsumerOptions{Topic: topic}, "#")
	defer a.Close()
	b := consumer(t, messages.ConsumerOptions{Topic: topic}, "#")
	defer b.Close()
	got := expect(t, a, "k.1/0")
	if err := a.Ack(t.Context(), got...); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%v", err)
	}
	must(t, b.Ack(t.Context(), expect(t, b, "k.1/0")...))
}

// shaky is a store that fails once at what is named.
type shaky struct {
	store.Store
	fail atomic.Pointer[string]
}

var errShaky = errors.New("the disk is away")

func (s *shaky) fails(what string) bool {
	f := s.fail.Load()
	return f != nil && *f == what && s.fail.CompareAndSwap(f, nil)
}

func (s *shaky) GetAt(ctx context.Context, d string, at store.Offset, a *entity.Arena) (entity.Value, error) {
	if s.fails("look up") {
		return entity.Value{}, errShaky
	}
	return s.Store.GetAt(ctx, d, at, a)
}

func (s *shaky) Read(ctx context.Context, d string, q store.Query, a *entity.Arena) (store.Page, error) {
	if s.fails("read") {
		return store.Page{}, errShaky
	}
	return s.Store.Read(ctx, d, q, a)
}

func (s *shaky) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if s.fails("save") {
		return nil, errShaky
	}
	return s.Store.Append(ctx, b)
}

// A store that fails once costs no message: the next batch has all of them.
func TestStoreFailsOnce(t *testing.T) {
	for _, what := range []string{"look up", "read", "save"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &shaky{Store: open(t)}
				topic := messages.Topic{Name: "x", Store: st}
				c := consumer(t, messages.ConsumerOptions{Topic: topic, MaxItems: 5000, MaxBytes: 1 << 30, MaxOpen: 5000}, "#")
				defer c.Close()
				publish(t, topic, "a", "b", "c")
				got, err := c.Fetch(t.Context())
				if err != nil || len(got) != 3 {
					t.Fatal(got, err)
				}
				if err := c.Nack(t.Context(), "again", got...); err != nil {
					t.Fatal(err)
				}
				var more []string
				for i := range 1100 { // so many that the place is saved
					more = append(more, fmt.Sprintf("k%d", i))
				}
				publish(t, topic, more...)
				time.Sleep(time.Minute)
				st.fail.Store(&what)
				if got, err := c.Fetch(t.Context()); !errors.Is(err, errShaky) || len(got) > 0 {
					t.Errorf("%s: %d messages, %v", what, len(got), err)
				}
				if got, err := c.Fetch(t.Context()); err != nil || len(got) != 1103 {
					t.Errorf("%s: afterwards %d messages, %v", what, len(got), err)
				}
			})
		})
	}
}

// Of many that wait, as many go on as there are messages.
func TestManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := messages.Topic{Name: "x", Store: open(t)}
		c := consumer(t, messages.ConsumerOptions{Topic: topic}, "#")
		defer c.Close()
		got := make(chan string, 10)
		for range 3 {
			go func() {
				all, err := c.Next(t.Context())
				if err != nil || len(all) != 1 {
					t.Error(all, err)
					return
				}
				got <- all[0].Key
			}()
		}
		synctest.Wait()
		publish(t, topic, "a", "b", "c")
		synctest.Wait() // and no time passes
		if len(got) != 3 {
			t.Errorf("%d of 3 went on", len(got))
		}
		time.Sleep(time.Hour) // so that all end
	})
}
