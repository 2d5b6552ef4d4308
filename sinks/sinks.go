// Package sinks holds where a pipe's entities go, one type a file.
package sinks

import (
	"context"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// Sink is a compiled sink, immutable and shared by runs.
type Sink interface {
	// Start returns the writer of one run.
	Start(ctx context.Context, r Run) (Writer, error)
	// BatchSize is the pipe's default number of entities in a batch.
	BatchSize() int
}

// Writer is a sink in one run. Write may be called from several goroutines
// only for runs of Kind Request.
type Writer interface {
	// Write delivers a batch, and saves the given states in the same commit if
	// the sink has commits; otherwise after the delivery. It returns when both
	// survive a power cut.
	Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error)
	// Finish ends a run that read its source to the end: deletion tracking,
	// populated flag. States are saved with it. A run that failed or was
	// stopped is not finished, just dropped.
	Finish(ctx context.Context, f Finish, save []store.StateWrite) (Written, error)
}

// Ahead is the ability of writers that can be handed a batch and be asked
// later whether it is safe, so that the next one is made in the meantime.
type Ahead interface {
	// Begin hands over a batch like Write; its entities may be used again when
	// it returns. Only one batch may be on its way.
	Begin(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Pending, error)
}

// Offering is the ability of writers of requests, of which many may be on their way.
type Offering interface {
	// BeginRequest hands over a request like Write; its entities may be used again
	// when it returns.
	BeginRequest(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Pending, error)
}

// Committing is the ability of writers whose batches are commits of the store:
// what else is to stand or fall with a batch goes into the same one.
type Committing interface {
	// BeginWith hands over a batch like Ahead's Begin, with other writes and
	// states that the pipe keeps. They do not count as changes.
	BeginWith(ctx context.Context, b *entity.Batch, also store.Batch) (Pending, error)
}

// Telling is the ability of writers that look a batch through before they hand it
// over: what a full run must know to go on after it goes into the same commit.
type Telling interface {
	Resuming
	// BeginTelling is Committing's BeginWith. It asks for the other writes when it
	// knows what Progress would return behind the batch, and hands that over.
	BeginTelling(ctx context.Context, b *entity.Batch, also func(progress []byte) store.Batch) (Pending, error)
}

// Holding is the ability of writers that may hold back all they write until the
// run has come to its end: until then nothing else may be saved as if it stood.
type Holding interface {
	Holds() bool
}

// Quiet is the ability of writers whose Finish may have nothing to do but to save the
// states that it is given: then they may be saved with something else.
type Quiet interface {
	Quiet(f Finish) bool
}

// Resuming is the ability of writers that can go on with a full run that was
// cut short. With others such a run begins anew.
type Resuming interface {
	// Progress returns what Resume must know of what was written since the last
	// call; nil if there is nothing.
	Progress() []byte
	// Resume takes up a full run. It is handed all that Progress returned, in
	// pieces that may be used again.
	Resume(piece []byte) error
}

// Pending is a batch on its way.
type Pending interface {
	// Wait returns what Write would have.
	Wait(ctx context.Context) (Written, error)
}

// RunKind says how a run came about.
type RunKind uint8

// The kinds of runs.
const (
	Incremental RunKind = iota // continues behind the last offset
	Full                       // reads everything; absence means deleted
	Request                    // one request to a receiver
	Partial                    // continues from a little before the last offset
)

// String returns the kind as the execution log's sync_type names it.
func (k RunKind) String() string {
	switch k {
	case Full:
		return "full"
	case Request:
		return "request"
	case Partial:
		return "partial"
	default:
		return "incremental"
	}
}

// Run is what one run of a pipe gives its writer.
type Run struct {
	Kind RunKind
	// Source of the run is a dataset without include_previous_versions, of which no
	// entity may be left to a later run: that decides the default of suppress_filtered.
	LatestOnly bool
	// Resumable tells that the run may be cut short and go on: Progress will be
	// asked for. See Resuming.
	Resumable bool
	// Before is the newest version the sink's dataset had when a full run began
	// that goes on now: what is newer is not deleted for its absence. Nil: it
	// begins now.
	Before *store.Offset
	// Beside tells that it is a rescan beside incremental runs; Serial that it
	// takes turns with them batch by batch, so that whoever writes last knows
	// best.
	Beside, Serial bool
	// Source says which incarnation of a log the run reads, "" if nobody knows,
	// and whether it reads it from its beginning. It may be asked once the run
	// has read something, before that is safe. Nil: nobody knows.
	Source func() (id string, whole bool)
}

// Finish is what a run knows at its end.
type Finish struct {
	// SourcePopulated tells that the source itself offers a complete view.
	SourcePopulated bool
	// Incomplete tells that some of what the source has could not be delivered:
	// what the run has not seen may be there all the same.
	Incomplete bool
}

// Written counts what became of entities, and hands back revisions.
type Written struct {
	Changed int      // versions that differ from what was there
	Deleted int      // tombstones by deletion tracking
	Revs    []uint64 // of the saved states, in their order
	// Held tells that the states are saved later, with the end of the run.
	Held bool
}

// Datasets is the ability of sinks that write to datasets of the node.
type Datasets interface {
	// DatasetID is the dataset written.
	DatasetID() string
}

// Locking is the ability of sinks that may refuse entities whose sender has not seen
// the version that is stored; Locks tells whether this one does.
type Locking interface {
	Locks() bool
}

// Webhook is the ability of sinks that put entities into the queue of a
// webhook, from which they are delivered apart from the pipe's runs.
type Webhook interface {
	Webhook() *webhooks.Queue
}

// Loader is the ability of sinks that prepare themselves when the pipe is
// loaded: the dataset is created, and with set_initial_offset "onload"
// populated.
type Loader interface {
	Load(ctx context.Context) error
}

// Bare is the ability of sinks that write entities without namespaces: where
// identifiers have namespaces, pipes remove them unless told not to.
type Bare interface {
	Bare() bool
}

// Env is what a sink is built with. Build must not touch Store; writers do.
type Env struct {
	PipeID string
	// Node is the `sink` object, for places in messages; nil if the pipe has none.
	Node *jsonpos.Node
	// Pipe is the whole pipe component.
	Pipe  *jsonpos.Node
	Store store.Store
	Lib   *dtl.Lib
	// DTL carries the pipe's namespaces and prefixes, for index expressions.
	DTL dtl.Options
	// Endpoint tells that the source is a receiver, whose dataset is populated
	// at load unless auto_populate_dataset is false.
	Endpoint bool
	// System returns a system of the configuration, nil if there is none.
	System func(id string) systems.System
	// MaxEntityBytes is the node's max_entity_bytes_size; 0 if it has none.
	MaxEntityBytes int
	// IndexIDs tells that datasets have the index "$ids" unless they say
	// otherwise.
	IndexIDs bool
	// Secret resolves names of the node's secrets.
	Secret systems.SecretFunc
	// Transport carries HTTP calls of sinks that have no system; it decides which
	// addresses may be reached.
	Transport http.RoundTripper
	// Now is the clock, for what operators are told.
	Now func() time.Time
	// NewID makes ids that nobody else makes; nil makes them of random bytes.
	NewID func() string
	// Build compiles a nested sink (conditional's alternatives).
	Build func(n *jsonpos.Node) (Sink, diag.List)
}
