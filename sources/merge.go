package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
)

type mergeDatasetsConfig struct {
	spec.Base
	Type                  string        `spec:"type,required" doc:"merge_datasets"`
	Comment               *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Datasets              []string      `spec:"datasets,required" doc:"Ids of the datasets read."`
	InitialDatasets       []string      `spec:"initial_datasets" doc:"Datasets that must be populated for the source to count as populated. Unless given: all."`
	IgnoreNonExistent     bool          `spec:"ignore_non_existent_datasets" default:"true" doc:"Whether initial_datasets that do not exist are left out of account."`
	RequirePopulatedInput bool          `spec:"require_populated_input" doc:"Whether the pipe waits until the datasets are populated."`
	Strategy              string        `spec:"strategy" enum:"latest,all" default:"latest" doc:"latest reads the newest version of an id, whichever dataset holds it; all reads one entity an id with a property for each dataset that has it."`
	SupportsSignalling    bool          `spec:"supports_signalling" doc:"Whether a change of a dataset starts the pipe. Unless given the node decides."`
	IfSourceEmpty         string        `spec:"if_source_empty" enum:"accept,fail" doc:"Whether a full run that reads nothing fails, so that it does not delete everything. Unless given the node decides, which accepts."`
}

func mergeDatasetsType() Type {
	return Type{
		Name:   "merge_datasets",
		Doc:    "Reads several datasets as one, in the order of their time stamps.",
		Config: func() any { return new(mergeDatasetsConfig) },
		Build:  buildMergeDatasets,
	}
}

// mergeDatasets reads several datasets as one. Versions of an id are ordered
// by _ts, and by the place of their dataset in the list if that is the same:
// the later one is the newer.
type mergeDatasets struct {
	signals
	store store.Store
	cfg   *mergeDatasetsConfig
	empty bool
}

func buildMergeDatasets(c any, env Env) (Source, diag.List) {
	cfg := c.(*mergeDatasetsConfig)
	m := &mergeDatasets{signals: signalsOf(cfg.Node, cfg.SupportsSignalling, cfg.RequirePopulatedInput),
		store: env.Store, cfg: cfg, empty: env.acceptsEmpty(cfg.IfSourceEmpty)}
	var diags diag.List
	if len(cfg.Datasets) == 0 {
		diags.Add(diag.Finding{Rule: "source/datasets", Severity: diag.Error, Span: cfg.At("datasets"), Message: "datasets is empty"})
	}
	seen := map[string]bool{}
	for _, id := range cfg.Datasets {
		if seen[id] {
			diags.Add(diag.Finding{Rule: "source/datasets", Severity: diag.Error, Span: cfg.At("datasets"),
				Message: fmt.Sprintf("dataset %q stands twice in datasets", id)})
		}
		seen[id] = true
	}
	return m, diags
}

// Since implements Source.
func (m *mergeDatasets) Since() Since { return Since{true, true, true} }

// Datasets implements Inputs.
func (m *mergeDatasets) Datasets() []string { return slices.Clone(m.cfg.Datasets) }

// Populated implements Populator: all of initial_datasets are, or of datasets
// if there are none.
func (m *mergeDatasets) Populated(ctx context.Context) (bool, error) {
	ids, lenient := m.cfg.Datasets, false
	if m.cfg.InitialDatasets != nil {
		ids, lenient = m.cfg.InitialDatasets, m.cfg.IgnoreNonExistent
	}
	for _, id := range ids {
		info, err := m.store.Info(ctx, id)
		if errors.Is(err, store.ErrNoDataset) && lenient {
			continue
		}
		if errors.Is(err, store.ErrNoDataset) {
			return false, nil
		}
		if err != nil || !info.Populated {
			return false, err
		}
	}
	return true, nil
}

// Read implements Source.
func (m *mergeDatasets) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return failIfEmpty(m.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		r, err := m.begin(ctx, since, size)
		for err == nil && !r.done {
			var b *entity.Batch
			if b, err = r.batch(ctx); err == nil && b != nil && !yield(b, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("merge_datasets: %w", err))
		}
	})
}

// offsets are where a run stands in each dataset, by id. Written as JSON so
// that they survive a change of the list.
type offsets map[string]store.Offset

// parseOffsets reads offsets, or a list of numbers in the order of the
// datasets as the node API takes it.
func parseOffsets(s string, datasets []string) (offsets, error) {
	at := offsets{}
	switch {
	case s == "":
		return at, nil
	case strings.HasPrefix(s, "{"):
		if err := json.Unmarshal([]byte(s), &at); err != nil {
			return nil, fmt.Errorf("the offset %q is not readable: %w", s, err)
		}
		return at, nil
	}
	parts := strings.Split(s, ",")
	if len(parts) != len(datasets) {
		return nil, fmt.Errorf("the offset %q has %d parts for %d datasets", s, len(parts), len(datasets))
	}
	for i, p := range parts {
		n, err := parseOffset(strings.TrimSpace(p))
		if err != nil {
			return nil, err
		}
		at[datasets[i]] = n
	}
	return at, nil
}

// format writes the offsets in the order of the datasets; those at the
// beginning are left out, and nothing read at all is "".
func (o offsets) format(datasets []string) string {
	var b strings.Builder
	for _, id := range datasets {
		at, ok := o[id]
		if !ok || at == store.Start {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(id) // text always has a JSON form
		b.Write(key)
		b.WriteString(":" + strconv.FormatInt(int64(at), 10))
	}
	if b.Len() == 0 {
		return ""
	}
	return "{" + b.String() + "}"
}
