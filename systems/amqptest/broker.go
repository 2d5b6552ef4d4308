package amqptest

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/messages"
)

// Broker is a broker in the test's process.
type Broker struct {
	// User and Password are whom it lets in: guest and guest.
	User, Password string
	ln             net.Listener
	all            sync.WaitGroup
	mu             struct {
		sync.Mutex
		closed    bool
		conns     map[*conn]bool
		exchanges map[string]*exchange
		queues    map[string]*queue
		deaf      chan struct{} // nothing is read until it closes; nil if all is
		hear      func()
		held      bool // nothing is confirmed
		refuse    bool // nothing is confirmed but refused
		dials     int
		cutAfter  int // deliveries until all connections are cut; 0: never
		delivered int
		acked     int
		published int
	}
}

type exchange struct {
	kind     string
	bindings []binding
}

type binding struct {
	queue, key string
	pattern    messages.Pattern
}

// message is one in a queue. Its properties are as they came on the wire.
type message struct {
	exchange, key string
	header        []byte
	body          []byte
	redelivered   bool
}

type queue struct {
	name      string
	ready     []*message
	consumers []*consumer
}

type consumer struct {
	ch    *channel
	tag   string
	noAck bool
}

// New starts a broker that ends with the test; with TLS if a configuration is
// given.
func New(t testing.TB, secure *tls.Config) *Broker {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	b := &Broker{User: "guest", Password: "guest", ln: ln}
	b.mu.conns, b.mu.queues = map[*conn]bool{}, map[string]*queue{}
	b.mu.exchanges = map[string]*exchange{"amq.topic": {kind: "topic"}, "amq.direct": {kind: "direct"}, "amq.fanout": {kind: "fanout"}}
	b.all.Go(b.accept)
	t.Cleanup(b.Close)
	return b
}

// Address is the broker's host and port.
func (b *Broker) Address() string { return b.ln.Addr().String() }

// Close ends the broker.
func (b *Broker) Close() {
	b.mu.Lock()
	b.mu.closed = true
	hear := b.mu.hear
	b.mu.Unlock()
	if hear != nil {
		hear()
	}
	_ = b.ln.Close()
	b.Cut()
	b.all.Wait()
}

func (b *Broker) accept() {
	for {
		c, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.mu.dials++
		closed := b.mu.closed
		b.mu.Unlock()
		if closed {
			_ = c.Close()
			return
		}
		b.all.Go(func() { b.serve(c) })
	}
}

// Cut breaks all connections off, as if the network had.
func (b *Broker) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cutLocked()
}

func (b *Broker) cutLocked() {
	for c := range b.mu.conns {
		_ = c.net.Close()
	}
}

// CutAfter breaks all connections off after so many more deliveries.
func (b *Broker) CutAfter(deliveries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.cutAfter = deliveries
}

// HoldConfirms has the broker confirm nothing of what is published, or go on.
func (b *Broker) HoldConfirms(hold bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held = hold
}

// Refuse has the broker refuse what is published, by basic.nack.
func (b *Broker) Refuse(refuse bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.refuse = refuse
}

// Deaf has the broker read nothing more until hear is called, as brokers do with
// those who publish when they are short of memory. It goes on giving signs of life.
func (b *Broker) Deaf() (hear func()) {
	wait, done := make(chan struct{}), make(chan struct{})
	b.mu.Lock()
	b.mu.deaf = wait
	b.mu.Unlock()
	b.all.Go(func() {
		defer close(done)
		for beat := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-wait:
				beat.Stop()
				return
			case <-beat.C:
			}
			b.mu.Lock()
			for c := range b.mu.conns {
				c.write(appendFrame(nil, frameHeartbeat, 0, nil))
			}
			b.mu.Unlock()
		}
	})
	hear = sync.OnceFunc(func() {
		b.mu.Lock()
		b.mu.deaf = nil
		b.mu.Unlock()
		close(wait)
		<-done
	})
	b.mu.Lock()
	b.mu.hear = hear
	b.mu.Unlock()
	return hear
}

// hears returns when the broker is not deaf.
func (b *Broker) hears() {
	b.mu.Lock()
	deaf := b.mu.deaf
	b.mu.Unlock()
	if deaf != nil {
		<-deaf
	}
}

// Counts are how many connections were made, messages published, delivered and
// acknowledged.
func (b *Broker) Counts() (dials, published, delivered, acked int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.dials, b.mu.published, b.mu.delivered, b.mu.acked
}

// Ready is how many messages wait in a queue, -1 if there is none of the name.
func (b *Broker) Ready(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.mu.queues[name]; q != nil {
		return len(q.ready)
	}
	return -1
}

// Consumers is how many consume a queue.
func (b *Broker) Consumers(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.mu.queues[name]; q != nil {
		return len(q.consumers)
	}
	return 0
}

// routeLocked puts a message into the queues it is for, and tells whether there
// are any.
func (b *Broker) routeLocked(msg *message) bool {
	var names []string
	if msg.exchange == "" {
		names = []string{msg.key}
	} else if x := b.mu.exchanges[msg.exchange]; x != nil {
		for _, to := range x.bindings {
			if x.kind == "fanout" || x.kind == "topic" && to.pattern.Match(msg.key) || x.kind == "direct" && to.key == msg.key {
				names = append(names, to.queue)
			}
		}
	}
	slices.Sort(names)
	routed := false
	for _, name := range slices.Compact(names) {
		if q := b.mu.queues[name]; q != nil {
			own := *msg
			q.ready = append(q.ready, &own)
			b.pumpLocked(q)
			routed = true
		}
	}
	return routed
}

// pumpLocked gives what waits in a queue to consumers that have room, in turn.
func (b *Broker) pumpLocked(q *queue) {
	for len(q.ready) > 0 {
		i := slices.IndexFunc(q.consumers, func(c *consumer) bool { return c.noAck || c.ch.prefetch == 0 || len(c.ch.unacked) < c.ch.prefetch })
		if i < 0 {
			return
		}
		c, msg := q.consumers[i], q.ready[0]
		q.ready = q.ready[1:]
		q.consumers = append(slices.Delete(q.consumers, i, i+1), c)
		c.ch.deliverLocked(q, c, msg)
		b.mu.delivered++
		if b.mu.cutAfter--; b.mu.cutAfter == 0 {
			b.cutLocked()
		}
	}
}

// goneLocked takes a channel out: what it had not acknowledged waits again, in
// front.
func (b *Broker) goneLocked(ch *channel) {
	for _, q := range b.mu.queues {
		q.consumers = slices.DeleteFunc(q.consumers, func(c *consumer) bool { return c.ch == ch })
	}
	ch.settleLocked(func(unacked) bool { return true }, true)
}
