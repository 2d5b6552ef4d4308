package sinks

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

type webhookConfig struct {
	spec.Base
	Type          string        `spec:"type,required" doc:"webhook"`
	Comment       *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	URL           string        `spec:"url,required" doc:"Address that events are sent to, http or https; it may hold $SECRET(name)."`
	Method        string        `spec:"method" enum:"POST,PUT,PATCH,GET" default:"POST" doc:"HTTP method. Requests of GET have no body and no signature: receivers get headers only."`
	ContentType   string        `spec:"content_type" default:"application/json" doc:"Content type of the body. With application/x-www-form-urlencoded a dict is sent as a form, its properties in their order."`
	Headers       *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of the requests; names and values are strings, and values may hold $SECRET(name)."`
	EventHeaders  string        `spec:"headers_property" doc:"Property of the entity that holds headers of its own request: a dict of texts."`
	IDHeader      string        `spec:"event_id_header" default:"Webhook-Id" doc:"Header that carries the event's id; empty sends none but those of the signature."`
	AttemptHeader string        `spec:"attempt_header" doc:"Header that carries the number of the try, from 1 on. Unless given none does."`
	Username      string        `spec:"username" doc:"User of basic authentication, beside any signature."`
	Password      string        `spec:"password" doc:"Password of basic authentication: $SECRET(name)."`
	Payload       string        `spec:"payload_property" doc:"Property of the entity that is sent: a text as it is, anything else as JSON, or a dict as a form if content_type says so. Without it the entity itself is sent."`
	EventID       string        `spec:"event_id_property" doc:"Property of the entity that names the event: of events of one id only the first is sent, as long as its delivery is kept. Without it every entity is an event of its own."`
	Signature     string        `spec:"signature" enum:"standard,github,shopify,etlworks,etlworks-base64,stripe,slack,basic,bearer,header" doc:"How receivers can tell who sent it; unless given standard if there is a secret, else not at all."`
	Header        string        `spec:"signature_header" doc:"Header that carries the secret if signature is header."`
	Secret        string        `spec:"secret" doc:"The secret shared with the receiver: $SECRET(name)."`
	Previous      string        `spec:"previous_secret" doc:"The secret before this one, while receivers change over: $SECRET(name). Schemes that have room for two signatures sign with both."`
	PreviousUntil string        `spec:"previous_secret_until" doc:"Time, such as 2027-01-31T12:00:00Z, from which on the previous secret is not used any more."`
	PreviousMore  *jsonpos.Node `spec:"previous_secrets" kind:"array" doc:"Further secrets from before, at most ten: {\"secret\": \"$SECRET(name)\", \"until\": time}."`
	Standard      bool          `spec:"standard_webhooks" doc:"Whether the headers of Standard Webhooks are sent beside those of signature. A secret without whsec_ is the key as it is."`
	Origin        string        `spec:"handshake_origin" doc:"Name of a host as which the node asks the receiver, by OPTIONS, whether it may send, as CloudEvents has it: before the first event, and once a day. Nothing is sent until the receiver consents, and no faster than it allows. Unless given it is not asked."`
	Timeout       int           `spec:"timeout" default:"15" min:"1" max:"60" doc:"Seconds that the receiver may take to answer."`
	Concurrency   int           `spec:"concurrency" default:"4" min:"1" max:"100" doc:"How many requests may be under way at once."`
	RateLimit     float64       `spec:"rate_limit" min:"0" doc:"How many requests may begin in a second; 0 does not bound them."`
	Ordered       bool          `spec:"ordered" doc:"Whether events of the same order_by are sent one after the other: while one is tried again, later ones wait."`
	OrderBy       string        `spec:"order_by" default:"_id" doc:"Property of the entity whose events keep their order."`
	Retry         *jsonpos.Node `spec:"retry" kind:"string|array" enum:"standard,none" doc:"When to try again: standard (after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h), none, or a list of seconds. Unless given: standard."`
	DisableAfter  float64       `spec:"disable_after_hours" default:"120" min:"0" doc:"After how many hours in which every try failed the webhook is disabled; 0 never does."`
	WhileDisabled string        `spec:"while_disabled" enum:"wait,skip" default:"wait" doc:"What becomes of entities while the webhook is disabled: the pipe waits, or they are skipped."`
	LogLimit      int           `spec:"log_limit" default:"100" min:"1" max:"10000" doc:"How many deliveries that arrived are kept to be looked at."`
	FailedLimit   int           `spec:"failed_limit" default:"10000" min:"1" max:"1000000" doc:"How many deliveries that were given up are kept to be recovered."`
	QueueLimit    int           `spec:"queue_limit" default:"100000" min:"1" max:"10000000" doc:"How many deliveries may be pending; the pipe waits while there are so many."`
	LogBytes      int           `spec:"log_response_bytes" default:"16384" min:"0" max:"131072" doc:"How much of the body of an answer is kept."`
}

func webhookType() Type {
	return Type{
		Name:   "webhook",
		Doc:    "Sends each entity to an address as a signed webhook, at least once: it is queued in the commit that moves the pipe on, and tried again until it has arrived.",
		Config: func() any { return new(webhookConfig) },
		Build:  buildWebhook,
	}
}

// webhookSink puts entities into the queue of a webhook.
type webhookSink struct {
	anywhere
	cfg   *webhookConfig
	queue *webhooks.Queue
	store store.Store
	now   func() time.Time
}

func buildWebhook(c any, env Env) (Sink, diag.List) {
	cfg := c.(*webhookConfig)
	t := &webhookTarget{cfg: cfg, secret: env.Secret, names: webhooks.Rotation{Secret: cfg.Secret, Previous: cfg.Previous}}
	diags := t.check()
	schedule, more := webhookSchedule(cfg)
	diags.Add(more...)
	if env.Transport == nil {
		env.Transport = systems.NewTransport(systems.GuardOptions{})
	}
	s := &webhookSink{cfg: cfg, store: env.Store, now: env.Now}
	if s.now == nil {
		s.now = time.Now
	}
	var consent *webhooks.Consent
	if cfg.Origin != "" {
		consent = &webhooks.Consent{Origin: cfg.Origin}
	}
	s.queue = webhooks.NewQueue(webhooks.Endpoint{
		ID: env.PipeID, Method: cfg.Method, ContentType: cfg.ContentType, Scheme: t.scheme, Beside: t.beside, Target: t.resolve,
		Consent: consent, IDHeader: cfg.IDHeader, AttemptHeader: cfg.AttemptHeader,
		Transport: env.Transport, Timeout: time.Duration(cfg.Timeout) * time.Second, Concurrency: cfg.Concurrency,
		Rate: cfg.RateLimit, Ordered: cfg.Ordered, Schedule: schedule,
		DisableAfter: systems.Duration(cfg.DisableAfter, time.Hour), SkipDisabled: cfg.WhileDisabled == "skip",
		KeepDelivered: cfg.LogLimit, KeepFailed: cfg.FailedLimit, Most: cfg.QueueLimit, KeepBytes: cfg.LogBytes,
	}, env.Store)
	return s, diags
}

// webhookSchedule reads when to try again.
func webhookSchedule(cfg *webhookConfig) ([]time.Duration, diag.List) {
	n := cfg.Retry
	if text, ok := n.Str(); ok && text == "none" {
		return nil, nil
	}
	if n == nil || n.Kind != jsonpos.Array {
		return webhooks.StandardSchedule(), nil
	}
	const mostTries, longest = 50, 30 * 24 * 3600
	var all []time.Duration
	for _, e := range n.Elems {
		var seconds float64
		if _, err := fmt.Sscan(e.Text, &seconds); e.Kind != jsonpos.Number || err != nil || seconds < 1 || seconds > longest {
			return nil, diag.List{{Rule: "webhook/retry", Severity: diag.Error, Span: e.Span,
				Message: fmt.Sprintf("a wait between two tries is a number of seconds from 1 to %d", longest)}}
		}
		all = append(all, systems.Duration(seconds, time.Second))
	}
	if len(all) > mostTries {
		return nil, diag.List{{Rule: "webhook/retry", Severity: diag.Error, Span: n.Span, Message: fmt.Sprintf("retry has more than %d waits", mostTries)}}
	}
	return all, nil
}

// Webhook implements Webhook.
func (s *webhookSink) Webhook() *webhooks.Queue { return s.queue }

// BatchSize implements Sink.
func (s *webhookSink) BatchSize() int { return 100 }

// Bare implements Bare.
func (s *webhookSink) Bare() bool { return true }

// Load implements Loader.
func (s *webhookSink) Load(ctx context.Context) error { return s.queue.Load(ctx) }

// Start implements Sink.
func (s *webhookSink) Start(context.Context, Run) (Writer, error) { return s, nil }

// Write implements Writer.
func (s *webhookSink) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	p, err := s.BeginWith(ctx, b, store.Batch{State: save})
	if err != nil {
		return Written{}, err
	}
	return p.Wait(ctx)
}

// BeginWith implements Committing: what is to be delivered stands, or falls,
// with the pipe's offset.
func (s *webhookSink) BeginWith(ctx context.Context, b *entity.Batch, also store.Batch) (Pending, error) {
	events, err := s.events(b)
	if err != nil {
		return nil, err
	}
	put, err := s.queue.Offer(ctx, events, s.now())
	if err != nil {
		return nil, err
	}
	if put != nil {
		also.Writes = append([]store.Write{{Dataset: webhooks.Dataset(s.queue.ID), Ops: put.Ops}}, also.Writes...)
	}
	if len(also.Writes) == 0 && len(also.State) == 0 && len(also.Populate) == 0 {
		return settled{}, nil
	}
	p, err := s.store.Append(ctx, &also)
	if err != nil {
		return nil, err
	}
	return queued{handed{p, len(also.Writes) == 1 && put != nil, put != nil, len(also.State)}, put}, nil
}

// queued is a batch of which whoever delivers hears when it is safe.
type queued struct {
	handed
	put *webhooks.Change
}

// Wait implements Pending.
func (p queued) Wait(ctx context.Context) (Written, error) {
	w, err := p.handed.Wait(ctx)
	p.put.Settle(err)
	return w, err
}

// Finish implements Writer.
func (s *webhookSink) Finish(ctx context.Context, _ Finish, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, s.store, save)
}

// Quiet implements Quiet.
func (s *webhookSink) Quiet(Finish) bool { return true }

// events are what a batch is to the receiver. Deleted entities are sent like
// others; filtered ones are for datasets only.
func (s *webhookSink) events(b *entity.Batch) ([]webhooks.Event, error) {
	events := make([]webhooks.Event, 0, len(b.Entities))
	for _, e := range b.Entities {
		if entity.Filtered(e) {
			continue
		}
		id, _ := entity.ID(e)
		own, err := s.header(e)
		if err != nil {
			return nil, entityError(e, err)
		}
		// What is told of the event outlives the memory of the batch.
		events = append(events, webhooks.Event{Entity: strings.Clone(id), ID: s.text(e, s.cfg.EventID), Key: s.text(e, s.cfg.OrderBy), Header: own, Body: strings.Clone(s.body(e))})
	}
	return events, nil
}

// header are the headers that an entity brings with it.
func (s *webhookSink) header(e entity.Value) (http.Header, error) {
	if s.cfg.EventHeaders == "" {
		return nil, nil
	}
	v, _ := e.Get(s.cfg.EventHeaders)
	h := http.Header{}
	for _, m := range v.Object().Members() {
		text := string(entity.AppendBare(nil, m.Value))
		switch name := http.CanonicalHeaderKey(m.Key); {
		case !httpguts.ValidHeaderFieldName(m.Key) || !httpguts.ValidHeaderFieldValue(text):
			return nil, fmt.Errorf("%s: %q and its value are no header", s.cfg.EventHeaders, m.Key)
		case webhooks.Reserved(name):
			return nil, fmt.Errorf("%s: the header %s cannot be set: the sender decides on it", s.cfg.EventHeaders, name)
		default:
			h.Set(name, text)
		}
	}
	return h, nil
}

// text is a property as text, "" if there is none.
func (s *webhookSink) text(e entity.Value, key string) string {
	v, _ := e.Get(key)
	return string(entity.AppendBare(nil, v))
}

// body is what is sent, without what only the node's own datasets have a use
// for.
func (s *webhookSink) body(e entity.Value) string {
	if !s.queue.HasBody() {
		return ""
	}
	if s.cfg.Payload != "" {
		v, _ := e.Get(s.cfg.Payload)
		return s.queue.Encode(v)
	}
	members := make([]entity.Member, 0, e.Len())
	for _, m := range e.Object().Members() {
		switch m.Key {
		case entity.UpdatedKey, entity.PreviousKey, entity.HashKey, entity.TSKey:
		default:
			members = append(members, m)
		}
	}
	return s.queue.Encode(entity.NewDict(members...))
}
