package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
)

type replicatedConfig struct {
	spec.Base
	Type             string        `spec:"type,required" doc:"replicated_dataset"`
	Comment          *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Dataset          string        `spec:"dataset" doc:"Id of the dataset written. Unless given it is the pipe's id. It may not contain a slash nor begin with system:."`
	SetInitialOffset string        `spec:"set_initial_offset" enum:"if-source-populated,always,initially,onload,never" default:"if-source-populated" doc:"When the dataset counts as populated, as for the sink dataset."`
	Indexes          *jsonpos.Node `spec:"indexes" kind:"string|array" doc:"Indexes kept on the dataset: \"$ids\", or a list of expressions."`
	ChangeTracking   bool          `spec:"change_tracking" default:"true" doc:"Whether a version that equals the one before it is left out."`
	BitsetInterval   int           `spec:"bitset_commit_interval" default:"1000000" min:"1" doc:"Accepted for compatibility: every batch is committed as a whole."`
	AllowNormal      bool          `spec:"allow_normal_dataset" doc:"Whether a dataset that is there and is no copy is written to as the sink dataset does, with offsets of its own, instead of failing the run."`
	AutoMigrate      bool          `spec:"auto_migrate_to_replicated_dataset" doc:"Whether a dataset that is there and is no copy is replaced by one. The pipe must read its source from the beginning then; pipes that read the dataset do so, too, at their next run."`
}

func replicatedType() Type {
	return Type{
		Name:   "replicated_dataset",
		Doc:    "Keeps a copy of the source's dataset: versions keep their _updated, _previous and _ts.",
		Config: func() any { return new(replicatedConfig) },
		Build:  buildReplicated,
	}
}

// Copying is the ability of sinks that keep the offsets of a log elsewhere.
// Entities must come in its order, so that nothing can be delivered later, nor be
// written by anybody else.
type Copying interface {
	Copies()
}

// replicatedSink copies the log of a dataset.
type replicatedSink struct {
	*datasetSink
	cfg *replicatedConfig
}

func buildReplicated(c any, env Env) (Sink, diag.List) {
	cfg := c.(*replicatedConfig)
	normal, diags := buildDataset(&datasetConfig{
		Base: cfg.Base, Dataset: cfg.Dataset, SetInitialOffset: cfg.SetInitialOffset, Indexes: cfg.Indexes, MaxEntityBytes: defaultMaxBytes,
	}, env)
	s := &replicatedSink{normal.(*datasetSink), cfg}
	s.side, s.children = nil, false
	return s, diags
}

// Copies implements Copying.
func (s *replicatedSink) Copies() {}

// replica is what is known of a dataset that is a copy.
type replica struct {
	Generation string `json:"generation"`
	Restored   string `json:"restored,omitempty"` // from which backup, when it was noted
	Source     string `json:"source,omitempty"`   // the log that is copied
}

func (s *replicatedSink) key() string { return "replica/" + s.dataset }

// load returns what is known of the dataset, nil if it is no copy. A store that is
// restored from a backup gives its datasets new generations.
func (s *replicatedSink) load(ctx context.Context, info store.Info) (*replica, error) {
	data, _, err := s.store.State(ctx, s.key())
	if err != nil || data == nil {
		return nil, err
	}
	r := &replica{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("what dataset %q is a copy of cannot be read: %w", s.dataset, err)
	}
	backup, err := s.backup(ctx)
	if err != nil || r.Generation != info.Generation && r.Restored == backup {
		return nil, err
	}
	r.Generation, r.Restored = info.Generation, backup
	return r, nil
}

func (s *replicatedSink) backup(ctx context.Context) (string, error) {
	from, err := store.RestoredFrom(ctx, s.store)
	if from == nil {
		return "", err
	}
	return from.UUID, err
}

func (s *replicatedSink) save(ctx context.Context, r *replica) error {
	data, err := json.Marshal(r)
	if err == nil {
		_, err = commit(ctx, s.store, &store.Batch{State: []store.StateWrite{{Key: s.key(), Value: data, IfRev: store.AnyRev}}})
	}
	return err
}

// Start implements Sink.
func (s *replicatedSink) Start(ctx context.Context, r Run) (Writer, error) {
	info, err := s.store.Create(ctx, s.dataset)
	if err != nil {
		return nil, err
	}
	known, err := s.load(ctx, info)
	if err != nil {
		return nil, err
	}
	if known == nil && info.Last != store.Start && s.cfg.AllowNormal {
		return s.datasetSink.Start(ctx, r)
	}
	if known == nil && info.Last != store.Start && !s.cfg.AutoMigrate {
		return nil, fmt.Errorf("dataset %q has versions with offsets of its own, so that it cannot be a copy: delete it, "+
			"or set \"auto_migrate_to_replicated_dataset\": true to have it replaced, or \"allow_normal_dataset\": true to go on as before", s.dataset)
	}
	w := &replicatedWriter{s: s, run: r, populated: info.Populated, known: known, used: info.Last != store.Start}
	if s.populates == "initially" && !info.Populated {
		err = s.populate(ctx)
		w.populated = err == nil
	}
	return w, err
}

// remake begins a copy: a dataset that has something else in it is replaced. It may
// be called again after it failed half way.
func (w *replicatedWriter) remake(ctx context.Context, source string) error {
	s := w.s
	if w.used {
		if err := s.store.Drop(ctx, s.dataset); err != nil {
			return err
		}
		w.used, w.populated = false, false
	}
	info, err := s.store.Create(ctx, s.dataset)
	if err == nil {
		err = s.Load(ctx) // the indexes
	}
	if err == nil && s.populates == "initially" {
		err = s.populate(ctx)
	}
	if err != nil {
		return err
	}
	w.populated = s.onLoad || s.populates == "initially"
	r := &replica{Generation: info.Generation, Source: source}
	if r.Restored, err = s.backup(ctx); err == nil {
		err = s.save(ctx, r)
	}
	w.known = r
	return err
}

// replicatedWriter is a replicated_dataset sink in one run.
type replicatedWriter struct {
	anywhere
	s         *replicatedSink
	run       Run
	populated bool
	used      bool // the dataset has versions

	mu     sync.Mutex
	known  *replica // nil: the dataset is no copy yet
	agreed bool
}

// agree sees to it that the dataset is a copy of what the run reads. It is asked
// when reading has begun: what a distant source is, is not known before.
func (w *replicatedWriter) agree(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.agreed {
		return nil
	}
	source, whole := "", true
	if w.run.Source != nil {
		source, whole = w.run.Source()
	}
	var err error
	switch {
	case w.known != nil && (source == "" || w.known.Source == source):
	case w.known != nil && w.known.Source == "":
		w.known.Source = source
		err = w.s.save(ctx, w.known)
	case !whole && w.known == nil:
		err = fmt.Errorf("dataset %q holds no copy, and the pipe does not read its source from the beginning: reset the pipe, so that everything is copied", w.s.dataset)
	case !whole:
		err = fmt.Errorf("dataset %q is a copy of something else than the source is now: reset the pipe, so that it is made anew", w.s.dataset)
	default:
		err = w.remake(ctx, source)
	}
	w.agreed = err == nil
	return err
}

// Write implements Writer.
func (w *replicatedWriter) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	p, err := w.Begin(ctx, b, save)
	if err != nil {
		return Written{}, err
	}
	return p.Wait(ctx)
}

// Begin implements Ahead.
func (w *replicatedWriter) Begin(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Pending, error) {
	return w.BeginWith(ctx, b, store.Batch{State: save})
}

// BeginWith implements Committing.
func (w *replicatedWriter) BeginWith(ctx context.Context, b *entity.Batch, also store.Batch) (Pending, error) {
	if err := w.agree(ctx); err != nil {
		return nil, err
	}
	ops, err := w.ops(b)
	if err != nil {
		return nil, err
	}
	all := len(also.Writes) == 0
	if len(ops) > 0 {
		also.Writes = append([]store.Write{{Dataset: w.s.dataset, Ops: ops}}, also.Writes...)
	}
	p, err := w.s.store.Append(ctx, &also)
	if err != nil {
		return nil, err
	}
	return copied{handed{p, all, len(ops) > 0, len(also.State)}, w.s.dataset}, nil
}

// copied is a batch of a copy on its way.
type copied struct {
	handed
	dataset string
}

// Wait implements Pending.
func (c copied) Wait(ctx context.Context) (Written, error) {
	w, err := c.handed.Wait(ctx)
	if errors.Is(err, store.ErrPassed) {
		err = fmt.Errorf("%w: dataset %q takes versions in the order of the source's _updated only; if the source has changed behind its back, delete the dataset and reset the pipe", err, c.dataset)
	}
	return w, err
}

// ops gives the entities the places that they have in the source. Filtered ones
// are not copied.
func (w *replicatedWriter) ops(b *entity.Batch) ([]store.Op, error) {
	ops := make([]store.Op, 0, len(b.Entities))
	places := make([]store.Place, len(b.Entities))
	for i, e := range b.Entities {
		id, ok := entity.ID(e)
		if !ok {
			return nil, noID(i, len(b.Entities), e)
		}
		if entity.Filtered(e) {
			continue
		}
		if places[i], ok = placeOf(e); !ok {
			return nil, fmt.Errorf("entity %q has no _updated that is a whole number: dataset %q keeps the offsets of the dataset that is copied; "+
				"does the source have none, or has a transform dropped them?", id, w.s.dataset)
		}
		ops = append(ops, store.Op{Kind: store.Put, Entity: e, Place: &places[i], Force: !w.s.cfg.ChangeTracking})
	}
	return ops, nil
}

func placeOf(e entity.Value) (p store.Place, ok bool) {
	at, ok := number(e, entity.UpdatedKey)
	p.At, p.Previous = store.Offset(at), store.Start
	if before, there := number(e, entity.PreviousKey); there {
		p.Previous = store.Offset(before)
	}
	p.TS, _ = number(e, entity.TSKey)
	return p, ok
}

func number(e entity.Value, key string) (int64, bool) {
	v, _ := e.Get(key)
	return v.Int64()
}

// Finish implements Writer. Nothing is deleted for its absence.
func (w *replicatedWriter) Finish(ctx context.Context, f Finish, save []store.StateWrite) (Written, error) {
	if err := w.agree(ctx); err != nil {
		return Written{}, err
	}
	last := &store.Batch{State: save}
	if w.s.completes(w.populated, f) {
		last.Populate = []string{w.s.dataset}
	}
	if len(last.State) == 0 && len(last.Populate) == 0 {
		return Written{}, nil
	}
	res, err := commit(ctx, w.s.store, last)
	return Written{Revs: res.Revs}, err
}
