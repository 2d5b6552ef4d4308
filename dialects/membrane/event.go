package membrane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/textdist"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

type eventConfig struct {
	spec.Base
	Type       string        `spec:"type,required" doc:"external_event"`
	Comment    *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Event      string        `spec:"event,required" doc:"Key of the external event, of the connection's connector."`
	Connection string        `spec:"connection,required" doc:"Key of the connection."`
	Parameters *jsonpos.Node `spec:"parameters" kind:"object" doc:"Parameters of the event."`
	From       string        `spec:"from" enum:"subscribed,beginning" default:"subscribed" doc:"Whether events are read that came before the pipe was subscribed."`
	Signals    bool          `spec:"supports_signalling" doc:"Whether every event of the integration starts the pipe. Unless given only those do that are for it."`
}

func eventType(pool *jsrun.Pool) sources.Type {
	locks := new(keyedLocks)
	return sources.Type{
		Name:   "external_event",
		Doc:    "Reads the events of a connection that come by a global webhook of Membrane: those whose selector is the one that the event's getEventSelector gives for the connection.",
		Config: func() any { return new(eventConfig) },
		Build: func(c any, env sources.Env) (sources.Source, diag.List) {
			return &externalEvent{cfg: c.(*eventConfig), env: env, pool: pool, locks: locks, registry: registry{env.Store}}, nil
		},
	}
}

// externalEvent reads the events that are for one connection.
type externalEvent struct {
	cfg      *eventConfig
	env      sources.Env
	pool     *jsrun.Pool
	locks    *keyedLocks
	registry registry
}

// parts are what an event belongs to.
type parts struct {
	integration *integration
	connection  *connection
	event       *event
}

func (s *externalEvent) find() (parts, error) {
	c, ok := s.env.System(connectionID(s.cfg.Connection)).(*connection)
	if !ok {
		return parts{}, fmt.Errorf("there is no connection %q", s.cfg.Connection)
	}
	i, ok := s.env.System(integrationID(c.cfg.Integration)).(*integration)
	if !ok {
		return parts{}, fmt.Errorf("there is no integration %q", c.cfg.Integration)
	}
	e := i.events[s.cfg.Event]
	if e == nil {
		return parts{}, &unknownEvent{s.cfg.Event, i}
	}
	return parts{i, c, e}, nil
}

type unknownEvent struct {
	key string
	in  *integration
}

func (e *unknownEvent) Error() string {
	return fmt.Sprintf("the connector %q has no external event %q", e.in.cfg.Connector, e.key)
}

// Link implements systems.Linker.
func (s *externalEvent) Link() diag.List {
	p, err := s.find()
	var unknown *unknownEvent
	switch {
	case errors.As(err, &unknown):
		f := diag.Finding{Rule: "membrane/event", Severity: diag.Error, Span: s.cfg.At("event"), Message: err.Error()}
		if near := textdist.Nearest(unknown.key, slices.Sorted(maps.Keys(unknown.in.events))); near != "" {
			f.Help = fmt.Sprintf("did you mean %q?", near)
		}
		return diag.List{f}
	case err != nil:
		return diag.List{{Rule: "membrane/connection", Severity: diag.Error, Span: s.cfg.At("connection"), Message: err.Error(),
			Help: "connections stand in integrations/<key>.yml"}}
	}
	return append(s.checkParameters(p), s.checkSystem(p)...)
}

// checkParameters validates the parameters by their schema.
func (s *externalEvent) checkParameters(p parts) (finds diag.List) {
	if p.event.parameters == nil {
		return nil
	}
	v, err := entity.Decode(nil, s.parameters(), entity.DecodeOptions{Plain: true})
	var wrong []string
	if err == nil {
		wrong, err = p.event.parameters.Complaints(v)
	}
	if err != nil {
		wrong = []string{err.Error()}
	}
	for _, w := range wrong {
		finds.Add(diag.Finding{Rule: "membrane/parameters", Severity: diag.Error, Span: s.cfg.At("parameters"), Message: w,
			Help: "the event's parametersSchema says what it takes"})
	}
	return finds
}

func (s *externalEvent) checkSystem(p parts) diag.List {
	id := p.connection.cfg.System
	if id == "" {
		return nil
	}
	if s.env.System(id) == nil {
		return diag.List{{Rule: "membrane/system", Severity: diag.Error, Span: p.connection.cfg.At("system"), Message: fmt.Sprintf("there is no system %q", id), Unknown: id}}
	}
	return nil
}

// parameters are the event's parameters as JSON with sorted keys.
func (s *externalEvent) parameters() []byte {
	if s.cfg.Parameters == nil {
		return []byte("{}")
	}
	v, err := anyOf(s.cfg.Parameters.AppendJSON(nil))
	if err != nil {
		return []byte("{}") // what was parsed can be parsed again
	}
	text, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return text
}

// Since implements sources.Source.
func (s *externalEvent) Since() sources.Since {
	return sources.Since{Supports: true, Comparable: true, Chronological: true}
}

// Bare implements sources.Bare.
func (s *externalEvent) Bare() bool { return true }

// Datasets implements sources.Inputs: which one it is that the events come by is
// known when the selector is.
func (s *externalEvent) Datasets() []string {
	p, err := s.find()
	if err != nil {
		return nil
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(p.integration.hooks)) {
		all = append(all, pipeID(p.integration.cfg.Key, key))
	}
	return all
}

// SupportsSignalling implements sources.Signalled: the door wakes the pipes that
// an event is for, of which there may be few among thousands.
func (s *externalEvent) SupportsSignalling() (on, given bool) { return s.cfg.Signals, true }

// RequirePopulatedInput implements sources.Gated.
func (s *externalEvent) RequirePopulatedInput() (on, given bool) { return false, true }

// Load readies the subscriptions.
func (s *externalEvent) Load(ctx context.Context) error { return s.registry.load(ctx) }

// Read implements sources.Source.
func (s *externalEvent) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		sub, err := s.ensure(ctx, ifDue)
		switch {
		case err != nil:
			yield(nil, err)
			return
		case sub.Status == failed:
			yield(nil, fmt.Errorf("the pipe is not subscribed: %s", sub.Error))
			return
		case sub.Status != subscribed:
			return
		}
		if err := s.read(ctx, sub, since, size, yield); err != nil {
			yield(nil, err)
		}
	}
}

// read reads what is in the subscription.
func (s *externalEvent) read(ctx context.Context, sub *subscription, since string, size int, yield func(*entity.Batch, error) bool) error {
	p, err := s.find()
	if err != nil || p.integration.hooks[sub.Key] == nil {
		return err
	}
	dataset := pipeID(sub.Integration, sub.Key)
	q, err := s.begin(ctx, dataset, since, size)
	if errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	if err != nil {
		return err
	}
	place, err := s.beginning(ctx, sub, dataset)
	if err != nil {
		return fmt.Errorf("dataset %q: %w", dataset, err)
	}
	q.Key = []byte(sub.Selector)
	b := &entity.Batch{Arena: entity.NewArena()}
	for !b.Last {
		b.Arena.Reset()
		page, err := s.env.Store.Read(ctx, dataset, q, b.Arena)
		if err != nil {
			return fmt.Errorf("dataset %q: %w", dataset, err)
		}
		stood := len(page.Entities) == 0 && page.Next == q.Since
		q.Since, b.Last = page.Next, page.End
		b.Entities = s.chosen(p, place, page.Entities, b.Arena)
		if b.Since, err = formatSince(dataset, page.Next); err != nil {
			return err
		}
		if !stood && !yield(b, nil) {
			return nil
		}
	}
	return nil
}

// selectorIndex finds events by their selector.
func selectorIndex() store.Index {
	return store.Index{Name: "membrane:selector", Needs: []string{"selector"}, Keys: func(e entity.Value, emit func(key []byte)) {
		emit([]byte(textOf(e, "selector")))
	}}
}

// begin makes the query of a run. An offset past the end belongs to a dataset that
// has been made anew since.
func (s *externalEvent) begin(ctx context.Context, dataset, since string, size int) (store.Query, error) {
	q := store.Query{Since: store.Start, Limit: size, Index: selectorIndex().Name}
	info, err := s.env.Store.Info(ctx, dataset)
	if err != nil {
		return q, err
	}
	at := map[string]store.Offset{}
	if since != "" {
		if err := json.Unmarshal([]byte(since), &at); err != nil {
			if n, numErr := strconv.ParseInt(since, 10, 64); numErr == nil {
				at[dataset] = store.Offset(n) // as somebody set it by the API
			} else {
				return q, &sources.OffsetError{Msg: fmt.Sprintf("the offset %q is none of this source", since)}
			}
		}
	}
	if n, ok := at[dataset]; ok && n <= info.Last {
		q.Since = n
	}
	return q, s.env.Store.EnsureIndex(ctx, dataset, selectorIndex())
}

func formatSince(dataset string, at store.Offset) (string, error) {
	if at == store.Start {
		return "", nil
	}
	text, err := json.Marshal(map[string]store.Offset{dataset: at})
	return string(text), err
}

// chosen leaves out what came before the subscription, and payloads that do not
// fit the event's schema where that counts.
func (s *externalEvent) chosen(p parts, from beginning, all []entity.Value, a *entity.Arena) []entity.Value {
	var out []entity.Value
	for _, e := range all {
		if from.before(e) {
			continue
		}
		if payload, _ := e.Get("payload"); p.event.payload != nil && !entity.Deleted(e) {
			if wrong, err := p.event.payload.Complaints(payload); err != nil || len(wrong) > 0 {
				continue
			}
		}
		o := a.NewObject(e.Len())
		o.AddFrom(e.Object())
		o.Delete("subscriptions")
		out = append(out, o.Value())
	}
	return out
}
