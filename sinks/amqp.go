package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

type amqpConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"amqp"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System      string        `spec:"system,required" doc:"Id of the system, a broker."`
	Exchange    string        `spec:"exchange" doc:"Exchange that messages are published to. Unless given the broker's default exchange, which puts them into the queue that has the key as name."`
	Key         *jsonpos.Node `spec:"key" kind:"string" doc:"Routing key of the messages. A template; the entity's properties are variables."`
	KeyProperty string        `spec:"key_property" doc:"Property of the entity that is the routing key; goes before key."`
	Headers     *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of the messages; values are templates, with the entity's properties as variables."`
	HeadersProp string        `spec:"headers_property" doc:"Property of the entity, a dict, whose members are headers too; they go before those of headers."`
	Payload     string        `spec:"payload_property" doc:"Property of the entity that is the message's body: text and bytes as they are, anything else as JSON. Without it the entity itself is sent."`
	IDProperty  string        `spec:"message_id_property" doc:"Property of the entity, a text, that is the message's id. Without it the id is made of pipe, entity and version, if the entity has one, and is the same if the message is sent again."`
	ContentType string        `spec:"content_type" default:"application/json" doc:"Content type that the messages name."`
	Persistent  bool          `spec:"persistent" default:"true" doc:"Whether the broker keeps the messages on disk."`
	Mandatory   bool          `spec:"mandatory" default:"true" doc:"Whether a message that no queue takes fails the batch, rather than being lost."`
	Timeout     int           `spec:"confirm_timeout" default:"30" min:"1" max:"3600" doc:"Seconds that the broker may take to confirm a batch."`
}

func amqpType() Type {
	return Type{
		Name:   "amqp",
		Doc:    "Publishes each entity to a broker that speaks AMQP 0-9-1. The pipe goes on when the broker has confirmed the batch; what it did not is sent again, so that messages arrive at least once.",
		Config: func() any { return new(amqpConfig) },
		Build:  buildAMQP,
	}
}

// amqpSink publishes to a broker.
type amqpSink struct {
	anywhere
	cfg    *amqpConfig
	pipe   string
	store  store.Store
	system func(id string) systems.System
	now    func() time.Time
	envelope
}

func buildAMQP(c any, env Env) (Sink, diag.List) {
	cfg := c.(*amqpConfig)
	s := &amqpSink{cfg: cfg, pipe: env.PipeID, store: env.Store, system: env.System, now: env.Now}
	if s.now == nil {
		s.now = time.Now
	}
	var diags diag.List
	s.envelope, diags = compileEnvelope(cfg.Node, cfg.Key, cfg.KeyProperty, cfg.Headers, cfg.HeadersProp, cfg.Payload)
	return s, diags
}

// Link implements systems.Linker.
func (s *amqpSink) Link() diag.List {
	if _, err := systems.FindAMQP(s.system, s.cfg.System); err != nil {
		return diag.List{{Rule: "sink/system", Severity: diag.Error, Span: s.cfg.At("system"), Message: err.Error(), Unknown: s.cfg.System}}
	}
	return nil
}

// BatchSize implements Sink.
func (s *amqpSink) BatchSize() int { return 100 }

// Bare implements Bare.
func (s *amqpSink) Bare() bool { return true }

// Start implements Sink.
func (s *amqpSink) Start(context.Context, Run) (Writer, error) { return s, nil }

// Write implements Writer: it returns when the broker has confirmed all.
func (s *amqpSink) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	all, err := s.publishings(ctx, b)
	if err != nil {
		return Written{}, err
	}
	if err := s.publish(ctx, all); err != nil {
		return Written{}, err
	}
	w, err := saveStates(ctx, s.store, save)
	w.Changed = len(all)
	return w, err
}

// Finish implements Writer.
func (s *amqpSink) Finish(ctx context.Context, _ Finish, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, s.store, save)
}

// publishing is a message on its way.
type publishing struct {
	entity, key string
	amqp.Publishing
}

// publishings makes messages of a batch before any is sent. Deleted entities
// are sent like others; filtered ones are for datasets only.
func (s *amqpSink) publishings(ctx context.Context, b *entity.Batch) ([]publishing, error) {
	var all []publishing
	for _, e := range b.Entities {
		if entity.Filtered(e) {
			continue
		}
		id, _ := entity.ID(e)
		m, err := s.message(ctx, e)
		if err == nil && len(m.Key) > 255 {
			err = errors.New("the key is longer than the 255 bytes that AMQP has room for")
		}
		if err != nil {
			return nil, entityError(e, err)
		}
		all = append(all, publishing{string([]byte(id)), m.Key, amqp.Publishing{
			MessageId: s.messageID(e, id), ContentType: s.cfg.ContentType, DeliveryMode: s.mode(),
			Headers: tableOf(m.Headers), Body: bodyOf(m.Body), Timestamp: s.now(), AppId: "sluice"}})
	}
	return all, nil
}

func (s *amqpSink) mode() uint8 {
	if s.cfg.Persistent {
		return amqp.Persistent
	}
	return amqp.Transient
}

// messageID is by what receivers know a message again. A version of an entity
// has its place in the dataset it was read from; without one nothing tells
// whether the same content is meant anew.
func (s *amqpSink) messageID(e entity.Value, id string) string {
	if s.cfg.IDProperty != "" {
		own, _ := e.Get(s.cfg.IDProperty)
		if text := own.Text(); text != "" && len(text) <= 255 {
			return text
		}
	}
	v, ok := e.Get(entity.UpdatedKey)
	at, isInt := v.Int64()
	if !ok || !isInt {
		return messages.NewID(s.now())
	}
	sum := sha256.Sum256(strconv.AppendInt([]byte(s.pipe+"\x00"+id+"\x00"), at, 10))
	return hex.EncodeToString(sum[:16])
}

// bodyOf is a body on the wire, without transit tags, which receivers do not
// know.
func bodyOf(v entity.Value) []byte {
	switch v.Kind() {
	case entity.String:
		return []byte(v.Text())
	case entity.Bytes:
		return v.Octets()
	default:
		return entity.AppendPlain(nil, v)
	}
}

// tableOf is headers as a table: numbers and truth stay what they are, the rest
// is text.
func tableOf(v entity.Value) amqp.Table {
	t := amqp.Table{}
	for _, m := range v.Object().Members() {
		n, whole := m.Value.Int64()
		switch kind := m.Value.Kind(); {
		case kind == entity.Null:
		case kind == entity.Bool:
			t[m.Key] = m.Value.Bool()
		case kind == entity.Int && whole:
			t[m.Key] = n
		case kind == entity.Float:
			t[m.Key] = m.Value.Float64()
		case kind == entity.Dict || kind == entity.List:
			t[m.Key] = string(entity.AppendPlain(nil, m.Value))
		default:
			t[m.Key] = string(entity.AppendBare(nil, m.Value))
		}
	}
	return t
}

// publish sends messages and waits until the broker has confirmed each.
func (s *amqpSink) publish(ctx context.Context, all []publishing) (err error) {
	broker, err := systems.FindAMQP(s.system, s.cfg.System)
	if err != nil || len(all) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.Timeout)*time.Second)
	defer cancel()
	ch, err := broker.Channel(ctx)
	if err != nil {
		return err
	}
	defer func() { broker.Release(ch, err != nil) }()
	for some := range slices.Chunk(all, systems.MostUnconfirmed) {
		if err := s.confirmed(ctx, ch, some); err != nil {
			return err
		}
	}
	return nil
}

// confirmed sends messages and waits for their confirmations.
func (s *amqpSink) confirmed(ctx context.Context, ch *systems.PublishChannel, all []publishing) (err error) {
	pending := make([]*amqp.DeferredConfirmation, len(all))
	stop := ch.Until(ctx)
	defer stop()
	for i, m := range all {
		if pending[i], err = ch.PublishWithDeferredConfirmWithContext(ctx, s.cfg.Exchange, m.key, s.cfg.Mandatory, false, m.Publishing); err != nil {
			return fmt.Errorf("entity %q: %w", m.entity, err)
		}
	}
	stop() // a confirmation can be given up without breaking anything off
	for i, m := range all {
		acked, err := pending[i].WaitContext(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("entity %q: the broker did not confirm the message: %w", m.entity, err)
		case !acked && ch.IsClosed():
			return unconfirmed(m.entity, ch.Why())
		case !acked:
			return fmt.Errorf("entity %q: the broker refused the message", m.entity)
		}
	}
	return s.routed(ch.Returned(), all)
}

// unconfirmed is a channel that was closed before a message was confirmed.
func unconfirmed(id string, why error) error {
	if why == nil {
		return fmt.Errorf("entity %q: the connection ended before the broker confirmed the message", id)
	}
	return fmt.Errorf("entity %q: the broker did not confirm the message, and closed the channel: %w", id, why)
}

// routed fails for messages that came back.
func (s *amqpSink) routed(back []amqp.Return, all []publishing) error {
	for _, r := range back {
		for _, m := range all {
			if m.MessageId == r.MessageId {
				return fmt.Errorf(`entity %q: no queue takes the message with the key %q from exchange %q; bind one, or say "mandatory": false`, m.entity, m.key, s.cfg.Exchange)
			}
		}
	}
	return nil
}
