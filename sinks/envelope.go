package sinks

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/systems"
)

// envelope makes messages of entities: what sinks to a message bus have in
// common.
type envelope struct {
	key         *systems.Template
	keyProperty string
	headers     []header
	headersProp string
	payload     string
}

type header struct {
	name  string
	value *systems.Template
}

// compileEnvelope compiles the settings of a sink.
func compileEnvelope(sink, key *jsonpos.Node, keyProperty string, headers *jsonpos.Node, headersProp, payload string) (envelope, diag.List) {
	v := envelope{keyProperty: keyProperty, headersProp: headersProp, payload: payload}
	var diags, more diag.List
	if key == nil && keyProperty == "" {
		diags.Add(diag.Finding{Rule: "message/key", Severity: diag.Error, Span: sink.Span,
			Message: `the sink needs "key" or "key_property"`, Help: `consumers choose by the key, for example "key": "order.paid"`})
	}
	v.key, more = systems.CompileText(key)
	diags.Add(more...)
	if headers == nil {
		return v, diags
	}
	for _, m := range headers.Members {
		if m.Value.Kind != jsonpos.String {
			diags.Add(diag.Finding{Rule: "message/headers", Severity: diag.Error, Span: m.Value.Span,
				Message: fmt.Sprintf("the header %q is no text", m.Key)})
			continue
		}
		t, more := systems.CompileText(m.Value)
		diags.Add(more...)
		v.headers = append(v.headers, header{m.Key, t})
	}
	return v, diags
}

// message makes a message of an entity, without id and time.
func (v *envelope) message(ctx context.Context, e entity.Value) (m messages.Message, err error) {
	if m.Key, err = v.keyOf(ctx, e); err != nil {
		return m, fmt.Errorf("key: %w", err)
	}
	if m.Headers, err = v.headersOf(ctx, e); err != nil {
		return m, fmt.Errorf("headers: %w", err)
	}
	if v.payload != "" {
		m.Body, _ = e.Get(v.payload)
	} else {
		m.Body = withoutReserved(e)
	}
	return m, nil
}

func (v *envelope) keyOf(ctx context.Context, e entity.Value) (string, error) {
	if v.keyProperty == "" {
		return v.key.Render(ctx, e)
	}
	k, ok := e.Get(v.keyProperty)
	switch {
	case ok && k.Kind() == entity.String:
		return k.Text(), nil
	case !ok && v.key != nil:
		return v.key.Render(ctx, e)
	}
	return "", fmt.Errorf("the entity's %q is of type %s; a key is a text", v.keyProperty, k.Kind())
}

func (v *envelope) headersOf(ctx context.Context, e entity.Value) (entity.Value, error) {
	var heap *entity.Arena
	o := heap.NewObject(len(v.headers))
	for _, h := range v.headers {
		text, err := h.value.Render(ctx, e)
		if err != nil {
			return entity.Value{}, fmt.Errorf("%s: %w", h.name, err)
		}
		o.Set(h.name, entity.NewString(text))
	}
	if v.headersProp == "" {
		return o.Value(), nil
	}
	own, ok := e.Get(v.headersProp)
	if ok && !own.IsNull() && own.Kind() != entity.Dict {
		return entity.Value{}, fmt.Errorf("the entity's %q is of type %s; headers are a dict", v.headersProp, own.Kind())
	}
	for _, m := range own.Object().Members() {
		o.Set(m.Key, m.Value)
	}
	return o.Value(), nil
}

// withoutReserved is an entity without what only the node's own datasets have a
// use for.
func withoutReserved(e entity.Value) entity.Value {
	members := make([]entity.Member, 0, e.Len())
	for _, m := range e.Object().Members() {
		switch m.Key {
		case entity.UpdatedKey, entity.PreviousKey, entity.HashKey, entity.TSKey:
		default:
			members = append(members, m)
		}
	}
	return entity.NewDict(members...)
}
