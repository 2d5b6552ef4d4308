package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// eventLines make an event of 1.1 KB.
const eventLines = 11

// target is where events of a system are published.
type target struct {
	url    string
	header http.Header
}

// outcome is what a round came to.
type outcome struct {
	accepted  float64 // events a second that were answered 2xx
	delivered float64 // events a second from the first request to the last arrival
	p50, p99  float64 // milliseconds from the request to the arrival
	cpu       map[string]time.Duration
	refused   int
	missing   int // when the round was over; they may have come later
}

// race has the systems take turns, each beginning a round in its turn.
func race(ctx context.Context, o options, all []*contender) error {
	for round := -1; round < o.rounds; round++ { // the first one warms up
		for i := range all {
			c := all[(i+round+1)%len(all)]
			if err := c.turn(ctx, o, round); err != nil {
				return fmt.Errorf("%s: %w", c.name, c.box.explain(err))
			}
		}
		if round < 0 {
			if err := watch(ctx, o, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn has a system do both rounds.
func (c *contender) turn(ctx context.Context, o options, round int) error {
	flat, err := c.round(ctx, o, o.events, 0)
	if err != nil {
		return err
	}
	use, err := c.box.usage()
	if err != nil {
		return err
	}
	steady, err := c.round(ctx, o, o.paced, o.rate)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "round %d: %-8s %6.0f accepted/s %6.0f delivered/s, p50 %.1f ms; at %d/s p50 %.1f ms, p99 %.1f ms; %d missing\n",
		round, c.name, flat.accepted, flat.delivered, flat.p50, o.rate, steady.p50, steady.p99, flat.missing+steady.missing)
	if round < 0 {
		return nil
	}
	c.flat, c.steady = append(c.flat, flat), append(c.steady, steady)
	for role, u := range use {
		c.memory[role] = append(c.memory[role], float64(u.Own)/1e6)
	}
	return nil
}

// watch measures what the systems use with nothing to do.
func watch(ctx context.Context, o options, all []*contender) error {
	before := make([]time.Duration, len(all))
	for i, c := range all {
		var err error
		if before[i], err = c.box.processor(); err != nil {
			return err
		}
	}
	if err := pause(ctx, o.idle); err != nil {
		return err
	}
	for i, c := range all {
		after, err := c.box.processor()
		if err != nil {
			return err
		}
		c.idle = 100 * (after - before[i]).Seconds() / o.idle.Seconds()
	}
	return nil
}

// round publishes events, at a rate or (0) as fast as the connections allow, and
// waits until all have arrived or nothing arrives any more.
func (c *contender) round(ctx context.Context, o options, events, rate int) (r outcome, err error) {
	number := c.next
	c.next++
	bodies := measure.Events(number, events, eventLines)
	for i := range bodies {
		bodies[i] = c.envelope(measure.EventID(number, i), bodies[i])
	}
	b := c.mail.expect(number, events)
	before, err := c.box.usage()
	if err != nil {
		return r, err
	}
	begun := time.Now()
	ok, err := c.publish(ctx, o, b, bodies, rate)
	if err != nil {
		return r, err
	}
	r.accepted, r.refused = float64(ok)/time.Since(begun).Seconds(), events-ok
	if err := b.wait(ctx, o.patience, events-ok); err != nil {
		return r, err
	}
	times := b.latencies()
	if len(times) == 0 {
		return r, fmt.Errorf("%d events were answered 2xx, and not one has arrived; %d requests were not signed as they should be", ok, c.mail.forged.Load())
	}
	if last := b.last.Load(); last != nil {
		r.delivered = float64(len(times)) / last.Sub(begun).Seconds()
	}
	slices.Sort(times)
	r.p50, r.p99, r.missing = measure.Percentile(times, 50), measure.Percentile(times, 99), ok-len(times)
	if err := pause(ctx, o.settle); err != nil {
		return r, err
	}
	after, err := c.box.usage()
	r.cpu = map[string]time.Duration{}
	for role := range after {
		r.cpu[role] = (after[role].CPU - before[role].CPU) / time.Duration(events)
	}
	return r, err
}

// publish posts the events over some connections at once and counts what was
// answered 2xx. With a rate, an event counts as posted when its turn was, so that
// a publisher that is kept waiting does not flatter whoever keeps it waiting.
func (c *contender) publish(ctx context.Context, o options, b *batch, bodies [][]byte, rate int) (int, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: o.connections, MaxConnsPerHost: o.connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var next, ok atomic.Int64
	var failed atomic.Pointer[error]
	begun := time.Now()
	var all sync.WaitGroup
	for range o.connections {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(bodies) && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				b.posted[i] = time.Now()
				if rate > 0 {
					b.posted[i] = begun.Add(time.Duration(i) * time.Second / time.Duration(rate))
					if err := pause(ctx, time.Until(b.posted[i])); err != nil {
						return
					}
				}
				err := post(ctx, client, c.target, bodies[i])
				if err == nil {
					b.told[i].Store(true)
					ok.Add(1)
				} else if ok.Load() == 0 || ctx.Err() != nil {
					failed.Store(&err) // nothing has ever been accepted
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return int(ok.Load()), ctx.Err()
}

func post(ctx context.Context, client *http.Client, t target, body []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header = t.header.Clone()
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, said)
	}
	return err
}

// wait returns when all events have arrived but those that were refused, or when
// nothing has arrived for a while.
func (b *batch) wait(ctx context.Context, patience time.Duration, refused int) error {
	for before := int64(-1); ; {
		left := b.left.Load()
		if left == before || left <= int64(refused) {
			return nil
		}
		before = left
		for end := time.Now().Add(patience); time.Now().Before(end) && b.left.Load() > int64(refused); {
			select {
			case <-b.done:
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
