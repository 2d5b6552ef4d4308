package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/store"
)

type unionConfig struct {
	Type string `spec:"type,required" doc:"union_datasets"`
	severalConfig
	IncludePreviousVersions bool `spec:"include_previous_versions" doc:"Whether all versions of an entity are read instead of the latest."`
	PrefixIDs               bool `spec:"prefix_ids" default:"true" doc:"Whether an _id begins with the dataset's id and a colon, so that ids of different datasets do not meet."`
}

func unionType() Type {
	return Type{
		Name:   "union_datasets",
		Doc:    "Reads several datasets, each to its end before the next.",
		Config: func() any { return new(unionConfig) },
		Build:  buildUnion,
	}
}

type union struct {
	several
	cfg *unionConfig
}

func buildUnion(c any, env Env) (Source, diag.List) {
	cfg := c.(*unionConfig)
	common, diags := severalOf(&cfg.severalConfig, env)
	return &union{common, cfg}, diags
}

// LatestOnly tells whether each run reads one version of an id.
func (u *union) LatestOnly() bool { return !u.cfg.IncludePreviousVersions }

// Alternates implements Alternating.
func (u *union) Alternates() {}

// Read implements Source.
func (u *union) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	return u.ReadPaced(ctx, since, always(size))
}

// ReadPaced implements Paced.
func (u *union) ReadPaced(ctx context.Context, since string, size func() int) iter.Seq2[*entity.Batch, error] {
	return failIfEmpty(u.empty || since != "", func(yield func(*entity.Batch, error) bool) {
		at, err := parseOffsets(since, u.ids)
		r := &unionRun{u: u, at: at, size: size,
			batch: &entity.Batch{Arena: entity.NewArena()}, other: &entity.Batch{Arena: entity.NewArena()}}
		for i := 0; err == nil && i < len(u.ids); i++ {
			more := true
			if more, err = r.dataset(ctx, i, yield); !more {
				return
			}
		}
		if err != nil {
			yield(nil, fmt.Errorf("union_datasets: %w", err))
		}
	})
}

// unionRun is one reading.
type unionRun struct {
	u            *union
	at           offsets
	size         func() int
	batch, other *entity.Batch
}

// dataset reads the i-th dataset to its end; false if the reader had enough. A
// dataset that does not exist is empty; an offset past its end belongs to one
// that has been made anew since.
func (r *unionRun) dataset(ctx context.Context, i int, yield func(*entity.Batch, error) bool) (more bool, err error) {
	id := r.u.ids[i]
	info, err := r.u.store.Info(ctx, id)
	if errors.Is(err, store.ErrNoDataset) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	q := store.Query{Since: store.Start, History: r.u.cfg.IncludePreviousVersions}
	if at, ok := r.at[id]; ok && at <= info.Last {
		q.Since = at
	}
	for end := false; !end; {
		b := r.batch
		b.Arena.Reset()
		q.Limit = r.size()
		page, err := r.u.store.Read(ctx, id, q, b.Arena)
		if err != nil {
			return true, fmt.Errorf("dataset %q: %w", id, err)
		}
		end = page.End
		if len(page.Entities) == 0 && page.Next == q.Since {
			continue
		}
		q.Since, r.at[id] = page.Next, page.Next
		b.Entities, b.Since, b.Last = page.Entities, r.at.format(r.u.ids), end && i == len(r.u.ids)-1
		if r.u.cfg.PrefixIDs {
			prefix(b, id)
		}
		if !yield(b, nil) {
			return false, nil
		}
		r.batch, r.other = r.other, r.batch // only now: one that was handed out is on its way until the next one is
	}
	return true, nil
}

// prefix gives each entity the id that tells its dataset, too.
func prefix(b *entity.Batch, dataset string) {
	for _, e := range b.Entities {
		id, _ := entity.ID(e)
		text := append(append(append(b.Arena.Text(len(dataset)+1+len(id)), dataset...), ':'), id...)
		e.Object().Set(entity.IDKey, entity.NewString(b.Arena.String(text)))
	}
}
