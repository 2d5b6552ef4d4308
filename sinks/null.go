package sinks

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
)

type nullConfig struct {
	spec.Base
	Type    string        `spec:"type,required" doc:"null"`
	Comment *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
}

func nullType() Type {
	return Type{
		Name:   "null",
		Doc:    "Discards every entity and never fails.",
		Config: func() any { return new(nullConfig) },
		Build:  func(_ any, env Env) (Sink, diag.List) { return &nullSink{store: env.Store}, nil },
	}
}

type nullSink struct {
	anywhere
	store store.Store
}

// Start implements Sink.
func (s *nullSink) Start(context.Context, Run) (Writer, error) { return s, nil }

// BatchSize implements Sink.
func (s *nullSink) BatchSize() int { return 100 }

// Write implements Writer.
func (s *nullSink) Write(ctx context.Context, _ *entity.Batch, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, s.store, save)
}

// Finish implements Writer.
func (s *nullSink) Finish(ctx context.Context, _ Finish, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, s.store, save)
}

// saveStates commits states that go with no data.
func saveStates(ctx context.Context, st store.Store, save []store.StateWrite) (Written, error) {
	if len(save) == 0 {
		return Written{}, nil
	}
	res, err := commit(ctx, st, &store.Batch{State: save})
	return Written{Revs: res.Revs}, err
}
