package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/systems"
)

// amqpBox holds what the broker has handed over and no run has taken yet.
// Listen fills it, runs empty it.
type amqpBox struct {
	mu struct {
		sync.Mutex
		on bool // somebody listens
		// ready is what has come over the present connection, in order; life
		// counts connections.
		ready []amqp.Delivery
		life  int
		taken int           // the life of what was taken last
		hand  chan struct{} // closes when what was taken is done or back; nil if nothing is
	}
}

func (b *amqpBox) listening() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.on
}

// begin starts a new life: what came over the connection before comes again.
func (b *amqpBox) begin(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.on = on
	b.mu.life++
	b.mu.ready = nil
}

// put adds a delivery, and tells whether there was none: whoever reads goes on
// until there is none, and what a run has put back waits for the pump's next.
func (b *amqpBox) put(d amqp.Delivery) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.ready = append(b.mu.ready, d)
	return len(b.mu.ready) == 1
}

// empty waits until nothing is in the hands of a run, so that it can still be
// acknowledged.
func (b *amqpBox) empty(most time.Duration) {
	b.mu.Lock()
	hand := b.mu.hand
	b.mu.Unlock()
	if hand == nil {
		return
	}
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-hand:
	case <-t.C:
	}
}

func (b *amqpBox) releaseLocked() {
	if b.mu.hand != nil {
		close(b.mu.hand)
		b.mu.hand = nil
	}
}

// take implements taker.
func (b *amqpBox) take(_ context.Context, most, bytes int) ([]amqp.Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := fitting(b.mu.ready, most, bytes)
	got := append([]amqp.Delivery(nil), b.mu.ready[:n]...)
	b.mu.ready, b.mu.taken = b.mu.ready[n:], b.mu.life
	if n > 0 && b.mu.hand == nil {
		b.mu.hand = make(chan struct{})
	}
	return got, nil
}

// fitting is how many of the deliveries a batch has room for.
func fitting(all []amqp.Delivery, most, bytes int) (n int) {
	size := 0
	for n < len(all) && n < most {
		if size += len(all[n].Body); n > 0 && size > bytes {
			break
		}
		n++
	}
	return n
}

// done implements taker. Runs take in order, so that all before the last is
// done too. What the broker does not hear of it delivers again, and is known
// then.
func (b *amqpBox) done(of []amqp.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.taken == b.mu.life {
		_ = of[len(of)-1].Ack(true)
	}
	b.releaseLocked()
}

// give implements taker: the next run begins with it, if the connection is
// still the same.
func (b *amqpBox) give(of []amqp.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.taken == b.mu.life {
		b.mu.ready = append(append([]amqp.Delivery(nil), of...), b.mu.ready...)
	}
	b.releaseLocked()
}

// Listen implements Listening.
func (s *amqpSource) Listen(ctx context.Context, ready func(), trouble func(error)) {
	wait := systems.Backoff{Now: s.now}
	s.box.begin(true)
	defer s.box.begin(false)
	for ctx.Err() == nil {
		began := s.now()
		err := s.consume(ctx, ready)
		if ctx.Err() != nil {
			return
		}
		if s.now().Sub(began) > time.Minute {
			wait.Note(nil)
		}
		pause := wait.Note(err)
		trouble(fmt.Errorf("queue %q: %w; it is tried again in %s", s.cfg.Queue, err, pause.Round(time.Millisecond)))
		if systems.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// consume takes in what comes over one connection, until that ends.
func (s *amqpSource) consume(ctx context.Context, ready func()) error {
	conn, ch, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.End() }()
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	chClosed := ch.NotifyClose(make(chan *amqp.Error, 1))
	var deliveries <-chan amqp.Delivery
	err = conn.Within(func() (err error) {
		if err = ch.Qos(s.cfg.Prefetch, 0, false); err == nil {
			deliveries, err = ch.Consume(s.cfg.Queue, "", false, false, false, false, amqp.Table{})
		}
		return err
	})
	if err != nil {
		return err
	}
	s.box.begin(true)
	defer s.box.begin(true) // what is left comes again
	for {
		select {
		case <-ctx.Done():
			s.box.empty(10 * time.Second)
			return ctx.Err()
		case d, ok := <-deliveries:
			if !ok {
				return whyClosed(closed, chClosed)
			}
			if s.box.put(d) {
				ready()
			}
		}
	}
}

// whyClosed is why the broker ended a consumption.
func whyClosed(all ...chan *amqp.Error) error {
	for _, c := range all {
		select {
		case err := <-c:
			if err != nil {
				return err
			}
		default:
		}
	}
	return errors.New("the broker ended it; was the queue removed?")
}

// open opens a connection and a channel of the source's own, and readies the
// queue.
func (s *amqpSource) open(ctx context.Context) (*systems.Link, *amqp.Channel, error) {
	broker, err := systems.FindAMQP(s.system, s.cfg.System)
	if err != nil {
		return nil, nil, err
	}
	conn, err := broker.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	var ch *amqp.Channel
	err = conn.Within(func() (err error) {
		if ch, err = conn.Channel(); err == nil {
			err = s.prepare(ch)
		}
		return err
	})
	if err != nil {
		_ = conn.End()
		return nil, nil, err
	}
	return conn, ch, nil
}

// puller takes what a queue holds, where nobody listens: for a run on demand.
type puller struct {
	s    *amqpSource
	conn *systems.Link
	ch   *amqp.Channel
	over bool
	next *amqp.Delivery // it had no room in the batch before
}

// take implements taker.
func (p *puller) take(ctx context.Context, most, bytes int) (got []amqp.Delivery, err error) {
	if p.conn == nil {
		if p.conn, p.ch, err = p.s.open(ctx); err != nil {
			return nil, err
		}
	}
	size := 0
	for ctx.Err() == nil && !p.over && len(got) < most {
		d := p.next
		if p.next = nil; d == nil {
			one, ok, err := p.ch.Get(p.s.cfg.Queue, false)
			if err != nil {
				return nil, fmt.Errorf("queue %q: %w", p.s.cfg.Queue, err)
			}
			if p.over = !ok; p.over {
				break
			}
			d = &one
		}
		if size += len(d.Body); len(got) > 0 && size > bytes {
			p.next = d
			break
		}
		got = append(got, *d)
	}
	return got, ctx.Err()
}

// done implements taker.
func (p *puller) done(of []amqp.Delivery) { _ = of[len(of)-1].Ack(true) }

// give implements taker: the broker takes back what is not acknowledged when
// the connection ends.
func (p *puller) give([]amqp.Delivery) { p.over = true }

func (p *puller) close() {
	if p.conn != nil {
		_ = p.conn.End()
	}
}
