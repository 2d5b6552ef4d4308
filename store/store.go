// Package store says what Sluice asks of the place where datasets live. The
// embedded engine is store/local; a clustered one can stand behind the same
// interface, because nothing here promises that a dataset is local, that
// offsets are dense, or that a write is confirmed when it is handed over.
package store

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sluiceio/sluice/entity"
)

// Offset is a version's place in its dataset's log. Later versions have
// greater offsets; there may be gaps.
type Offset int64

// Start is the offset before every version.
const Start Offset = -1

// Errors that callers tell apart with errors.Is.
var (
	ErrNoDataset = errors.New("no such dataset")
	ErrNoIndex   = errors.New("no such index")
	ErrLocked    = errors.New("the data folder is in use by another process")
	ErrCorrupt   = errors.New("stored data does not match its checksum")
	ErrConflict  = errors.New("state was changed by somebody else")
	ErrTooLarge  = errors.New("entity is larger than the limit")
	ErrClosed    = errors.New("store is closed")
	ErrFull      = errors.New("no space left for data")
	ErrPassed    = errors.New("the copy has passed this offset and has something else there")
)

// Store keeps datasets, their indexes and the pipes' state. All methods may be
// called from many goroutines.
type Store interface {
	// Datasets lists all datasets by name.
	Datasets(ctx context.Context) ([]Info, error)
	// Info describes one dataset; ErrNoDataset if there is none.
	Info(ctx context.Context, dataset string) (Info, error)
	// Head returns the dataset's generation and the offset of its newest
	// version: as long as they stay, everything read from it stays the same.
	// It costs next to nothing.
	Head(ctx context.Context, dataset string) (generation [16]byte, last Offset, err error)
	// Create makes an empty, unpopulated dataset unless it exists.
	Create(ctx context.Context, dataset string) (Info, error)
	// Drop removes a dataset with its indexes; it is no error if there is none.
	Drop(ctx context.Context, dataset string) error

	// Append hands over a batch. Entities are encoded before it returns, so
	// their arena may be reset; the batch counts only when Pending.Wait says so.
	// All its datasets must exist: Wait, or Append itself, says ErrNoDataset.
	Append(ctx context.Context, b *Batch) (Pending, error)

	// Read returns a page of versions in log order.
	Read(ctx context.Context, dataset string, q Query, a *entity.Arena) (Page, error)
	// Get returns the latest version of each id, tombstones included, in the
	// order of ids; a missing one is null.
	Get(ctx context.Context, dataset string, ids []string, a *entity.Arena) ([]entity.Value, error)
	// GetAt returns the version at an offset, null if it is gone.
	GetAt(ctx context.Context, dataset string, at Offset, a *entity.Arena) (entity.Value, error)
	// Find yields, for each of keys, the live latest versions that have it in
	// the index, in order of _id; yield returns false to stop.
	Find(ctx context.Context, dataset, index string, keys [][]byte, a *entity.Arena,
		yield func(key int, e entity.Value) bool) error
	// EnsureIndex builds the index if it is new or behind, and keeps it up to
	// date with every later append of this process.
	EnsureIndex(ctx context.Context, dataset string, ix Index) error

	// State returns a saved state and its revision; nil and 0 if there is none.
	State(ctx context.Context, key string) (value []byte, rev uint64, err error)
	// States lists the keys that begin with prefix, sorted.
	States(ctx context.Context, prefix string) ([]string, error)

	// Watch begins to collect the names of changed datasets.
	Watch() Watch
	// Close finishes what was handed over and releases everything.
	Close() error
}

// Backer is the ability of stores that can copy themselves while they are in
// use: all that was committed before the call, and nothing of what comes later.
type Backer interface {
	Backup(ctx context.Context, w io.Writer) error
}

// Info describes a dataset at one moment.
type Info struct {
	Name       string
	Generation string // UUID, new whenever the dataset is made anew
	Populated  bool   // holds a complete view of its source
	Last       Offset // of the newest version; Start if empty
	Versions   int64  // in the log
	Live       int64  // ids whose latest version is not deleted
	Deleted    int64  // ids whose latest version is a tombstone
	Bytes      int64  // of the log on disk
	Indexes    []string
}

// Batch is written whole or not at all.
type Batch struct {
	Writes   []Write
	State    []StateWrite
	Populate []string // datasets that are populated once this batch stands
}

// Write is what one dataset receives.
type Write struct {
	Dataset string
	Ops     []Op
}

// Op is one change offered to a dataset.
type Op struct {
	Kind OpKind
	// Entity is a Dict with a string _id, for Put. Of its reserved members
	// only _id and _deleted are kept.
	Entity entity.Value
	// ID names what to delete, for Delete.
	ID string
	// Mark adds "$deletion_tracked": true to the tombstone, for Delete.
	Mark bool
	// Force stores a version that equals the latest one too, for Put.
	Force bool
	// Place says where the version stands in the log that the dataset is a copy
	// of, for Put; nil appends it behind all others.
	Place *Place
}

// Place is a version's place in a log that is kept elsewhere. Versions come in the
// order of that log, perhaps not all of them: the offsets between stay empty, as
// if compaction had removed what stood there. One that the copy has, or has a
// later version of, is unchanged; another one at an offset that the copy has
// passed is refused with ErrPassed.
type Place struct {
	At Offset // up to MostPlace
	// Previous is the version before in that log; Start if there is none. It counts
	// if the copy has none of the id and nothing else at that offset.
	Previous Offset
	TS       int64 // time stamp; 0 takes the time of the copy
}

// MostPlace is the greatest offset that a Place may have.
const MostPlace Offset = 1<<34 - 1

// OpKind says what an Op does.
type OpKind uint8

const (
	// Put stores a version unless it equals the latest one.
	Put OpKind = iota
	// Delete turns a live latest version into a tombstone that keeps its
	// content; an unknown or deleted id is left alone.
	Delete
)

// StateWrite saves a state in the same commit as the batch, by compare and set.
type StateWrite struct {
	Key   string
	Value []byte // nil removes
	// IfRev is the revision last read, 0 if there was none; another one fails
	// the batch with ErrConflict. AnyRev skips the comparison.
	IfRev uint64
}

// AnyRev as StateWrite.IfRev writes whatever the revision is.
const AnyRev = ^uint64(0)

// Pending is a batch on its way.
type Pending interface {
	// Wait returns when the batch survives a power cut, or why it was refused.
	Wait(ctx context.Context) (Result, error)
}

// Result tells what became of a batch.
type Result struct {
	// Outcomes of each write's ops, in their order.
	Outcomes [][]Outcome
	// Changed counts the versions appended over all writes.
	Changed int
	// Revs are the new revisions of the batch's states, in their order.
	Revs []uint64
}

// Outcome is what an op did.
type Outcome uint8

const (
	// Unchanged: the latest version already says this.
	Unchanged Outcome = iota
	// Added: the id was unknown.
	Added
	// Updated: a new version of a known id.
	Updated
	// Removed: a new version that is a tombstone.
	Removed
)

// Query selects versions of a dataset.
type Query struct {
	Since   Offset // exclusive; Start reads from the beginning
	Limit   int    // at most so many entities in the page; 0 means 100
	History bool   // all versions instead of the latest of each id
	Reverse bool   // newest first, from before Since (Start: from the end); Next continues
	// Index and Key restrict to the versions that have the key in the index.
	// What has left since is returned as a tombstone.
	Index string
	Key   []byte
}

// Page is one answer of Read. Entities carry the reserved members _updated,
// _previous (null for the first version of an id), _ts and _hash besides their
// own. It may hold fewer than the limit though End is false: entities may be
// large.
type Page struct {
	Entities []entity.Value
	// Next continues behind the page, also over versions it skipped.
	Next Offset
	// End tells that nothing more stood in the log when the page was read.
	End bool
}

// Index is a secondary index.
type Index struct {
	// Name identifies what is indexed, across restarts.
	Name string
	// Needs names the root members that Keys looks at, if they are known: it is
	// given an entity that may lack all others. nil stands for the whole entity.
	Needs []string
	// Keys emits the keys of a live entity; none leaves it out.
	Keys func(e entity.Value, emit func(key []byte))
}

// Watch collects names of changed datasets without ever holding up a writer.
type Watch interface {
	// Next waits until a dataset changed since the last call and returns the
	// names, each once.
	Next(ctx context.Context) ([]string, error)
	// Close ends the watch.
	Close()
}

// Clock gives the time stamps of versions. Stores use it so that tests can
// hold time.
type Clock func() time.Time
