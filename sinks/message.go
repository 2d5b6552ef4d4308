package sinks

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

type messageConfig struct {
	spec.Base
	Type           string        `spec:"type,required" doc:"message"`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Exchange       string        `spec:"exchange" default:"default" doc:"Name of the topic that messages are published to. It is made if it is not there."`
	Key            *jsonpos.Node `spec:"key" kind:"string" doc:"Key of the messages, by which consumers choose: words with dots between them. A template; the entity's properties are variables."`
	KeyProperty    string        `spec:"key_property" doc:"Property of the entity that is the message's key; goes before key."`
	Headers        *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of the messages; values are templates, with the entity's properties as variables."`
	HeadersProp    string        `spec:"headers_property" doc:"Property of the entity, a dict, whose members are headers too; they go before those of headers."`
	IDProperty     string        `spec:"message_id_property" doc:"Property of the entity, a text, that is the message's id; a message with the id of one that is there takes its place, and is read anew. Without it every message has an id of its own."`
	Payload        string        `spec:"payload_property" doc:"Property of the entity that is the message's body. Without it the entity itself is."`
	ContentType    string        `spec:"content_type" default:"application/json" doc:"Content type that the messages name."`
	RetentionHours float64       `spec:"retention_hours" default:"168" min:"0.01" doc:"How long messages are kept that all consumers have had. Of several sinks of one topic the longest time counts."`
	RetentionMost  int           `spec:"retention_messages" default:"1000000" min:"1" doc:"How many messages are kept that all consumers have had. What a consumer still needs is kept, whatever there is of it."`
}

func messageType() Type {
	return Type{
		Name:   "message",
		Doc:    "Publishes each entity as a message to a topic of the node, in the commit that moves the pipe on; consumers hear of it at once.",
		Config: func() any { return new(messageConfig) },
		Build:  buildMessage,
	}
}

// Publishing is the ability of sinks that publish messages to a topic of the
// node: to which one, and how long it is to keep them.
type Publishing interface {
	Publishes() (exchange string, keep messages.Limits)
}

// messageSink publishes messages.
type messageSink struct {
	anywhere
	cfg   *messageConfig
	topic messages.Topic
	envelope
}

func buildMessage(c any, env Env) (Sink, diag.List) {
	cfg := c.(*messageConfig)
	s := &messageSink{cfg: cfg, topic: messages.Topic{Name: cfg.Exchange, Store: env.Store, Now: env.Now}}
	var diags diag.List
	if err := messages.CheckExchange(cfg.Exchange); err != nil {
		diags.Add(diag.Finding{Rule: "message/exchange", Severity: diag.Error, Span: cfg.At("exchange"), Message: err.Error()})
	}
	var more diag.List
	s.envelope, more = compileEnvelope(cfg.Node, cfg.Key, cfg.KeyProperty, cfg.Headers, cfg.HeadersProp, cfg.Payload)
	diags.Add(more...)
	return s, diags
}

// Publishes implements Publishing.
func (s *messageSink) Publishes() (string, messages.Limits) {
	return s.cfg.Exchange, messages.Limits{Age: systems.Duration(s.cfg.RetentionHours, time.Hour), Most: int64(s.cfg.RetentionMost)}
}

// BatchSize implements Sink.
func (s *messageSink) BatchSize() int { return 100 }

// Load implements Loader.
func (s *messageSink) Load(ctx context.Context) error { return s.topic.Load(ctx) }

// Start implements Sink.
func (s *messageSink) Start(context.Context, Run) (Writer, error) { return s, nil }

// Write implements Writer.
func (s *messageSink) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	p, err := s.BeginWith(ctx, b, store.Batch{State: save})
	if err != nil {
		return Written{}, err
	}
	return p.Wait(ctx)
}

// BeginWith implements Committing: messages stand, or fall, with the pipe's
// offset, so that none is published twice.
func (s *messageSink) BeginWith(ctx context.Context, b *entity.Batch, also store.Batch) (Pending, error) {
	w, err := s.write(ctx, b)
	if err != nil {
		return nil, err
	}
	if len(w.Ops) > 0 {
		also.Writes = append([]store.Write{w}, also.Writes...)
	}
	if len(also.Writes) == 0 && len(also.State) == 0 && len(also.Populate) == 0 {
		return settled{}, nil
	}
	p, err := s.topic.Store.Append(ctx, &also)
	if err != nil {
		return nil, err
	}
	return handed{p, len(also.Writes) == 1 && len(w.Ops) > 0, len(w.Ops) > 0, len(also.State)}, nil
}

// write makes messages of a batch. Deleted entities are published like others;
// filtered ones are for datasets only.
func (s *messageSink) write(ctx context.Context, b *entity.Batch) (store.Write, error) {
	all := make([]messages.Message, 0, len(b.Entities))
	for _, e := range b.Entities {
		if entity.Filtered(e) {
			continue
		}
		m, err := s.message(ctx, e)
		if err == nil {
			err = messages.CheckKey(m.Key)
		}
		if err != nil {
			return store.Write{}, entityError(e, err)
		}
		if s.cfg.IDProperty != "" {
			id, _ := e.Get(s.cfg.IDProperty)
			m.ID = id.Text()
		}
		m.ContentType = s.cfg.ContentType
		all = append(all, m)
	}
	return s.topic.Write(all...)
}

// Finish implements Writer.
func (s *messageSink) Finish(ctx context.Context, _ Finish, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, s.topic.Store, save)
}
