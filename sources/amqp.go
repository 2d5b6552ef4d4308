package sources

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// Listening is the ability of sources to which entities come by themselves.
type Listening interface {
	// Listen takes in what comes until ctx ends, and calls ready whenever there
	// is something to read; what goes wrong is told to trouble, and tried again.
	Listen(ctx context.Context, ready func(), trouble func(error))
}

// Acknowledging is the ability of sources that tell others when a batch is safe:
// nothing of it may be held back for the end of the run.
type Acknowledging interface {
	Acknowledges() bool
}

// Forgetting is the ability of sources that remember, but not for ever.
type Forgetting interface {
	// Forgets is how long something is remembered at least.
	Forgets() time.Duration
}

type amqpConfig struct {
	spec.Base
	Type         string        `spec:"type,required" doc:"amqp"`
	Comment      *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System       string        `spec:"system,required" doc:"Id of the system, a broker."`
	Queue        string        `spec:"queue,required" doc:"Name of the queue that is consumed."`
	Declare      bool          `spec:"declare" doc:"Whether the queue is made, durable, if it is not there, and exchange too, and bound by keys."`
	Exchange     string        `spec:"exchange" doc:"Exchange that the queue is bound to; needs declare."`
	ExchangeType string        `spec:"exchange_type" enum:"topic,direct,fanout,headers" default:"topic" doc:"Type of that exchange."`
	Keys         []string      `spec:"keys" doc:"Keys by which the queue is bound to exchange; in a topic exchange they may have wildcards. Unless given #."`
	Prefetch     int           `spec:"prefetch" default:"200" min:"1" max:"10000" doc:"How many messages the broker may hand over that are not written yet; they are in memory."`
	MaxItems     int           `spec:"max_batch_items" default:"100" min:"1" max:"10000" doc:"How many messages a batch has at most."`
	MaxBytes     int           `spec:"max_batch_bytes" default:"1048576" min:"1" max:"104857600" doc:"How many bytes of bodies a batch has at most; a larger message is a batch of its own."`
	Window       float64       `spec:"duplicate_window_hours" default:"24" min:"0" max:"720" doc:"How long the ids of messages are remembered: one that the broker delivers again is acknowledged and has no effect. 0 remembers none."`
}

func amqpType() Type {
	return Type{
		Name:   "amqp",
		Doc:    "Consumes a queue of a broker that speaks AMQP 0-9-1. A message is acknowledged when what came of it is safe in the store or has been delivered; until then the broker keeps it.",
		Config: func() any { return new(amqpConfig) },
		Build:  buildAMQP,
	}
}

// amqpSource consumes a queue.
type amqpSource struct {
	cfg    *amqpConfig
	pipe   string
	store  store.Store
	system func(id string) systems.System
	now    func() time.Time
	box    *amqpBox
}

func buildAMQP(c any, env Env) (Source, diag.List) {
	cfg := c.(*amqpConfig)
	s := &amqpSource{cfg: cfg, pipe: env.PipeID, store: env.Store, system: env.System, now: env.Now, box: &amqpBox{}}
	if s.now == nil {
		s.now = time.Now
	}
	var finds diag.List
	for key, set := range map[string]bool{"exchange": cfg.Exchange != "", "keys": len(cfg.Keys) > 0} {
		if set && !cfg.Declare {
			finds.Add(diag.Finding{Rule: "amqp/declare", Severity: diag.Error, Span: cfg.At(key),
				Message: fmt.Sprintf(`%q needs "declare": true`, key), Help: "without it the queue is used as it is"})
		}
	}
	if len(cfg.Keys) > 0 && cfg.Exchange == "" {
		finds.Add(diag.Finding{Rule: "amqp/keys", Severity: diag.Error, Span: cfg.At("keys"), Message: `"keys" needs "exchange"`})
	}
	return s, finds
}

// Link implements systems.Linker.
func (s *amqpSource) Link() diag.List {
	if _, err := systems.FindAMQP(s.system, s.cfg.System); err != nil {
		return diag.List{{Rule: "source/system", Severity: diag.Error, Span: s.cfg.At("system"), Message: err.Error(), Unknown: s.cfg.System}}
	}
	return nil
}

// Since implements Source: the broker knows what was read.
func (s *amqpSource) Since() Since { return Since{} }

// Passing implements Passing.
func (s *amqpSource) Passing() bool { return true }

// Acknowledges implements Acknowledging.
func (s *amqpSource) Acknowledges() bool { return true }

// Bare implements Bare.
func (s *amqpSource) Bare() bool { return true }

// Memory implements Remembering: the ids of messages.
func (s *amqpSource) Memory() string {
	if s.cfg.Window == 0 {
		return ""
	}
	return "system:amqp-seen:" + s.pipe
}

// Forgets implements Forgetting.
func (s *amqpSource) Forgets() time.Duration {
	return systems.Duration(s.cfg.Window, time.Hour)
}

// Load makes the dataset of what is remembered.
func (s *amqpSource) Load(ctx context.Context) error {
	if s.Memory() == "" {
		return nil
	}
	_, err := s.store.Create(ctx, s.Memory())
	return err
}

// prepare makes the queue and its bindings, if that is wanted.
func (s *amqpSource) prepare(ch *amqp.Channel) error {
	c := s.cfg
	if !c.Declare {
		return nil
	}
	if _, err := ch.QueueDeclare(c.Queue, true, false, false, false, nil); err != nil || c.Exchange == "" {
		return err
	}
	if len(c.Exchange) < 4 || c.Exchange[:4] != "amq." {
		if err := ch.ExchangeDeclare(c.Exchange, c.ExchangeType, true, false, false, false, nil); err != nil {
			return err
		}
	}
	keys := c.Keys
	if len(keys) == 0 {
		keys = []string{"#"}
	}
	for _, key := range keys {
		if err := ch.QueueBind(c.Queue, key, c.Exchange, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// Read implements Source: it yields what has come while the node listens, else
// what the queue holds now.
func (s *amqpSource) Read(ctx context.Context, _ string, size int) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		var next taker = s.box
		if !s.box.listening() {
			p := &puller{s: s}
			defer p.close()
			next = p
		}
		r := &amqpReader{s: s, next: next, arena: entity.NewArena(), most: min(size, s.cfg.MaxItems)}
		for on, err := true, error(nil); on; {
			if on, err = r.batch(ctx, yield); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// taker is where deliveries come from.
type taker interface {
	// take returns up to most deliveries that are there now.
	take(ctx context.Context, most, bytes int) ([]amqp.Delivery, error)
	// done acknowledges what was taken last, give puts it back.
	done(of []amqp.Delivery)
	give(of []amqp.Delivery)
}

// amqpReader makes batches of deliveries.
type amqpReader struct {
	s     *amqpSource
	next  taker
	arena *entity.Arena
	most  int
}

// batch yields one batch, and acknowledges it when the pipe has written it; false tells that there is nothing more now.
func (r *amqpReader) batch(ctx context.Context, yield func(*entity.Batch, error) bool) (on bool, err error) {
	got, err := r.next.take(ctx, r.most, r.s.cfg.MaxBytes)
	if err != nil || len(got) == 0 {
		return false, err
	}
	r.arena.Reset()
	b := &entity.Batch{Arena: r.arena}
	if err := r.fill(ctx, b, got); err != nil {
		r.next.give(got)
		return false, err
	}
	if len(b.Entities) == 0 {
		r.next.done(got)
		return true, nil
	}
	safe := false
	b.Safe = func() {
		safe = true
		r.next.done(got)
	}
	on = yield(b, nil)
	if !safe {
		r.next.give(got)
	}
	return on && safe, nil
}

// fill makes entities of the deliveries that are not known.
func (r *amqpReader) fill(ctx context.Context, b *entity.Batch, got []amqp.Delivery) error {
	known, err := r.s.known(ctx, got)
	if err != nil {
		return err
	}
	now, seen := r.s.now(), seenNotes{}
	for i := range got {
		d := &got[i]
		if known[d.MessageId] {
			continue
		}
		b.Entities = append(b.Entities, amqpEntity(d, now, b.Arena))
		if d.MessageId != "" {
			known[d.MessageId] = true
			seen = append(seen, entity.NewDict(entity.Member{Key: entity.IDKey, Value: entity.NewString(d.MessageId)},
				entity.Member{Key: "at", Value: entity.NewDatetime(now)}))
		}
	}
	if r.s.Memory() != "" && len(seen) > 0 {
		b.Notes = seen
	}
	return nil
}

// known are the ids of the deliveries that were taken in before.
func (s *amqpSource) known(ctx context.Context, got []amqp.Delivery) (map[string]bool, error) {
	known := map[string]bool{}
	if s.Memory() == "" {
		return known, nil
	}
	var ids []string
	for _, d := range got {
		if d.MessageId != "" && !slices.Contains(ids, d.MessageId) {
			ids = append(ids, d.MessageId)
		}
	}
	found, err := s.store.Get(ctx, s.Memory(), ids, entity.NewArena())
	if err != nil {
		return nil, err
	}
	for i, e := range found {
		at, _ := e.Get("at")
		known[ids[i]] = !e.IsNull() && s.now().Sub(at.Time()) < s.Forgets()
	}
	return known, nil
}

// seenNotes are ids that are remembered with the batch.
type seenNotes []entity.Value

// Intent implements entity.Notes.
func (seenNotes) Intent() []entity.Value { return nil }

// Done implements entity.Notes.
func (n seenNotes) Done() []entity.Value { return n }
