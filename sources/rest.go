package sources

import (
	"context"
	"fmt"
	"iter"

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
	System             string        `spec:"system,required" doc:"Id of the REST system."`
	Operation          string        `spec:"operation,required" doc:"Name of the operation."`
	Operations         *jsonpos.Node `spec:"operations" kind:"object" doc:"Operations of the pipe itself; they go before the system's and may not use secrets."`
	Properties         *jsonpos.Node `spec:"properties" kind:"object" doc:"Values for templates to use as properties.<name>."`
	Payload            *jsonpos.Node `spec:"payload" kind:"any" doc:"What is sent as body, instead of the operation's payload; every text in it is a template."`
	PayloadProperty    string        `spec:"payload_property" doc:"Path, with dots, of the part of a JSON response that holds the entities; goes before the operation's."`
	IDExpression       string        `spec:"id_expression" doc:"Template of the _id of each entity; goes before the operation's."`
	UpdatedExpression  string        `spec:"updated_expression" doc:"Template of the _updated of each entity; goes before the operation's."`
	ResponseProperty   string        `spec:"response_property" alias:"response-property" doc:"Property for a response that is not JSON; goes before the operation's."`
	HeadersProperty    string        `spec:"response_headers_property" doc:"Property of each entity for the response's headers; goes before the operation's."`
	IncludeContentType bool          `spec:"response_include_content_type" alias:"response-include-content-type" doc:"Whether each entity gets the response's content type as content-type."`
	SupportsSince      bool          `spec:"supports_since" doc:"Whether a run continues behind the _updated read last."`
	SinceComparable    bool          `spec:"is_since_comparable" default:"true" doc:"Whether values of _updated can be compared byte by byte."`
	Chronological      bool          `spec:"is_chronological" doc:"Whether entities come in the order of their _updated."`
	SinceName          string        `spec:"since_property_name" doc:"Name of the parameter or header that carries the continuation; goes before the operation's."`
	SinceLocation      string        `spec:"since_property_location" enum:"query,header,manual" doc:"Where the continuation is put; goes before the operation's."`
	InitialSince       *jsonpos.Node `spec:"initial_since_value" kind:"string|number" doc:"Continuation of a run that has none yet."`
	Retries            int           `spec:"rate_limiting_retries" min:"0" doc:"How often a request that got status 429 is sent again; goes before operation and system."`
	Delay              int           `spec:"rate_limiting_delay" min:"0" doc:"Seconds to wait before a request that got status 429 is sent again."`
	IfSourceEmpty      string        `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
	Trace              *jsonpos.Node `spec:"trace" kind:"boolean|object" doc:"Whether requests and responses are written to the execution log."`
}

func restType() Type {
	return Type{
		Name:   "rest",
		Doc:    "Reads the responses of an operation of a REST system, page by page.",
		Config: func() any { return new(restConfig) },
		Build:  buildREST,
	}
}

type rest struct {
	cfg    *restConfig
	pipe   *systems.Pipe
	system func(id string) systems.System
	since  Since
	empty  bool
	sure   bool // that nothing means an empty list
}

func buildREST(c any, env Env) (Source, diag.List) {
	cfg := c.(*restConfig)
	pipe, diags := systems.CompilePipe(systems.PipeConfig{
		Node: cfg.Node, System: cfg.System, Operation: cfg.Operation,
		PayloadProperty: cfg.PayloadProperty, ResponseProperty: cfg.ResponseProperty, HeadersProperty: cfg.HeadersProperty,
		SinceName: cfg.SinceName, SinceLocation: cfg.SinceLocation, Retries: cfg.Retries, Delay: cfg.Delay,
	})
	diags.Add(systems.Unsupported(cfg.Node, ruleUnsupported, "trace", diag.Warning)...)
	return &rest{
		cfg: cfg, pipe: pipe, system: env.System, empty: env.acceptsEmpty(cfg.IfSourceEmpty), sure: env.acceptsExpressly(cfg.IfSourceEmpty),
		since: Since{cfg.SupportsSince, cfg.SinceComparable, cfg.Chronological},
	}, diags
}

// Partway implements Partway.
func (s *rest) Partway() bool { return s.since.begins("", sinceText(s.cfg.InitialSince)) != "" }

// Since implements Source.
func (s *rest) Since() Since { return s.since }

// Anchor implements Anchored.
func (s *rest) Anchor() string { return s.pipe.Asks(s.system) }

// Link implements systems.Linker.
func (s *rest) Link() diag.List { return s.pipe.Link(s.system) }

// Read implements Source. Each page is handed on before the next is asked for.
func (s *rest) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	since = s.since.begins(since, sinceText(s.cfg.InitialSince))
	return failIfEmpty(s.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		r, err := s.pipe.REST(s.system)
		if err != nil {
			yield(nil, err)
			return
		}
		call := systems.Call{Pipe: s.pipe, Since: since, Continues: s.since.Supports}
		top := since
		for page, err := range r.Do(ctx, call) {
			entities, err := s.entities(page, err)
			if err != nil {
				yield(nil, err)
				return
			}
			s.judge(ctx, page)
			if !batches(entities, size, false, s.since.follow(&top), yield) {
				return
			}
		}
	})
}

// judge tells what of a page leaves it open whether there is more than it says.
func (s *rest) judge(ctx context.Context, p *systems.Page) {
	switch {
	case p.Partial:
		doubt(ctx, "the system answered 206, which is a part of what there is")
	case s.sure:
	case p.Blank:
		doubt(ctx, "the system answered with nothing at all"+acceptIt)
	case !p.Found:
		doubt(ctx, "an answer had no payload_property"+acceptIt)
	}
}

// entities makes the entities of a page.
func (s *rest) entities(p *systems.Page, err error) ([]entity.Value, error) {
	if err != nil {
		return nil, err
	}
	if !p.JSON {
		return s.raw(p)
	}
	items := []entity.Value{p.Result}
	switch p.Result.Kind() {
	case entity.Null:
		return nil, nil
	case entity.List:
		items = p.Result.Elems()
	}
	out := make([]entity.Value, len(items))
	for i, e := range items {
		if e.Kind() != entity.Dict {
			return nil, fmt.Errorf("element %d of the response is of type %s; entities must be dicts", i+1, e.Kind())
		}
		out[i] = s.decorate(e, p)
	}
	return out, nil
}

// raw makes the one entity of a response that is no JSON; a response without
// any content has none unless a property asks for it.
func (s *rest) raw(p *systems.Page) ([]entity.Value, error) {
	if p.ResponseProperty == "" && p.ContentType == "" && p.Body.Text() == "" {
		return nil, nil
	}
	if p.ResponseProperty == "" {
		return nil, fmt.Errorf("the response is %q, not JSON; name the property for it in response_property, "+
			"or add its type to the system's json_content_types", p.ContentType)
	}
	return []entity.Value{s.decorate(entity.NewDict(entity.Member{Key: p.ResponseProperty, Value: p.Body}), p)}, nil
}

// decorate adds what the configuration wants to know of the response.
func (s *rest) decorate(e entity.Value, p *systems.Page) entity.Value {
	var more []entity.Member
	if p.HeadersProperty != "" {
		more = append(more, entity.Member{Key: p.HeadersProperty, Value: p.Headers})
	}
	if p.StatusProperty != "" {
		more = append(more, entity.Member{Key: p.StatusProperty, Value: entity.NewInt(int64(p.Status))})
	}
	if s.cfg.IncludeContentType {
		more = append(more, entity.Member{Key: "content-type", Value: entity.NewString(p.ContentType)})
	}
	return systems.With(e, more...)
}
