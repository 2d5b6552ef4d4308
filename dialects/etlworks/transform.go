package etlworks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/transforms"
)

type eventConfig struct {
	spec.Base
	Type    string        `spec:"type,required" doc:"etlworks_event"`
	Comment *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Webhook int           `spec:"webhook,required" min:"1" doc:"Number of the webhook."`
	Events  *jsonpos.Node `spec:"events" kind:"array" doc:"Names of the events it is told of, such as Flow.Executed or Connection.*; none, or *, stands for all."`
	Entity  bool          `spec:"include_entity" doc:"Whether the affected object is told too."`
	Form    bool          `spec:"form" doc:"Whether the payload is sent as a form, which has its fields in another order."`
	Since   int           `spec:"since" min:"0" doc:"Number of the last event that is not told of any more."`
}

func eventType() transforms.Type {
	return transforms.Type{
		Name:   "etlworks_event",
		Doc:    "Makes of events of the node (dataset system:events) what Etlworks sends of them: payload and headers for the sink webhook. Events that were not chosen are left out.",
		Config: func() any { return new(eventConfig) },
		Build:  buildEvent,
	}
}

// message turns events into messages of one webhook.
type message struct {
	webhook int64
	since   int64
	events  []string
	entity  bool
	form    bool
}

func buildEvent(c any, _ transforms.Env) (transforms.Transform, diag.List) {
	cfg := c.(*eventConfig)
	m := &message{webhook: int64(cfg.Webhook), since: int64(cfg.Since), entity: cfg.Entity, form: cfg.Form}
	var finds diag.List
	if cfg.Events != nil {
		for _, n := range cfg.Events.Elems {
			name, _ := n.Str()
			m.events = append(m.events, name)
			if fault, _ := checkEvents([]string{name}); fault != "" {
				finds.Add(diag.Finding{Rule: "etlworks/events", Severity: diag.Error, Span: n.Span, Message: fault})
			}
		}
	}
	return m, finds
}

// Start implements transforms.Transform.
func (m *message) Start(transforms.Run) transforms.Step { return m }

// SideEffects implements transforms.Transform.
func (m *message) SideEffects() bool { return false }

// Apply implements transforms.Step.
func (m *message) Apply(_ context.Context, b *entity.Batch) error {
	kept := b.Entities[:0]
	for _, e := range b.Entities {
		r := record{e}
		name, ok := chosen(m.events, r.text("eventType"))
		if ok && !entity.Deleted(e) && r.number("number") > m.since {
			kept = append(kept, m.make(r, name))
		}
	}
	b.Entities = kept
	return nil
}

// make is the message of an event: what is sent, and the headers that go with it.
func (m *message) make(r record, name string) entity.Value {
	id := requestID(r.text("eventId"), m.webhook)
	address := r.text("entityUrl")
	number := r.number("entityId")
	payload := []entity.Member{text("eventId", id), text("eventType", name), count("webhookId", m.webhook), count("entityId", number)}
	affected, _ := r.v.Get("entity")
	at := count("timestamp", r.number("timestamp"))
	switch {
	case m.form && m.entity:
		payload = append(payload, at, text("entityUrl", address), entity.Member{Key: "entity", Value: affected})
	case m.form:
		payload = append(payload, at)
	case m.entity:
		payload = append(payload, entity.Member{Key: "entity", Value: affected}, text("entityUrl", address), at)
	default:
		payload = append(payload, text("entityUrl", address), at)
	}
	return entity.NewDict(text(entity.IDKey, id),
		entity.Member{Key: "headers", Value: entity.NewDict(
			text("X-Etl-Webhook-Event", name), text("X-Etl-Webhook-Id", strconv.FormatInt(m.webhook, 10)),
			text("X-Etl-Webhook-Entity-Id", strconv.FormatInt(number, 10)), text("X-Etl-Webhook-Entity-Url", address))},
		entity.Member{Key: "payload", Value: entity.NewDict(payload...)})
}

// requestID is the id of an event for one webhook: always the same, and another
// one for each webhook.
func requestID(event string, webhook int64) string {
	sum := sha256.Sum256([]byte(event + "/" + strconv.FormatInt(webhook, 10)))
	return uuidOf([16]byte(sum[:16]), 8)
}

// uuidOf writes bytes as a UUID of a version.
func uuidOf(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func text(key, s string) entity.Member {
	return entity.Member{Key: key, Value: entity.NewString(s)}
}

func count(key string, n int64) entity.Member {
	return entity.Member{Key: key, Value: entity.NewInt(n)}
}

// record reads members of a dict that may lack them.
type record struct{ v entity.Value }

func (r record) text(key string) string {
	v, _ := r.v.Get(key)
	if v.Kind() != entity.String {
		return ""
	}
	return v.Text()
}

func (r record) number(key string) int64 {
	v, _ := r.v.Get(key)
	n, _ := v.Int64()
	return n
}
