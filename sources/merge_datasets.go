package sources

import (
	"context"
	"fmt"
	"iter"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
)

type mergeDatasetsConfig struct {
	Type string `spec:"type,required" doc:"merge_datasets"`
	severalConfig
	Strategy string `spec:"strategy" enum:"latest,all" default:"latest" doc:"latest reads the newest version of an id, whichever dataset holds it; all reads one entity an id with a property for each dataset that has it."`
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
	name string
	join joinVersions
}

// joinVersions makes one entity of what the datasets have of an id, null if
// there is none; full tells that the run began at the beginning.
type joinVersions func(versions []version, newest version, full bool, a *entity.Arena) entity.Value

func buildMergeDatasets(c any, env Env) (Source, diag.List) {
	cfg := c.(*mergeDatasetsConfig)
	common, diags := severalOf(&cfg.severalConfig, env)
	join := latestVersion
	if cfg.Strategy == "all" {
		join = func(versions []version, newest version, _ bool, a *entity.Arena) entity.Value {
			return sideBySide(common.ids, versions, newest, a)
		}
	}
	return &mergeDatasets{common, "merge_datasets", join}, diags
}

// Alternates implements Alternating.
func (m *mergeDatasets) Alternates() {}

// Read implements Source.
func (m *mergeDatasets) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return m.ReadPaced(ctx, since, always(size))
}

// ReadPaced implements Paced.
func (m *mergeDatasets) ReadPaced(ctx context.Context, since string, size func() int) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		r, err := m.begin(ctx, since, size)
		for err == nil && !r.done {
			var b *entity.Batch
			if b, err = r.batch(ctx); err == nil && b != nil && !yield(b, nil) {
				return
			}
		}
		switch {
		case err != nil:
			yield(nil, fmt.Errorf("%s: %w", m.name, err))
		case r.full && !r.some && !m.empty:
			yield(nil, ErrEmpty)
		}
	}
}
