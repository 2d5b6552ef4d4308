// Package sources holds where a pipe's entities come from, one type a file.
package sources

import (
	"context"
	"iter"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// Source is a compiled source. It is immutable and may be read by several
// runs at once.
type Source interface {
	// Read yields batches of about size entities, in order, from behind since
	// ("" is the beginning). A batch and its arena belong to the reader of the
	// sequence until it asks for the next one. An error ends the sequence.
	Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error]
	// Since tells which continuation the source offers.
	Since() Since
}

// Since is a source's continuation support; see the manual's strategies:
// chronological if Supports and Chronological, max if Supports and Comparable,
// else every run is full.
type Since struct{ Supports, Comparable, Chronological bool }

// Inputs is the ability of sources that read datasets of the node.
type Inputs interface {
	// Datasets are the ids read, for signalling, ordering and cycle checks.
	Datasets() []string
}

// Populator is the ability of sources that know whether they offer a complete
// view. Sources without it count as populated once a run has completed.
type Populator interface {
	Populated(ctx context.Context) (bool, error)
}

// Previous is the ability of sources that can tell an entity's earlier version,
// for is-changed; null if there is none.
type Previous interface {
	Previous(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error)
}

// Tracked is the ability of sources whose entities can be read again one by one,
// because what they are joined with has changed.
type Tracked interface {
	// Again appends to the batch those of ids, live and as they are now, that a
	// run which goes on from since will not read anyway.
	Again(ctx context.Context, ids []string, since string, b *entity.Batch) error
}

// CompleteFunc returns up to when a dataset is complete as another one, or it
// itself, has heard of it: microseconds since 1970, and whether it has.
type CompleteFunc func(ctx context.Context, via, dataset string) (micros int64, ok bool, err error)

// Completing is the ability of sources that can hold back what is newer than
// their inputs are complete.
type Completing interface {
	// Completes are the datasets it asks of; none if it holds nothing back.
	Completes() []string
	// Incomplete says why nothing at all can be read yet, "" if something can,
	// and which dataset's completeness is missing.
	Incomplete(ctx context.Context) (reason, dataset string, err error)
}

// Placed is the ability of sources that know a continuation that they cannot have
// given.
type Placed interface {
	// CheckOffset returns an *OffsetError for one.
	CheckOffset(since string) error
}

// Remembering is the ability of sources that remember what they have yielded, in
// a dataset of their own: the Notes of each batch are saved with it. Runs of such
// a source take turns batch by batch, also a rescan with the runs beside it: each
// batch is made of what is there then, and written before the next one is made.
type Remembering interface {
	// Memory is the dataset.
	Memory() string
}

// Anchored is the ability of sources whose continuation is a place in something that
// the configuration names.
type Anchored interface {
	// Anchor names it. A continuation that was given under another name means
	// nothing.
	Anchor() string
}

// Partway is the ability of sources that may begin behind a place the
// configuration names, also where nothing was read yet: what they do not yield may
// be there all the same.
type Partway interface {
	Partway() bool
}

// Whole is the ability of sources that read otherwise in a full run.
type Whole interface {
	// ReadWhole is Read for a full run: since is "" where that begins, else the
	// place where one that was cut short goes on.
	ReadWhole(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error]
}

// Shown is the ability of sources that read otherwise for somebody who is only shown
// what there is: nobody remembers what that was.
type Shown interface {
	// ReadShown is Read from the beginning, with each entity once.
	ReadShown(ctx context.Context, size int) iter.Seq2[*entity.Batch, error]
}

// Initial is the ability of sources to which not all of their inputs count when
// it is asked whether those are populated.
type Initial interface {
	// Initial are the datasets that count; if lenient, only as far as they exist.
	Initial() (ids []string, lenient bool)
}

// Alternating is the ability of sources whose batches stay as they are not only
// until the next one is asked for, but until the next but one: each is read into
// the other of two arenas.
type Alternating interface{ Alternates() }

// Paced is the ability of sources that ask before each batch how many entities it
// may have.
type Paced interface {
	ReadPaced(ctx context.Context, since string, size func() int) iter.Seq2[*entity.Batch, error]
}

// always is a pace that never changes.
func always(size int) func() int { return func() int { return size } }

// Bare is the ability of sources whose entities come without namespaces: where
// identifiers have namespaces, pipes add them unless told not to.
type Bare interface {
	Bare() bool
}

// Env is what a source is built with. Build must not touch Store or systems;
// Read does.
type Env struct {
	PipeID string
	// Node is the `source` object, for places in messages.
	Node  *jsonpos.Node
	Store store.Store
	Lib   *dtl.Lib
	// DTL carries the pipe's namespaces and prefixes, for subsets.
	DTL dtl.Options
	// System returns a system of the configuration, nil if there is none.
	System func(id string) systems.System
	// Secret resolves names of the node's secrets.
	Secret systems.SecretFunc
	Now    func() time.Time
	// JWKS fetches the key set behind an address, for decode_jwt in validation
	// expressions; see systems.NewJWKS. Nil makes such expressions refuse.
	JWKS func(ctx context.Context, url string) ([]byte, error)
	// Context bounds the work of Build; validation expressions are tried against
	// forged requests there, so it must be set.
	Context context.Context
	// Probes remembers which expressions were tried; nil remembers none.
	Probes *Probes
	// IfSourceEmpty is the node's default of if_source_empty: "fail", or ""
	// which accepts.
	IfSourceEmpty string
	// MaxMerged is the node's default of max_merged; 0 if it has none.
	MaxMerged int
	// Host is how expressions reach the world; nil if they are only checked.
	Host dtl.Host
	// Complete tells how complete datasets are; nil if nothing is known.
	Complete CompleteFunc
	// Build compiles a nested source (conditional's alternatives).
	Build func(n *jsonpos.Node) (Source, diag.List)
}
