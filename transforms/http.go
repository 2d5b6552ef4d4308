package transforms

import (
	"context"
	"fmt"
	"io"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type httpConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"http"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System      string        `spec:"system,required" doc:"Id of the URL system."`
	URL         string        `spec:"url,required" doc:"Address that entities are posted to, absolute or relative to the system's."`
	BatchSize   int           `spec:"batch_size" default:"100" min:"1" doc:"The most entities in one request."`
	Headers     *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of the requests; names and values are strings. They replace the system's."`
	SideEffects bool          `spec:"side_effects" default:"true" doc:"Whether the calls change something, so that previews stop before the transform."`
	TriggerOn   *jsonpos.Node `spec:"trigger_on" kind:"object" doc:"Posts only entities whose property key, a path, is value, which may hold wildcards; the others pass unchanged."`
}

func httpType() Type {
	return Type{
		Name:   "http",
		Doc:    "Posts entities as a JSON list to a service and goes on with the list of entities that it answers.",
		Config: func() any { return new(httpConfig) },
		Build:  buildHTTP,
	}
}

type httpTransform struct {
	cfg     *httpConfig
	header  map[string]string
	system  func(id string) systems.System
	trigger *trigger
}

func buildHTTP(c any, env Env) (Transform, diag.List) {
	cfg := c.(*httpConfig)
	t, diags := compileTrigger(cfg.TriggerOn, env.options())
	header, more := systems.HeaderMap(cfg.Headers)
	diags.Add(more...)
	if header["Content-Type"] == "" {
		header["Content-Type"] = "application/json"
	}
	return &httpTransform{cfg, header, env.System, t}, diags
}

// SideEffects implements Transform.
func (t *httpTransform) SideEffects() bool { return t.cfg.SideEffects }

// Link implements systems.Linker.
func (t *httpTransform) Link() diag.List {
	return systems.LinkTo(t.cfg.System, t.cfg.At("system"), t.system)
}

// Start implements Transform.
func (t *httpTransform) Start(r Run) Step { return &httpStep{t: t, trigger: t.trigger.start(r)} }

type httpStep struct {
	t       *httpTransform
	trigger *triggerRun
}

// Apply implements Step. What passes unchanged comes before what the request
// it did not go into answers.
func (s *httpStep) Apply(ctx context.Context, b *entity.Batch) error {
	out := b.Arena.Values(len(b.Entities))
	posted := make([]entity.Value, 0, len(b.Entities))
	for i, e := range b.Entities {
		ok, err := s.trigger.fires(ctx, e, b.Arena)
		if err != nil {
			return &EntityError{Position: i, id: idOf(e), Err: err}
		}
		if ok && !entity.Filtered(e) {
			posted = append(posted, systems.Outward(e))
		} else {
			out = append(out, e)
		}
	}
	for from := 0; from < len(posted); from += s.t.cfg.BatchSize {
		answer, err := s.post(ctx, posted[from:min(from+s.t.cfg.BatchSize, len(posted))])
		if err != nil {
			return err
		}
		out = append(out, answer...)
	}
	b.Entities = out
	return nil
}

// mostAnswer bounds the bytes of one answer.
const mostAnswer = 128 << 20

// post sends entities and returns those of the answer, on the heap.
func (s *httpStep) post(ctx context.Context, entities []entity.Value) ([]entity.Value, error) {
	r, err := systems.RESTOf(s.t.cfg.System, s.t.system)
	if err != nil {
		return nil, err
	}
	res, err := r.Open(ctx, systems.Fetch{Method: "POST", URL: s.t.cfg.URL, Header: s.t.header,
		Body: entity.AppendJSON(nil, entity.NewList(entities...))})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err != nil {
		return nil, err
	}
	list, err := entity.Decode(nil, systems.Unmarked(body), entity.DecodeOptions{MaxBytes: mostAnswer})
	if err != nil {
		return nil, fmt.Errorf("system %q: the answer of %s cannot be read as JSON: %w", s.t.cfg.System, s.t.cfg.URL, err)
	}
	return s.entities(list)
}

func (s *httpStep) entities(list entity.Value) ([]entity.Value, error) {
	if list.Kind() != entity.List {
		return nil, fmt.Errorf("system %q: the answer of %s is a %s; it must be a list of entities", s.t.cfg.System, s.t.cfg.URL, list.Kind())
	}
	for i, e := range list.Elems() {
		if e.Kind() != entity.Dict {
			return nil, fmt.Errorf("system %q: element %d of the answer of %s is a %s; entities must be dicts", s.t.cfg.System, i+1, s.t.cfg.URL, e.Kind())
		}
	}
	return list.Elems(), nil
}
