package transforms

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type restConfig struct {
	spec.Base
	Type               string        `spec:"type,required" doc:"rest"`
	Comment            *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Name               string        `spec:"name" doc:"Name shown to people."`
	System             string        `spec:"system,required" doc:"Id of the REST system."`
	Operation          string        `spec:"operation" doc:"Name of the operation for entities that do not name one themselves."`
	Operations         *jsonpos.Node `spec:"operations" kind:"object" doc:"Operations of the pipe itself; they go before the system's and may not use secrets."`
	Properties         *jsonpos.Node `spec:"properties" kind:"object" doc:"Values for templates to use as properties.<name>, for entities without properties."`
	Payload            *jsonpos.Node `spec:"payload" kind:"any" doc:"What is sent as body for entities without payload; every text in it is a template."`
	PayloadProperty    string        `spec:"payload_property" doc:"Path, with dots, of the part of a JSON response that is the result; goes before the operation's."`
	IDExpression       string        `spec:"id_expression" doc:"Template of the _id of each dict of the response; goes before the operation's."`
	UpdatedExpression  string        `spec:"updated_expression" doc:"Template of the _updated of each dict of the response; goes before the operation's."`
	ResponseProperty   string        `spec:"response_property" alias:"response-property" doc:"Property that receives the response; goes before the operation's, and is response if neither names one."`
	HeadersProperty    string        `spec:"response_headers_property" doc:"Property that receives the response's headers, unless replace_entity."`
	StatusProperty     string        `spec:"response_status_property" doc:"Property that receives the response's status code, unless replace_entity."`
	IncludeContentType bool          `spec:"response_include_content_type" alias:"response-include-content-type" doc:"Whether the entity gets the response's content type as content-type."`
	ReplaceEntity      bool          `spec:"replace_entity" alias:"replace-entity" doc:"Whether the dicts of a JSON response take the place of the entity."`
	Allowed            string        `spec:"allowed_status_codes" doc:"Status codes taken as success: codes and ranges such as 200-299,404; goes before the operation's. Any other fails the batch."`
	Ignored            string        `spec:"ignored_status_codes" doc:"Status codes for which response and entity are dropped; goes before the operation's."`
	IfTransformEmpty   string        `spec:"if_transform_empty" enum:"accept,allow,fail" default:"accept" doc:"Whether a full run in which nothing comes out fails, so that it does not delete everything."`
	Retries            int           `spec:"rate_limiting_retries" min:"0" doc:"How often a request that got status 429 is sent again; goes before operation and system."`
	Delay              int           `spec:"rate_limiting_delay" min:"0" doc:"Seconds to wait before a request that got status 429 is sent again."`
	SideEffects        bool          `spec:"side_effects" default:"true" doc:"Whether the calls change something, so that previews stop before the transform."`
	TriggerOn          *jsonpos.Node `spec:"trigger_on" kind:"object" doc:"Calls only for entities whose property key, a path, is value, which may hold wildcards; the others pass unchanged."`
	Trace              *jsonpos.Node `spec:"trace" kind:"boolean|object" doc:"Whether requests and responses are written to the execution log."`
}

func restType() Type {
	return Type{
		Name:   "rest",
		Doc:    "Calls an operation of a REST system for each entity and keeps the response.",
		Config: func() any { return new(restConfig) },
		Build:  buildREST,
	}
}

type rest struct {
	cfg     *restConfig
	pipe    *systems.Pipe
	system  func(id string) systems.System
	trigger *trigger
}

const ruleUnsupported = "transform/unsupported"

func buildREST(c any, env Env) (Transform, diag.List) {
	cfg := c.(*restConfig)
	pipe, diags := systems.CompilePipe(systems.PipeConfig{
		Node: cfg.Node, System: cfg.System, Operation: cfg.Operation,
		PayloadProperty: cfg.PayloadProperty, ResponseProperty: cfg.ResponseProperty,
		HeadersProperty: cfg.HeadersProperty, StatusProperty: cfg.StatusProperty, Retries: cfg.Retries, Delay: cfg.Delay,
	})
	t, more := compileTrigger(cfg.TriggerOn, env.options())
	diags.Add(more...)
	diags.Add(systems.Unsupported(cfg.Node, ruleUnsupported, "trace", diag.Warning)...)
	return &rest{cfg: cfg, pipe: pipe, system: env.System, trigger: t}, diags
}

// SideEffects implements Transform.
func (t *rest) SideEffects() bool { return t.cfg.SideEffects }

// Link implements systems.Linker.
func (t *rest) Link() diag.List { return t.pipe.Link(t.system) }

// Start implements Transform.
func (t *rest) Start(r Run) Step {
	return &restStep{t: t, trigger: t.trigger.start(r), some: r.Resumed}
}

type restStep struct {
	t       *rest
	trigger *triggerRun
	some    bool // something came out, or may have
}

// ErrEmpty is a full run in which nothing came out of a transform although
// if_transform_empty is "fail".
var ErrEmpty = errors.New(`nothing came out of the rest transform, and if_transform_empty is "fail"`)

// Finish implements Finisher.
func (s *restStep) Finish(context.Context) error {
	if s.t.cfg.IfTransformEmpty == "fail" && !s.some {
		return ErrEmpty
	}
	return nil
}

// Apply implements Step. Filtered entities are on their way to be deleted, so
// nobody is asked about them.
func (s *restStep) Apply(ctx context.Context, b *entity.Batch) error {
	r, err := s.t.pipe.REST(s.t.system)
	if err != nil {
		return err
	}
	out := b.Arena.Values(len(b.Entities))
	for i, e := range b.Entities {
		ok, err := s.trigger.fires(ctx, e, b.Arena)
		if err != nil {
			return err
		}
		if !ok || entity.Filtered(e) {
			out = append(out, e)
			continue
		}
		if out, err = s.call(ctx, r, e, out); err != nil {
			return &EntityError{Position: i, id: idOf(e), Err: err}
		}
	}
	s.some = s.some || len(out) > 0
	b.Entities = out
	return nil
}

func idOf(e entity.Value) string {
	id, _ := entity.ID(e)
	return string([]byte(id))
}

// EntityError is the failure of one entity of a batch.
type EntityError struct {
	Position int // in the batch, from 0
	Err      error
	id       string
}

// NewEntityError tells of an entity of a batch that failed.
func NewEntityError(position int, e entity.Value, err error) *EntityError {
	return &EntityError{Position: position, id: idOf(e), Err: err}
}

// Error names the entity and says what went wrong.
func (e *EntityError) Error() string { return fmt.Sprintf("entity %q: %v", e.id, e.Err) }

// Unwrap returns what went wrong.
func (e *EntityError) Unwrap() error { return e.Err }

// call makes the calls for one entity and appends what becomes of it.
func (s *restStep) call(ctx context.Context, r *systems.REST, e entity.Value, out []entity.Value) ([]entity.Value, error) {
	var got answer
	c := systems.Call{Pipe: s.t.pipe, Entity: e, AnyStatus: true, Raw: s.t.cfg.ReplaceEntity}
	for page, err := range r.Do(ctx, c) {
		if err != nil {
			return out, err
		}
		got.add(page)
	}
	switch {
	case got.first == nil:
		return out, nil // ignored: the entity goes with its response
	case s.t.cfg.ReplaceEntity:
		return s.replace(e, &got, out)
	default:
		return append(out, s.extend(e, &got)), nil
	}
}

// answer gathers the pages of one call.
type answer struct {
	first  *systems.Page
	pages  int
	result entity.Value
	items  []entity.Value
}

// add takes a page. One page keeps its shape; several become one list.
func (a *answer) add(p *systems.Page) {
	if p.Ignored {
		return
	}
	if a.pages++; a.pages == 1 {
		a.first, a.result = p, p.Result
		return
	}
	if a.pages == 2 {
		a.items = appendItems(a.items, a.result)
	}
	a.items = appendItems(a.items, p.Result)
	a.result = entity.NewList(a.items...)
}

func appendItems(items []entity.Value, v entity.Value) []entity.Value {
	switch v.Kind() {
	case entity.List:
		return append(items, v.Elems()...)
	case entity.Null:
		return items
	default:
		return append(items, v)
	}
}

// extend adds the response to the entity.
func (s *restStep) extend(e entity.Value, a *answer) entity.Value {
	p := a.first
	more := []entity.Member{{Key: property(p), Value: a.result}}
	if p.HeadersProperty != "" {
		more = append(more, entity.Member{Key: p.HeadersProperty, Value: p.Headers})
	}
	if p.StatusProperty != "" {
		more = append(more, entity.Member{Key: p.StatusProperty, Value: entity.NewInt(int64(p.Status))})
	}
	return systems.With(e, s.contentType(more, p)...)
}

func (s *restStep) contentType(m []entity.Member, p *systems.Page) []entity.Member {
	if !s.t.cfg.IncludeContentType {
		return m
	}
	return append(m, entity.Member{Key: "content-type", Value: entity.NewString(p.ContentType)})
}

func property(p *systems.Page) string {
	if p.ResponseProperty == "" {
		return "response"
	}
	return p.ResponseProperty
}

// replace puts the dicts of the response in the entity's place. A response
// that is no JSON becomes an entity with the old _id.
func (s *restStep) replace(e entity.Value, a *answer, out []entity.Value) ([]entity.Value, error) {
	if !a.first.JSON {
		m := []entity.Member{{Key: property(a.first), Value: a.result}}
		if id, ok := e.Get(entity.IDKey); ok {
			m = append([]entity.Member{{Key: entity.IDKey, Value: id}}, m...)
		}
		return append(out, entity.NewDict(s.contentType(m, a.first)...)), nil
	}
	for i, item := range appendItems(nil, a.result) {
		if item.Kind() != entity.Dict {
			return out, fmt.Errorf("element %d of the response is of type %s; entities must be dicts", i+1, item.Kind())
		}
		out = append(out, item)
	}
	return out, nil
}
