package messages

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// ConsumerOptions say what a consumer is.
type ConsumerOptions struct {
	Topic Topic
	// Name is how the consumer is known again; one that is opened anew goes on
	// where it was. Only one may be open at a time.
	Name    string
	Pattern Pattern
	// FromNow has a consumer that is new begin with what is published from now
	// on, rather than with the oldest message there is.
	FromNow bool
	// MaxItems and MaxBytes bound a batch: 1 and 200 KiB unless given. A message
	// that is larger is a batch of its own.
	MaxItems, MaxBytes int
	// MaxOpen is how many messages may be delivered and not settled; 1000 unless
	// given.
	MaxOpen int
	// Redeliveries is how often a message is delivered again that was not
	// acknowledged; 10 unless given, negative for never.
	Redeliveries int
	// RetryDelay is how long a message waits for its next delivery; a second
	// unless given.
	RetryDelay time.Duration
	// DeadLetters is the dataset for messages that were given up; unless given
	// it is named after the consumer.
	DeadLetters string
}

func (o *ConsumerOptions) defaults() {
	set := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	set(&o.MaxItems, 1)
	set(&o.MaxBytes, 200<<10)
	set(&o.MaxOpen, 1000)
	set(&o.Redeliveries, 10)
	if o.RetryDelay == 0 {
		o.RetryDelay = time.Second
	}
	if o.DeadLetters == "" {
		o.DeadLetters = "system:dead-letter:" + o.Name
	}
}

// Consumer takes messages from a topic, each until it is acknowledged, in the
// order they were published but for those that come again. What it has settled
// survives a power cut; what it was given and has not settled is given again
// when it is opened anew. It may be used by many goroutines at once.
type Consumer struct {
	o     ConsumerOptions
	watch store.Watch
	stop  context.CancelFunc
	ears  sync.WaitGroup
	heard chan struct{}
	mu    struct {
		sync.Mutex
		at    store.Offset // up to which messages were read
		saved store.Offset // of it
		open  map[store.Offset]*pending
		order []store.Offset // of those that wait, oldest first
		rev   uint64
		query store.Query
	}
}

// pending is a message that was read and is not settled.
type pending struct {
	tries int // deliveries that failed
	due   time.Time
	busy  bool // it is being delivered
}

// Delivery is a message in the hands of whoever must settle it.
type Delivery struct {
	Message
	// Tries is how often it was delivered before.
	Tries int
}

// OpenConsumer opens a consumer, and its topic if that is new. Close it.
func OpenConsumer(ctx context.Context, o ConsumerOptions) (*Consumer, error) {
	o.defaults()
	if o.Name == "" {
		return nil, errors.New("a consumer needs a name")
	}
	if err := o.Topic.Load(ctx); err != nil {
		return nil, err
	}
	c := &Consumer{o: o, heard: make(chan struct{}, 1)}
	c.mu.open = map[store.Offset]*pending{}
	var err error
	if c.mu.query, err = o.Topic.Query(ctx, o.Pattern, store.Start); err != nil {
		return nil, err
	}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	if _, err := o.Topic.Store.Create(ctx, o.DeadLetters); err != nil {
		return nil, err
	}
	c.watch = o.Topic.Store.Watch()
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	c.ears.Go(func() { c.listen(listening) })
	return c, nil
}

// listen wakes whoever waits when the topic has changed.
func (c *Consumer) listen(ctx context.Context) {
	for {
		changed, err := c.watch.Next(ctx)
		if err != nil {
			return
		}
		for _, d := range changed {
			if d == c.o.Topic.Dataset() {
				c.wake()
			}
		}
	}
}

func (c *Consumer) wake() {
	select {
	case c.heard <- struct{}{}:
	default:
	}
}

// Close ends the consumer. What was not settled is delivered again when it is
// opened anew.
func (c *Consumer) Close() {
	c.stop()
	c.watch.Close()
	c.ears.Wait()
}

// Next waits until there are messages, and returns a batch of them.
func (c *Consumer) Next(ctx context.Context) ([]Delivery, error) {
	for {
		got, err := c.Fetch(ctx)
		if len(got) > 0 {
			c.wake() // there may be more, for others that wait
		}
		if err != nil || len(got) > 0 {
			return got, err
		}
		timer := time.NewTimer(c.untilDue())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-c.heard:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// longestWait bounds a wait for the case that the clock was set.
const longestWait = 5 * time.Minute

// untilDue is how long the next message waits that is to come again.
func (c *Consumer) untilDue() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, now := longestWait, c.o.Topic.now()
	for _, p := range c.mu.open {
		if !p.busy {
			wait = min(wait, max(p.due.Sub(now), time.Millisecond))
		}
	}
	return wait
}

// Fetch returns what there is, as much as a batch may have; none if there is
// nothing now. Each message must be settled.
func (c *Consumer) Fetch(ctx context.Context) ([]Delivery, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := batch{c: c}
	err := b.again(ctx)
	if err == nil {
		err = b.more(ctx)
	}
	if err == nil {
		err = c.saveIdleLocked(ctx)
	}
	if err != nil {
		c.takeLocked(c.copyLocked()) // what was gathered waits again
		return nil, err
	}
	for _, d := range b.got {
		c.mu.open[store.Offset(d.At)].busy = true
	}
	return b.got, nil
}

// batch is one being made.
type batch struct {
	c     *Consumer
	got   []Delivery
	bytes int
}

// takes tells whether a message has room in the batch, and adds it.
func (b *batch) takes(e entity.Value) bool {
	size := len(entity.AppendJSON(nil, e))
	if len(b.got) > 0 && (len(b.got) >= b.c.o.MaxItems || b.bytes+size > b.c.o.MaxBytes) {
		return false
	}
	m, ok := Of(e)
	if !ok {
		return true
	}
	at := store.Offset(m.At)
	p := b.c.mu.open[at]
	if p == nil {
		p = &pending{}
		b.c.mu.open[at] = p
	}
	b.got = append(b.got, Delivery{m, p.tries})
	b.bytes += size
	return true
}

// again adds what was not acknowledged, or not settled before a restart.
func (b *batch) again(ctx context.Context) error {
	c, now := b.c, b.c.o.Topic.now()
	for i := 0; i < len(c.mu.order); i++ {
		at := c.mu.order[i]
		p := c.mu.open[at]
		if p.due.After(now) {
			continue
		}
		e, err := c.o.Topic.Store.GetAt(ctx, c.o.Topic.Dataset(), at, nil)
		if err != nil {
			return err
		}
		if _, there := Of(e); there && !b.takes(e) {
			return nil
		} else if !there { // it was removed by hand
			delete(c.mu.open, at)
		}
		c.mu.order = append(c.mu.order[:i], c.mu.order[i+1:]...)
		i--
	}
	return nil
}

// more adds what is new, as long as there is room.
func (b *batch) more(ctx context.Context) error {
	c := b.c
	for len(c.mu.open) < c.o.MaxOpen && len(b.got) < c.o.MaxItems {
		q := c.mu.query
		q.Since, q.Limit = c.mu.at, max(100, c.o.MaxItems)
		page, err := c.o.Topic.Store.Read(ctx, c.o.Topic.Dataset(), q, nil)
		if err != nil {
			return fmt.Errorf("topic %q: %w", c.o.Topic.Name, err)
		}
		for _, e := range page.Entities {
			if m, ok := Of(e); ok && c.o.Pattern.Match(m.Key) {
				if len(c.mu.open) >= c.o.MaxOpen || !b.takes(e) {
					return nil
				}
			}
			at, _ := e.Get(entity.UpdatedKey)
			n, _ := at.Int64()
			c.mu.at = store.Offset(n)
		}
		if c.mu.at = max(c.mu.at, page.Next); page.End {
			return nil
		}
	}
	return nil
}
