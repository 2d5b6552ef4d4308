package sinks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

type datasetConfig struct {
	spec.Base
	Type              string        `spec:"type" doc:"dataset, or left out."`
	Comment           *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Dataset           string        `spec:"dataset" doc:"Id of the dataset written. Unless given it is the pipe's id. It may not contain a slash nor begin with system:."`
	SetInitialOffset  string        `spec:"set_initial_offset" enum:"if-source-populated,always,initially,onload,never" default:"if-source-populated" doc:"When the dataset counts as populated, that is as a complete view of its source: after a run that read all of a populated source, after any successful run, when a run begins, when the pipe is loaded, or never by this pipe."`
	Indexes           *jsonpos.Node `spec:"indexes" kind:"string|array" doc:"Indexes kept on the dataset: \"$ids\", or a list of expressions."`
	TrackChildren     bool          `spec:"track_children" doc:"Whether $children is compared with the version before, and children that went away are kept in it as deleted. Unless given: if a transform of the pipe uses create-child."`
	OptimisticLocking bool          `spec:"enable_optimistic_locking" doc:"Whether a batch is refused if an entity's _updated is not the stored one."`
	BreakerFactor     *jsonpos.Node `spec:"circuit_breaker_threshold_factor" kind:"number|null" doc:"Share of the dataset's ids that may change in a run before it is stopped."`
	BreakerCount      *jsonpos.Node `spec:"circuit_breaker_threshold_count" kind:"number|null" doc:"Number of ids that may change in a run before it is stopped."`
	DeletionTracking  bool          `spec:"deletion_tracking" default:"true" doc:"Whether a full run deletes what it has not seen."`
	MarkDeleted       bool          `spec:"mark_deletion_tracked" doc:"Whether such deletions carry $deletion_tracked: true."`
	BitsetInterval    int           `spec:"bitset_commit_interval" default:"1000000" doc:"Accepted for compatibility: every batch is committed as a whole."`
	PreventVersions   *jsonpos.Node `spec:"prevent_multiple_versions" kind:"boolean|string" enum:"ignore" doc:"True fails the run when an entity that exists would change or be deleted; ignore leaves the first version in place."`
	SuppressFiltered  bool          `spec:"suppress_filtered" doc:"Whether filtered entities are dropped instead of deleting what is stored. Unless given it is true in full runs from a dataset without previous versions that delete what they do not see, if no entity can fail and wait for another try."`
	MaxEntityBytes    int           `spec:"max_entity_bytes_size" default:"104857600" min:"1" doc:"Bytes an entity may have; unless given the node's, else 104857600, which is also the most."`
}

func datasetType() Type {
	return Type{
		Name:   "dataset",
		Doc:    "Keeps the entities in a dataset of the node, storing what has changed.",
		Config: func() any { return new(datasetConfig) },
		Build:  buildDataset,
	}
}

// datasetSink writes to one dataset.
type datasetSink struct {
	store     store.Store
	dataset   string
	pipe      string
	now       func() time.Time
	side      *Side // nil with a circuit breaker
	cfg       *datasetConfig
	populates string // set_initial_offset
	onLoad    bool
	prevent   string // "", "fail" or "ignore"
	children  bool   // track_children
	suppress  *bool
	indexes   []store.Index
}

const ruleUnsupported = "sink/unsupported"

func buildDataset(c any, env Env) (Sink, diag.List) {
	cfg := c.(*datasetConfig)
	s := &datasetSink{store: env.Store, cfg: cfg, pipe: env.PipeID, now: env.Now, dataset: cfg.Dataset, populates: cfg.SetInitialOffset}
	var diags diag.List
	if s.dataset == "" {
		s.dataset = env.PipeID
	}
	if strings.Contains(s.dataset, "/") || strings.HasPrefix(s.dataset, "system:") {
		diags.Add(diag.Finding{Rule: "sink/dataset-id", Severity: diag.Error, Span: cfg.At("dataset"),
			Message: fmt.Sprintf("%q cannot be written: ids of datasets have no slash and do not begin with system:", s.dataset)})
	}
	s.children = cfg.TrackChildren || !systems.Has(env.Node, "track_children") && makesChildren(env.Pipe.Get("transform"))
	diags.Add(s.checkBreaker()...)
	if _, has := s.breakerLimit(0); !has {
		s.side = &Side{}
	}
	s.onLoad = s.populates == "onload" || env.Endpoint && autoPopulates(env.Pipe) && s.populates != "never"
	s.prevent = preventOf(cfg.PreventVersions)
	if env.MaxEntityBytes > 0 && !systems.Has(env.Node, "max_entity_bytes_size") {
		cfg.MaxEntityBytes = env.MaxEntityBytes
	}
	if systems.Has(env.Node, "suppress_filtered") {
		s.suppress = &cfg.SuppressFiltered
	}
	o := env.DTL
	if o.Lib == nil {
		o.Lib = env.Lib
	}
	indexes := cfg.Indexes
	if indexes == nil && env.IndexIDs {
		indexes = &jsonpos.Node{Kind: jsonpos.String, Text: "$ids"}
	}
	diags.Add(s.readIndexes(indexes, o)...)
	return s, diags
}

// autoPopulates tells whether a receiver's dataset is populated from the start.
func autoPopulates(pipe *jsonpos.Node) bool {
	v := pipe.Get("source").Get("auto_populate_dataset")
	return v == nil || v.Kind != jsonpos.Bool || v.Bool
}

func preventOf(n *jsonpos.Node) string {
	if n.IsTrue() {
		return "fail"
	}
	text, _ := n.Str()
	return text
}

// readIndexes compiles `indexes`: "$ids", or a list of expressions.
func (s *datasetSink) readIndexes(n *jsonpos.Node, o dtl.Options) diag.List {
	var diags diag.List
	exprs := []*jsonpos.Node{}
	switch text, isText := n.Str(); {
	case n == nil || n.Kind == jsonpos.Null:
	case isText && text == "$ids":
		exprs = append(exprs, &jsonpos.Node{Kind: jsonpos.String, Text: "_S.$ids", Span: n.Span})
	case isText:
		diags.Add(diag.Finding{Rule: "sink/indexes", Severity: diag.Error, Span: n.Span,
			Message: fmt.Sprintf("%q is no index: write \"$ids\" or a list of expressions", text)})
	default:
		exprs = n.Elems
	}
	for _, e := range exprs {
		diags.Add(s.index(e, o)...)
	}
	return diags
}

// index compiles one expression. It is written as the left side of a subset,
// whose index it shall serve.
func (s *datasetSink) index(e *jsonpos.Node, o dtl.Options) diag.List {
	eq := &jsonpos.Node{Kind: jsonpos.String, Text: "eq", Span: e.Span}
	zero := &jsonpos.Node{Kind: jsonpos.Number, Text: "0", Span: e.Span}
	subset, diags := dtl.CompileSubset(s.dataset,
		&jsonpos.Node{Kind: jsonpos.Array, Elems: []*jsonpos.Node{eq, e, zero}, Span: e.Span}, o)
	if subset != nil {
		s.indexes = append(s.indexes, store.Index{Name: subset.Index.Name, Needs: subset.Index.Needs, Keys: subset.Index.Keys})
	}
	return diags
}

// DatasetID implements Datasets.
func (s *datasetSink) DatasetID() string { return s.dataset }

// BatchSize implements Sink.
func (s *datasetSink) BatchSize() int { return 100 }

// Load implements Loader.
func (s *datasetSink) Load(ctx context.Context) error {
	info, err := s.store.Create(ctx, s.dataset)
	if err != nil {
		return err
	}
	if s.onLoad && !info.Populated {
		if err := s.populate(ctx); err != nil {
			return err
		}
	}
	for _, ix := range s.indexes {
		if err := s.store.EnsureIndex(ctx, s.dataset, ix); err != nil {
			return fmt.Errorf("index of dataset %q: %w", s.dataset, err)
		}
	}
	return nil
}

func (s *datasetSink) populate(ctx context.Context) error {
	_, err := commit(ctx, s.store, &store.Batch{Populate: []string{s.dataset}})
	return err
}

// commit hands over a batch and waits until it is safe.
func commit(ctx context.Context, st store.Store, b *store.Batch) (store.Result, error) {
	p, err := st.Append(ctx, b)
	if err != nil {
		return store.Result{}, err
	}
	return p.Wait(ctx)
}

// Start implements Sink.
func (s *datasetSink) Start(ctx context.Context, r Run) (Writer, error) {
	info, err := s.store.Create(ctx, s.dataset)
	if err != nil {
		return nil, err
	}
	w := &datasetWriter{s: s, run: r, last: info.Last, populated: info.Populated}
	if r.Before != nil {
		w.last = *r.Before
	}
	if w.breaker, err = s.arm(ctx, r.Kind, info); err != nil {
		return nil, err
	}
	// Where the first version stays, the entity does.
	w.tracks = r.Kind == Full && s.cfg.DeletionTracking && s.prevent != "ignore"
	// What is dropped must be deleted for its absence.
	w.suppress = w.tracks && r.LatestOnly
	if s.suppress != nil {
		w.suppress = *s.suppress
	}
	if w.tracks || r.Kind == Full && w.suppress {
		w.seen = newSeenSet(r.Resumable)
	}
	if s.populates == "initially" && !info.Populated {
		err = s.populate(ctx)
		w.populated = err == nil
	}
	return w, err
}

// ErrVersion is a second version of an entity where the configuration allows
// only one.
var ErrVersion = errors.New("prevent_multiple_versions forbids a new version of an entity that exists")
