package pipeforce

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
)

func messageCommands() []command {
	none := entity.Value{}
	settle := func(v verdict, leave bool) func(context.Context, *exec, args) (entity.Value, error) {
		return func(_ context.Context, x *exec, _ args) (entity.Value, error) {
			if x.verdict == undecided {
				x.verdict = v
			}
			x.done = x.done || leave
			return none, nil
		}
	}
	return []command{
		{name: "message.send", def: "key", door: true, run: sendMessage, doc: "Publishes a message.",
			params: []param{
				{name: "key", required: true, doc: "Key of the message."},
				{name: "exchange", doc: "Topic that it is published to."},
				{name: "payload", doc: "What is sent; else the body."},
				{name: "evalPayload", literal: true, enum: []string{"true", "false"}, doc: "Whether expressions in the payload are evaluated."},
				{name: "headers", doc: "Headers of the message, a dict."},
				{name: "encoding", literal: true, enum: []string{"UTF-8", "utf-8"}, doc: "Encoding of the payload."},
				{name: "contentType", doc: "Content type that the message names."},
			}},
		{name: "message.ack", open: true, run: settle(acked, false), doc: "Acknowledges the message now."},
		{name: "message.nack", open: true, run: settle(nacked, true), doc: "Gives the message back, to be delivered again."},
		{name: "message.drop", open: true, run: settle(dropped, true), doc: "Throws the message away."},
		{name: "event.send", def: "key", door: true, run: sendEvent, doc: "Fires an event.",
			params: []param{
				{name: "key", aliases: []string{"eventKey"}, required: true, doc: "Key of the event."},
				{name: "payload", doc: "What the event carries; else null."},
				{name: "traceId", doc: "Id by which what follows is found again."},
				{name: "async", literal: true, enum: []string{"true", "false"}, doc: "Events are handed on in the background; false has no effect."},
			}},
	}
}

func sendMessage(ctx context.Context, x *exec, a args) (entity.Value, error) {
	payload, err := payloadOf(x, a)
	if err != nil {
		return payload, err
	}
	m := messages.Message{Key: a.text("key"), Body: payload, ContentType: a.text("contentType"), Headers: x.messageHeaders()}
	if m.ContentType == "" {
		m.ContentType = "application/json"
	}
	if h := a.values["headers"]; h.Kind() == entity.Dict {
		m.Headers = merged(h, m.Headers)
	} else if !h.IsNull() {
		return payload, badParam("headers", "must be a dict")
	}
	if err := messages.CheckKey(m.Key); err != nil {
		return payload, badParam("key", "cannot be %.80q: %v", m.Key, err)
	}
	if err := messages.CheckExchange(exchangeName(a.text("exchange"))); err != nil {
		return payload, badParam("exchange", "is none: %v", err)
	}
	return entity.Value{}, x.publish(ctx, a.text("exchange"), m)
}

// payloadOf is what message.send sends.
func payloadOf(x *exec, a args) (entity.Value, error) {
	if a.step == nil { // called over HTTP
		if v, ok := a.values["payload"]; ok {
			return v, nil
		}
		return x.body, nil
	}
	v, given := a.step.args["payload"]
	switch {
	case !given:
		return x.body, nil
	case a.text("evalPayload") == "false":
		return literal(v.node), nil
	}
	return v.eval(x)
}

func (x *exec) messageHeaders() entity.Value {
	return entity.NewDict(text("namespace", x.rt.hub.cfg.Namespace), text("content_type", "application/json"))
}

func (x *exec) publish(ctx context.Context, exchange string, all ...messages.Message) error {
	t := x.rt.topic(exchange)
	if err := t.Load(ctx); err != nil {
		return err
	}
	return t.Publish(ctx, all...)
}

// event is what listeners get in their body.
type event struct {
	key, namespace, trace, correlation string
	payload, headers                   entity.Value
}

func (e *event) value() entity.Value {
	headers := e.headers
	if headers.Kind() != entity.Dict {
		headers = entity.NewDict()
	}
	all := []entity.Member{text("eventKey", e.key), text("namespace", e.namespace), member("payload", e.payload),
		member("async", entity.NewBool(true)), text("traceId", e.trace), member("headers", headers)}
	if e.correlation != "" {
		all = append(all, text("correlationId", e.correlation))
	}
	return entity.NewDict(all...)
}

// messages are those that an event is published as.
func (e *event) messages(bare bool) []messages.Message {
	m := messages.Message{Key: eventPrefix + e.key, Body: e.value(), ContentType: "application/json",
		Headers: entity.NewDict(text("namespace", e.namespace), text("content_type", "application/json"))}
	if !bare {
		return []messages.Message{m}
	}
	old := m
	old.Key = e.key
	return []messages.Message{m, old}
}

func sendEvent(ctx context.Context, x *exec, a args) (entity.Value, error) {
	e := &event{key: a.text("key"), namespace: x.rt.hub.cfg.Namespace, trace: a.text("traceId"), payload: a.values["payload"]}
	if err := messages.CheckKey(eventPrefix + e.key); err != nil {
		return e.payload, badParam("key", "cannot be %.80q: %v", e.key, err)
	}
	if e.trace == "" {
		e.trace = randomName(13)
	}
	return entity.Value{}, x.publish(ctx, "", e.messages(x.rt.hub.cfg.BareKeys)...)
}

// randomName is n letters and digits that nobody can guess.
func randomName(n int) string {
	return strings.ToLower(rand.Text())[:n]
}

// traceID marks a call of a webhook: the end of its token, and something random.
func traceID(token string) string {
	return fmt.Sprintf("%s:%s", token[max(0, len(token)-6):], randomName(7))
}
