package sources

import (
	"context"
	"fmt"
	"iter"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
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
	several
	cfg   *mergeDatasetsConfig
	empty bool
}

func buildMergeDatasets(c any, env Env) (Source, diag.List) {
	cfg := c.(*mergeDatasetsConfig)
	m := &mergeDatasets{cfg: cfg, empty: env.acceptsEmpty(cfg.IfSourceEmpty)}
	var diags diag.List
	m.several, diags = severalOf(&cfg.Base, cfg.Datasets, cfg.InitialDatasets, cfg.IgnoreNonExistent,
		signalsOf(cfg.Node, cfg.SupportsSignalling, cfg.RequirePopulatedInput), env.Store)
	return m, diags
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
