package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Outcome is what became of a delivery.
type Outcome uint8

// The outcomes. One that is dropped is not delivered again, and is no dead
// letter either.
const (
	Ack Outcome = iota
	Nack
	Drop
)

// Verdict settles a delivery.
type Verdict struct {
	Delivery Delivery
	Outcome  Outcome
	// Reason is kept with a message that is given up.
	Reason string
}

// Ack settles messages as done.
func (c *Consumer) Ack(ctx context.Context, all ...Delivery) error {
	return c.settle(ctx, Ack, "", all)
}

// Nack has messages delivered again after a while; one that was as often as
// the consumer allows becomes a dead letter.
func (c *Consumer) Nack(ctx context.Context, reason string, all ...Delivery) error {
	return c.settle(ctx, Nack, reason, all)
}

// Drop settles messages as not wanted.
func (c *Consumer) Drop(ctx context.Context, all ...Delivery) error {
	return c.settle(ctx, Drop, "", all)
}

func (c *Consumer) settle(ctx context.Context, o Outcome, reason string, all []Delivery) error {
	verdicts := make([]Verdict, len(all))
	for i, d := range all {
		verdicts[i] = Verdict{d, o, reason}
	}
	return c.Settle(ctx, store.Batch{}, verdicts...)
}

// ErrNotOpen is a delivery that is settled already.
var ErrNotOpen = errors.New("the message was settled already")

// Settle settles messages, together with whatever else is in the batch: both
// stand or fall in one commit. A message that is settled already is an error,
// and nothing is done.
func (c *Consumer) Settle(ctx context.Context, also store.Batch, verdicts ...Verdict) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	open, letters := c.copyLocked(), []store.Op(nil)
	for _, v := range verdicts {
		at := store.Offset(v.Delivery.At)
		p, known := open[at]
		if !known || !p.busy {
			return fmt.Errorf("%w: %s", ErrNotOpen, v.Delivery.ID)
		}
		delete(open, at)
		if v.Outcome != Nack {
			continue
		}
		if p.tries++; p.tries > max(c.o.Redeliveries, 0) {
			letters = append(letters, store.Op{Kind: store.Put, Entity: c.letter(v, p.tries)})
			continue
		}
		open[at] = pending{tries: p.tries, due: c.o.Topic.now().Add(c.o.RetryDelay)}
	}
	if len(letters) > 0 {
		also.Writes = append(slices.Clip(also.Writes), store.Write{Dataset: c.o.DeadLetters, Ops: letters})
	}
	if err := c.saveLocked(ctx, also, open); err != nil {
		return err
	}
	c.takeLocked(open)
	c.wake()
	return nil
}

func (c *Consumer) copyLocked() map[store.Offset]pending {
	open := make(map[store.Offset]pending, len(c.mu.open))
	for at, p := range c.mu.open {
		open[at] = *p
	}
	return open
}

// letter is a message that was given up, with all that is known of it.
func (c *Consumer) letter(v Verdict, tries int) entity.Value {
	m := v.Delivery.Message
	return entity.NewDict(
		entity.Member{Key: entity.IDKey, Value: entity.NewString(m.ID)},
		entity.Member{Key: "consumer", Value: entity.NewString(c.o.Name)},
		entity.Member{Key: "exchange", Value: entity.NewString(c.o.Topic.Name)},
		entity.Member{Key: "deliveries", Value: entity.NewInt(int64(tries))},
		entity.Member{Key: "reason", Value: entity.NewString(strings.ToValidUTF8(v.Reason, "\uFFFD"))},
		entity.Member{Key: "given_up", Value: entity.NewDatetime(c.o.Topic.now())},
		entity.Member{Key: "message", Value: m.Value()})
}

const statePrefix = "consumer/"

func stateKey(exchange, name string) string { return statePrefix + exchange + "/" + name }

// saved is what a consumer remembers: the place up to which all is settled but
// for what is open.
type saved struct {
	Exchange   string      `json:"exchange"`
	Generation string      `json:"generation"`
	At         int64       `json:"at"`
	Open       []savedOpen `json:"open,omitempty"`
}

type savedOpen struct {
	At    int64 `json:"at"`
	Tries int   `json:"tries,omitempty"`
}

func (s *saved) floor() store.Offset {
	floor := s.At
	for _, o := range s.Open {
		floor = min(floor, o.At-1)
	}
	return store.Offset(floor)
}

func (c *Consumer) saveLocked(ctx context.Context, also store.Batch, open map[store.Offset]pending) error {
	info, err := c.o.Topic.Store.Info(ctx, c.o.Topic.Dataset())
	if err != nil {
		return err
	}
	s := saved{Exchange: c.o.Topic.Name, Generation: info.Generation, At: int64(c.mu.at)}
	for at, p := range open {
		s.Open = append(s.Open, savedOpen{int64(at), p.tries})
	}
	slices.SortFunc(s.Open, func(a, b savedOpen) int { return int(a.At - b.At) })
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	also.State = append([]store.StateWrite{{Key: stateKey(c.o.Topic.Name, c.o.Name), Value: data, IfRev: c.mu.rev}}, also.State...)
	p, err := c.o.Topic.Store.Append(ctx, &also)
	if err != nil {
		return err
	}
	done, err := p.Wait(ctx)
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("consumer %q is open somewhere else: %w", c.o.Name, err)
	}
	if err == nil {
		c.mu.rev, c.mu.saved = done.Revs[0], c.mu.at
	}
	return err
}

// takeLocked makes what was saved what is so.
func (c *Consumer) takeLocked(open map[store.Offset]pending) {
	for at := range c.mu.open {
		if _, stays := open[at]; !stays {
			delete(c.mu.open, at)
		}
	}
	c.mu.order = c.mu.order[:0]
	for at, p := range open {
		c.mu.open[at] = &p
		if !p.busy {
			c.mu.order = append(c.mu.order, at)
		}
	}
	slices.Sort(c.mu.order)
}

// saveEvery is how many places a consumer may go past messages for others
// before it saves that.
const saveEvery = 1000

// saveIdleLocked saves how far the consumer has come if it has settled nothing
// for long, so that it holds up no compaction.
func (c *Consumer) saveIdleLocked(ctx context.Context) error {
	if c.mu.at-c.mu.saved < saveEvery {
		return nil
	}
	return c.saveLocked(ctx, store.Batch{}, c.copyLocked())
}

// load takes up what was saved. A topic that was made anew since is read from
// its beginning; a consumer that is new is saved, so that from then on nothing
// goes past it.
func (c *Consumer) load(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.o.Topic
	data, rev, err := t.Store.State(ctx, stateKey(t.Name, c.o.Name))
	if err != nil {
		return err
	}
	info, err := t.Store.Info(ctx, t.Dataset())
	if err != nil {
		return err
	}
	var s saved
	c.mu.rev, c.mu.at = rev, store.Start
	switch {
	case data == nil && c.o.FromNow:
		c.mu.at = info.Last
	case data == nil:
	default:
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("the state of consumer %q cannot be read: %w", c.o.Name, err)
		}
		if s.Generation == info.Generation {
			c.mu.at = store.Offset(s.At)
		} else {
			s.Open = nil
		}
	}
	open := map[store.Offset]pending{}
	for _, o := range s.Open {
		open[store.Offset(o.At)] = pending{tries: o.Tries, due: time.Time{}}
	}
	c.takeLocked(open)
	err = c.saveLocked(ctx, store.Batch{}, open)
	if errors.Is(err, store.ErrFull) && s.Generation == info.Generation {
		c.mu.saved = c.mu.at // as it stands there: a full disk keeps nobody from reading
		return nil
	}
	return err
}

// Floors are, by dataset, the places up to which all consumers have come, those
// that are not open included. Pipes with a source of messages are not among
// them: their offsets are their own.
func Floors(ctx context.Context, st store.Store) (map[string]store.Offset, error) {
	keys, err := st.States(ctx, statePrefix)
	if err != nil {
		return nil, err
	}
	floors := map[string]store.Offset{}
	for _, key := range keys {
		data, _, err := st.State(ctx, key)
		if err != nil {
			return nil, err
		}
		var s saved
		if data == nil {
			continue
		}
		if err := json.Unmarshal(data, &s); err != nil {
			return nil, fmt.Errorf("the state %q cannot be read: %w", key, err)
		}
		d := Dataset(s.Exchange)
		if at, known := floors[d]; !known || s.floor() < at {
			floors[d] = s.floor()
		}
	}
	return floors, nil
}
