package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems/amqptest"
)

// until waits until a condition holds that a change of the store may bring
// about, or what is not in the store.
func until(t *testing.T, st store.Store, what string, holds func() bool) {
	t.Helper()
	w := st.Watch()
	defer w.Close()
	for end := time.Now().Add(2 * time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within two minutes", what)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _ = w.Next(ctx)
		cancel()
	}
}

func liveIn(t *testing.T, st store.Store, dataset string) int {
	t.Helper()
	info, err := st.Info(t.Context(), dataset)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Live)
}

// outsider is a client of the broker that is no node.
func outsider(t *testing.T, b *amqptest.Broker) *amqp.Channel {
	t.Helper()
	var last error
	for range 20 { // it may be cut off like anybody
		c, err := amqp.Dial("amqp://guest:guest@" + b.Address() + "/")
		if last = err; err != nil {
			continue
		}
		t.Cleanup(func() { _ = c.Close() })
		ch, err := c.Channel()
		if last = err; err == nil {
			return ch
		}
	}
	t.Fatal(last)
	return nil
}

func confirming(t *testing.T, b *amqptest.Broker) *amqp.Channel {
	t.Helper()
	ch := outsider(t, b)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return ch
}

// logged gathers what a node logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func brokerConfig(t *testing.T, b *amqptest.Broker, pipes string) *config.Config {
	return parse(t, fmt.Sprintf(`[{"_id": "rabbit", "type": "system:amqp", "url": "amqp://%s/", "heartbeat": 30}, %s]`, b.Address(), pipes))
}

// A broker that is not ours does the same: SLUICE_TEST_AMQP names host and port
// of one that guest may use. Without it, it is ours.
func TestAMQPElsewhere(t *testing.T) {
	address := os.Getenv("SLUICE_TEST_AMQP")
	if address == "" {
		address = amqptest.New(t, nil).Address()
	}
	const n = 1000
	st := realtime(t)
	queue := fmt.Sprint("sluice-test-", time.Now().UnixNano())
	e := open(t, st, parse(t, fmt.Sprintf(`[{"_id": "rabbit", "type": "system:amqp", "url": "amqp://%s/"},
		{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "src"}, "sink": {"type": "amqp", "system": "rabbit", "exchange": "amq.topic", "key": "%s.{{ _id }}", "headers": {"h": "{{ _id }}"}}},
		{"_id": "in", "type": "pipe", "source": {"type": "amqp", "system": "rabbit", "queue": "%s", "declare": true, "exchange": "amq.topic", "keys": ["%s.#"]}}]`, address, queue, queue, queue)))
	t.Cleanup(func() {
		c, err := amqp.Dial("amqp://guest:guest@" + address + "/")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if ch, err := c.Channel(); err == nil {
			_, _ = ch.QueueDelete(queue, false, false, false)
		}
	})
	in, _ := e.Pipe("in")
	if _, err := in.Run(t.Context(), false); err != nil { // makes the queue
		t.Fatal(err)
	}
	e.Start()
	var all []entity.Value
	for i := range n {
		all = append(all, entities(t, fmt.Sprintf(`{"_id": "%d", "text": "%s"}`, i, strings.Repeat("x", i*20)))...)
	}
	begun := time.Now()
	put(t, st, "src", all, false)
	_ = e.StartPump("out", false) // which fails if it runs already
	until(t, st, "all there and back", func() bool { return liveIn(t, st, "in") == n })
	t.Logf("%d messages there and back in %s", n, time.Since(begun))
	out, _ := e.Pipe("out")
	until(t, st, "the offset", func() bool {
		at, _ := out.Offset(t.Context())
		return at == fmt.Sprint(n-1)
	})
}

func openLogged(t *testing.T, st store.Store, c *config.Config, l *logged) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{Config: c, Store: st, Sets: sets(t), Now: time.Now, Transport: transport(), Log: slog.New(slog.NewTextHandler(l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// realtime opens a store in memory with the machine's clock.
func realtime(t *testing.T) *local.Store {
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

const amqpThere = `{"_id": "in", "type": "pipe", "source": {"type": "amqp", "system": "rabbit", "queue": "orders", "declare": true, "exchange": "shop", "keys": ["order.*", "note.#"], "max_batch_items": 7, "prefetch": 20},
	"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "_updated", "_S._updated"]]}}}`

// Connections break off at random, in the middle of batches, and the node is
// closed and opened again: everything that was published is there once, and
// what is published on arrives at least once.
func TestAMQPLosesNothing(t *testing.T) {
	t.Parallel()
	const n = 240
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := amqptest.New(t, nil)
	st := realtime(t)
	conf := brokerConfig(t, b, amqpThere+`, {"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "pump": {"schedule_interval": 1},
		"sink": {"type": "amqp", "system": "rabbit", "key": "done", "headers": {"of": "{{ key }}"}}}`)
	if _, err := outsider(t, b).QueueDeclare("done", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	log := &logged{}
	e := openLogged(t, st, conf, log)
	e.Start()
	until(t, st, "the queue", func() bool { return b.Ready("orders") >= 0 })
	for i, published := 0, 0; i < 4; i++ {
		for ch := confirming(t, b); published < n*(i+1)/4; {
			sent, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "shop", []string{"order.paid", "note.a.b"}[published%2], false, false, amqp.Publishing{
				MessageId: fmt.Sprint("m", published), ContentType: "application/json", Headers: amqp.Table{"n": int32(published)}, Body: fmt.Appendf(nil, `{"n": %d}`, published)})
			if err == nil && sent.Wait() {
				published++
				continue
			}
			ch = confirming(t, b) // it was cut off too
		}
		b.CutAfter(1 + random.IntN(60))
		if i%2 == 1 {
			at := liveIn(t, st, "in") + random.IntN(20)
			until(t, st, "some", func() bool { return liveIn(t, st, "in") >= min(at, n*(i+1)/4) })
			e.Close()
			e = openLogged(t, st, conf, log)
			e.Start()
		}
		until(t, st, "all that was published", func() bool { return liveIn(t, st, "in") >= n*(i+1)/4 })
	}
	until(t, st, "all that is to be published on", func() bool { return b.Ready("done") >= n })
	until(t, st, "all acknowledged", func() bool { return b.Ready("orders") == 0 })
	e.Close()
	if got := liveIn(t, st, "in"); got != n {
		t.Errorf("%d entities of %d messages", got, n)
	}
	if info, _ := st.Info(t.Context(), "in"); info.Versions != n {
		t.Errorf("%d versions: a message had an effect twice", info.Versions)
	}
	b.CutAfter(0)
	seen := map[string]bool{}
	ch := outsider(t, b)
	for {
		d, ok, err := ch.Get("done", true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if d.DeliveryMode != amqp.Persistent || d.MessageId == "" || d.ContentType != "application/json" {
			t.Fatalf("%+v", d)
		}
		seen[string(d.Body)] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d messages were published on", len(seen), n)
	}
	dials, _, delivered, acked := b.Counts()
	t.Logf("%d connections, %d deliveries, %d acknowledged", dials, delivered, acked)
	if dials < 6 {
		t.Errorf("%d connections: nothing was cut", dials)
	}
	if text := log.String(); !strings.Contains(text, "tried again") || strings.Contains(text, "panic") {
		t.Errorf("the log: %s", text)
	}
}

// The offset of a pipe moves when the broker has confirmed, not before; what no
// queue takes, or the broker refuses, fails.
func TestAMQPConfirms(t *testing.T) {
	t.Parallel()
	b := amqptest.New(t, nil)
	st := realtime(t)
	e := open(t, st, brokerConfig(t, b, `{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "src"},
		"sink": {"type": "amqp", "system": "rabbit", "exchange": "amq.topic", "key": "k.{{ _id }}", "confirm_timeout": 1, "message_id_property": "mid"}}`))
	p, _ := e.Pipe("out")
	put(t, st, "src", entities(t, `{"_id": "1", "mid": "x"}`), false)
	lost := open(t, st, brokerConfig(t, b, `{"_id": "lost", "type": "pipe", "source": {"type": "dataset", "dataset": "src"},
		"sink": {"type": "amqp", "system": "rabbit", "exchange": "nowhere", "key": "k"}}`))
	if q, _ := lost.Pipe("lost"); true {
		if _, err := q.Run(t.Context(), false); err == nil || !strings.Contains(err.Error(), "NOT_FOUND - no exchange 'nowhere'") {
			t.Errorf("%v", err)
		}
	}
	// A run that the machine holds up for longer than it may take fails otherwise.
	fails := func(want string) {
		t.Helper()
		until(t, st, want, func() bool {
			_, err := p.Run(t.Context(), false)
			if at, _ := p.Offset(t.Context()); err == nil || at != "" {
				t.Fatalf("error %v, want %q; the offset is %q", err, want, at)
			}
			t.Log(err)
			return strings.Contains(err.Error(), want)
		})
	}
	fails(`no queue takes the message with the key "k.1" from exchange "amq.topic"`)
	ch := outsider(t, b)
	_, err := ch.QueueDeclare("q", true, false, false, false, nil)
	if err == nil {
		err = ch.QueueBind("q", "k.*", "amq.topic", false, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.HoldConfirms(true)
	fails("the broker did not confirm the message")
	b.HoldConfirms(false)
	b.Refuse(true)
	fails("the broker refused the message")
	b.Refuse(false)
	until(t, st, "it arrives", func() bool {
		_, err := p.Run(t.Context(), false)
		return err == nil
	})
	if at, _ := p.Offset(t.Context()); at != "0" {
		t.Errorf("the offset is %q", at)
	}
	d, ok, err := ch.Get("q", true)
	if err != nil || !ok || d.MessageId != "x" || d.RoutingKey != "k.1" {
		t.Errorf("%v, %v, %+v", ok, err, d)
	}
}

// A broker that reads nothing for a while, though it lives, holds up no run for
// longer than it may take, and nobody who wants to end; then it gets everything.
func TestAMQPDeafBroker(t *testing.T) {
	t.Parallel()
	b := amqptest.New(t, nil)
	st := realtime(t)
	c := parse(t, fmt.Sprintf(`[{"_id": "rabbit", "type": "system:amqp", "url": "amqp://%s/", "connect_timeout": 1},
		{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "src"}, "sink": {"type": "amqp", "system": "rabbit", "key": "q", "confirm_timeout": 1}},
		{"_id": "patient", "type": "pipe", "source": {"type": "dataset", "dataset": "src"}, "sink": {"type": "amqp", "system": "rabbit", "key": "q", "confirm_timeout": 60}}]`, b.Address()))
	if _, err := outsider(t, b).QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	e := open(t, st, c)
	out, _ := e.Pipe("out")
	patient, _ := e.Pipe("patient")
	ends := func(what string, f func()) {
		t.Helper()
		ended := make(chan bool)
		go func() {
			f()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(2 * time.Minute):
			t.Fatal(what, "does not end")
		}
	}
	run := func(p *pipes.Pipe) (err error) {
		t.Helper()
		ends("the run", func() { _, err = p.Run(t.Context(), false) })
		return err
	}
	put(t, st, "src", entities(t, `{"_id": "small"}`), false)
	until(t, st, "the first arrives", func() bool { return run(out) == nil })
	// At first what is sent goes into the void, then there is no room for more: that
	// is so much that a slow machine takes longer than a second to hear it all.
	for i, size := range []int{1, 20 << 20} {
		hear := b.Deaf()
		put(t, st, "src", entities(t, fmt.Sprintf(`{"_id": "n%d", "text": %q}`, i, strings.Repeat("x", size))), false)
		for range 2 {
			if run(out) == nil {
				t.Error("what nobody has read is confirmed")
			}
		}
		hear()
		until(t, st, "the broker has everything", func() bool { return run([]*pipes.Pipe{out, patient}[i]) == nil })
	}
	hear := b.Deaf()
	defer hear()
	put(t, st, "src", entities(t, `{"_id": "last"}`), false)
	if run(out) == nil {
		t.Error("what nobody has read is confirmed")
	}
	ends("the node", e.Close)
	if n := b.Ready("q"); n < 3 {
		t.Errorf("%d messages arrived", n)
	}
}

// A run by hand takes what the queue holds. What fails stays with the broker, and
// what is no JSON though it says so is text.
func TestAMQPByHand(t *testing.T) {
	t.Parallel()
	b := amqptest.New(t, nil)
	st := realtime(t)
	e := open(t, st, brokerConfig(t, b, `{"_id": "in", "type": "pipe", "source": {"type": "amqp", "system": "rabbit", "queue": "q", "declare": true, "max_batch_items": 2},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.body", "bad"], ["fail!", "no"]]]}}}`))
	p, _ := e.Pipe("in")
	if _, err := p.Run(t.Context(), true); err != nil || b.Ready("q") != 0 {
		t.Fatal(err, b.Ready("q"))
	}
	ch := outsider(t, b)
	send := func(id, kind, body string, h amqp.Table) {
		t.Helper()
		if err := ch.PublishWithContext(t.Context(), "", "q", false, false, amqp.Publishing{MessageId: id, ContentType: kind, Body: []byte(body), Headers: h, CorrelationId: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	send("1", "application/json", `{"a": 1.5}`, amqp.Table{"s": "x", "b": true, "i": int64(5), "u": uint8(3), "f": 0.5, "t": at, "l": []any{"y", nil}, "d": amqp.Table{"k": []byte{0xff}}, "m": amqp.Decimal{Scale: 2, Value: 314}})
	send("2", "application/json", `{"a":`, nil)
	send("3", "text/plain", "bad", nil)
	send("4", "application/octet-stream", "\xff", nil)
	send("1", "application/json", `{"a": 2}`, nil)
	until(t, st, "all there", func() bool { return b.Ready("q") == 5 })
	if _, err := p.Run(t.Context(), false); err == nil || !strings.Contains(err.Error(), "no") {
		t.Fatalf("%v", err)
	}
	want := `{"_id":"1","key":"q","exchange":"","headers":{"b":true,"d":{"k":"~b/w=="},"f":0.5,"i":5,"l":["y",null],"m":3.14,"s":"x","t":"~t2026-01-02T03:04:05Z","u":3},"body":{"a":"~f1.5"},"content_type":"application/json","correlation_id":"c"}
{"_id":"2","key":"q","exchange":"","headers":{},"body":"{\"a\":","content_type":"application/json","correlation_id":"c"}
`
	if got := dump(t, st, "in", false); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	until(t, st, "what was not acknowledged is back", func() bool { return b.Ready("q") == 3 })
	if got := dump(t, st, "system:amqp-seen:in", false); strings.Count(got, `"_id"`) != 2 {
		t.Errorf("remembered: %s", got)
	}
}

// A pump that is disabled takes nothing from the broker, not even into memory;
// one that is enabled again goes on.
func TestAMQPDisabled(t *testing.T) {
	t.Parallel()
	b := amqptest.New(t, nil)
	st := realtime(t)
	e := open(t, st, brokerConfig(t, b, `{"_id": "in", "type": "pipe", "source": {"type": "amqp", "system": "rabbit", "queue": "q", "declare": true}}`))
	e.Start()
	until(t, st, "the queue", func() bool { return b.Ready("q") == 0 })
	ch := confirming(t, b)
	send := func(id string) {
		t.Helper()
		sent, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "q", false, false, amqp.Publishing{MessageId: id})
		if err != nil || !sent.Wait() {
			t.Fatal(err)
		}
	}
	send("1")
	until(t, st, "the first", func() bool { return liveIn(t, st, "in") == 1 })
	if err := e.SetEnabled(t.Context(), "in", false, engine.Switch{By: "me"}); err != nil {
		t.Fatal(err)
	}
	until(t, st, "nobody consumes", func() bool { return b.Consumers("q") == 0 })
	send("2")
	if n := b.Ready("q"); n != 1 {
		t.Errorf("%d messages wait", n)
	}
	if err := e.SetEnabled(t.Context(), "in", true, engine.Switch{By: "me"}); err != nil {
		t.Fatal(err)
	}
	until(t, st, "the second", func() bool { return liveIn(t, st, "in") == 2 })
	e.Close()
	until(t, st, "the node is gone", func() bool { return b.Consumers("q") == 0 })
}
