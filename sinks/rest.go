package sinks

import (
	"context"
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

type restConfig struct {
	spec.Base
	Type       string        `spec:"type,required" doc:"rest"`
	Comment    *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System     string        `spec:"system,required" doc:"Id of the REST system."`
	Operation  string        `spec:"operation" doc:"Name of the operation for entities that do not name one themselves."`
	Operations *jsonpos.Node `spec:"operations" kind:"object" doc:"Operations of the pipe itself; they go before the system's and may not use secrets."`
	Properties *jsonpos.Node `spec:"properties" kind:"object" doc:"Values for templates to use as properties.<name>, for entities without properties."`
	Payload    *jsonpos.Node `spec:"payload" kind:"any" doc:"What is sent as body for entities without payload; every text in it is a template."`
	Retries    int           `spec:"rate_limiting_retries" min:"0" doc:"How often a request that got status 429 is sent again; goes before operation and system."`
	Delay      int           `spec:"rate_limiting_delay" min:"0" doc:"Seconds to wait before a request that got status 429 is sent again."`
	Trace      *jsonpos.Node `spec:"trace" kind:"boolean|object" doc:"Whether requests and responses are written to the execution log."`
}

func restType() Type {
	return Type{
		Name:   "rest",
		Doc:    "Calls an operation of a REST system for each entity; what it answers is not kept.",
		Config: func() any { return new(restConfig) },
		Build:  buildREST,
	}
}

type restSink struct {
	anywhere
	pipe   *systems.Pipe
	system func(id string) systems.System
	store  store.Store
}

func buildREST(c any, env Env) (Sink, diag.List) {
	cfg := c.(*restConfig)
	pipe, diags := systems.CompilePipe(systems.PipeConfig{
		Node: cfg.Node, System: cfg.System, Operation: cfg.Operation, Retries: cfg.Retries, Delay: cfg.Delay,
	})
	diags.Add(systems.Unsupported(cfg.Node, ruleUnsupported, "trace", diag.Warning)...)
	return &restSink{pipe: pipe, system: env.System, store: env.Store}, diags
}

// Link implements systems.Linker.
func (s *restSink) Link() diag.List { return s.pipe.Link(s.system) }

// BatchSize implements Sink: one, so that a failure repeats no other call.
func (s *restSink) BatchSize() int { return 1 }

// Bare implements Bare.
func (s *restSink) Bare() bool { return true }

// Start implements Sink.
func (s *restSink) Start(context.Context, Run) (Writer, error) { return s, nil }

// Write implements Writer. Deleted entities are sent like others; filtered
// ones are for datasets only.
func (s *restSink) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	r, err := s.pipe.REST(s.system)
	if err != nil {
		return Written{}, err
	}
	sent := 0
	for _, e := range b.Entities {
		if entity.Filtered(e) {
			continue
		}
		for _, err := range r.Do(ctx, systems.Call{Pipe: s.pipe, Entity: e, Discard: true}) {
			if err != nil {
				id, _ := entity.ID(e)
				return Written{}, fmt.Errorf("entity %q: %w", string([]byte(id)), err)
			}
		}
		sent++
	}
	w, err := saveStates(ctx, s.store, save)
	w.Changed = sent
	return w, err
}

// Finish implements Writer.
func (s *restSink) Finish(ctx context.Context, _ Finish, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, s.store, save)
}
