package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
)

type datasetConfig struct {
	spec.Base
	Type                    string        `spec:"type,required" doc:"dataset"`
	Comment                 *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Dataset                 string        `spec:"dataset,required" doc:"Id of the dataset read."`
	Subset                  *jsonpos.Node `spec:"subset" kind:"array" doc:"Reads only what fits: [\"eq\", expression over _S, literal]. What ceases to fit is read once more as deleted."`
	Completeness            *jsonpos.Node `spec:"completeness" kind:"boolean|object|array" doc:"Holds back what is newer than the inputs are complete."`
	InitialCompleteness     *jsonpos.Node `spec:"initial_completeness" kind:"array" doc:"Datasets that must be complete before the first run."`
	RequirePopulatedInput   bool          `spec:"require_populated_input" doc:"Whether the pipe waits until the dataset is populated."`
	IncludePreviousVersions bool          `spec:"include_previous_versions" doc:"Whether all versions of an entity are read instead of the latest."`
	IncludeReplaced         bool          `spec:"include_replaced" default:"true" doc:"Whether entities with $replaced: true are read."`
	SupportsSignalling      bool          `spec:"supports_signalling" doc:"Whether a change of the dataset starts the pipe. Unless given the node decides."`
	IfSourceEmpty           string        `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
}

func datasetType() Type {
	return Type{
		Name:   "dataset",
		Doc:    "Reads a dataset of the node, in the order it was written.",
		Config: func() any { return new(datasetConfig) },
		Build:  buildDataset,
	}
}

const ruleUnsupported = "source/unsupported"

// dataset reads one dataset of the store.
type dataset struct {
	signals
	store store.Store
	cfg   *datasetConfig
	index *store.Index
	key   []byte
	in    *dtl.Subset // nil: all
	hold  holdBack
	empty bool // a full run may read nothing
}

func buildDataset(c any, env Env) (Source, diag.List) {
	cfg := c.(*datasetConfig)
	cfg.Dataset = Canonical(cfg.Dataset)
	d := &dataset{signals: signalsOf(cfg.Node, cfg.SupportsSignalling, cfg.RequirePopulatedInput),
		store: env.Store, cfg: cfg, empty: env.acceptsEmpty(cfg.IfSourceEmpty)}
	o := env.DTL
	if o.Lib == nil {
		o.Lib = env.Lib
	}
	var diags diag.List
	d.hold, diags = compileHoldBack(cfg, env, o)
	diags.Add(d.compileSubset(o)...)
	return d, diags
}

// compileSubset makes the index that a subset is read through.
func (d *dataset) compileSubset(o dtl.Options) diag.List {
	if d.cfg.Subset == nil {
		return nil
	}
	subset, diags := dtl.CompileSubset(d.cfg.Dataset, d.cfg.Subset, o)
	if subset != nil {
		d.index = &store.Index{Name: subset.Index.Name, Needs: subset.Index.Needs, Keys: subset.Index.Keys}
		d.key, d.in = subset.Key, subset
	}
	return diags
}

// Since implements Source.
func (d *dataset) Since() Since { return Since{true, true, true} }

// CheckOffset implements Placed.
func (d *dataset) CheckOffset(since string) error {
	_, err := parseOffset(since)
	return err
}

// Anchor implements Anchored.
func (d *dataset) Anchor() string { return d.cfg.Dataset }

// Datasets implements Inputs.
func (d *dataset) Datasets() []string { return []string{d.cfg.Dataset} }

// LatestOnly tells whether each run reads one version of an id, which decides
// the default of a sink's suppress_filtered.
func (d *dataset) LatestOnly() bool { return !d.cfg.IncludePreviousVersions }

// Alternates implements Alternating.
func (d *dataset) Alternates() {}

// Populated implements Populator. A dataset that does not exist is not.
func (d *dataset) Populated(ctx context.Context) (bool, error) {
	info, err := d.store.Info(ctx, d.cfg.Dataset)
	if errors.Is(err, store.ErrNoDataset) {
		return false, nil
	}
	return info.Populated, err
}

// Previous implements Previous.
func (d *dataset) Previous(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error) {
	v, _ := e.Get(entity.PreviousKey)
	at, ok := v.Int64()
	if !ok {
		return entity.Value{}, nil
	}
	return d.store.GetAt(ctx, d.cfg.Dataset, store.Offset(at), a)
}

// Again implements Tracked.
func (d *dataset) Again(ctx context.Context, ids []string, since string, b *entity.Batch) error {
	last, err := parseOffset(since)
	if err != nil {
		return err
	}
	found, err := d.store.Get(ctx, d.cfg.Dataset, ids, b.Arena)
	if err != nil {
		return fmt.Errorf("dataset %q: %w", d.cfg.Dataset, err)
	}
	if !d.cfg.IncludeReplaced {
		found = withoutReplaced(found)
	}
	for _, e := range found {
		at, _ := e.Get(entity.UpdatedKey)
		n, ok := at.Int64()
		if ok && store.Offset(n) <= last && !entity.Deleted(e) && (d.in == nil || d.in.Matches(e)) {
			b.Entities = append(b.Entities, e)
		}
	}
	return nil
}

// Read implements Source.
func (d *dataset) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return d.ReadPaced(ctx, since, always(size))
}

// ReadPaced implements Paced.
func (d *dataset) ReadPaced(ctx context.Context, since string, size func() int) iter.Seq2[*entity.Batch, error] {
	return failIfEmpty(d.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		q, err := d.begin(ctx, since)
		if errors.Is(err, store.ErrNoDataset) {
			return
		}
		until, untilErr := d.hold.until(ctx)
		if err == nil {
			err = untilErr
		}
		batch, next := &entity.Batch{Arena: entity.NewArena()}, &entity.Batch{Arena: entity.NewArena()}
		for last := false; err == nil && !last; last = batch.Last {
			batch, next = next, batch
			batch.Arena.Reset()
			q.Limit = size()
			before := q.Since
			err = d.page(ctx, &q, batch, until)
			stood := len(batch.Entities) == 0 && q.Since == before
			if err == nil && !stood && !yield(batch, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("dataset %q: %w", d.cfg.Dataset, err))
		}
	})
}

// begin makes the query of a run. An offset past the end belongs to a dataset
// that has been made anew since: it is read from the beginning.
func (d *dataset) begin(ctx context.Context, since string) (store.Query, error) {
	q := store.Query{Since: store.Start, History: d.cfg.IncludePreviousVersions, Key: d.key}
	var err error
	if q.Since, err = parseOffset(since); err != nil {
		return q, err
	}
	info, err := d.store.Info(ctx, d.cfg.Dataset)
	if err != nil {
		return q, err
	}
	if q.Since > info.Last {
		q.Since = store.Start
	}
	if d.index != nil {
		q.Index = d.index.Name
		err = d.store.EnsureIndex(ctx, d.cfg.Dataset, *d.index)
	}
	return q, err
}

// page fills the batch with the next page and moves the query behind it.
func (d *dataset) page(ctx context.Context, q *store.Query, b *entity.Batch, until int64) error {
	page, err := d.store.Read(ctx, d.cfg.Dataset, *q, b.Arena)
	if err != nil {
		return err
	}
	b.Entities, b.Last = page.Entities, page.End
	if !d.cfg.IncludeReplaced {
		b.Entities = withoutReplaced(page.Entities)
	}
	before := q.Since
	q.Since = page.Next
	b.Since = formatOffset(page.Next)
	if until != math.MaxInt64 {
		cut(b, until, formatOffset(before))
	}
	return nil
}

func withoutReplaced(entities []entity.Value) []entity.Value {
	kept := entities[:0]
	for _, e := range entities {
		if r, _ := e.Get("$replaced"); !r.Bool() {
			kept = append(kept, e)
		}
	}
	return kept
}

// parseOffset reads a continuation: the offset read last, "" for none.
func parseOffset(s string) (store.Offset, error) {
	if s == "" {
		return store.Start, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < int64(store.Start) {
		return 0, &OffsetError{fmt.Sprintf("the offset %q is no place in a dataset, which is the _updated of an entity", s)}
	}
	return store.Offset(n), nil
}

// OffsetError is a continuation that the source cannot have given.
type OffsetError struct{ Msg string }

// Error shows it.
func (e *OffsetError) Error() string {
	return e.Msg
}

// IsOffset tells whether an error is an offset that makes no sense.
func IsOffset(err error) bool {
	var wrong *OffsetError
	return errors.As(err, &wrong)
}

func formatOffset(o store.Offset) string {
	if o == store.Start {
		return ""
	}
	return strconv.FormatInt(int64(o), 10)
}
