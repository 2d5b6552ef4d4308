package store

import (
	"context"
	"time"
)

// Compacter is a store that can give back the room of old versions. Offsets
// are kept: the log has gaps afterwards. Whoever reads latest versions sees the
// same as before, except for ids that were purged, which are unknown then.
type Compacter interface {
	// Compact removes what the options allow from the part of the log that is
	// written no more. It goes on beside everything else, in steps; one that
	// ended early is gone on with by the next call.
	Compact(ctx context.Context, o CompactOptions) (Compacted, error)
}

// CompactOptions say what a compaction may remove.
type CompactOptions struct {
	// Datasets are the ones to compact, and what each must keep. Dropped
	// datasets are removed always.
	Datasets map[string]Retention
	// Floors are, by dataset, the offsets up to which everybody who follows its
	// changes has come: versions behind a floor stay, and so do the ones that
	// they replaced. Datasets that are not named have no floor.
	Floors map[string]Offset
	// Seal ends the file at the end of the log first, so that it takes part.
	Seal bool
	// SealFrom ends it likewise if it has some size and at least this share of its
	// versions may go; 0 does not.
	SealFrom float64
}

// Retention is what a dataset keeps.
type Retention struct {
	// KeepVersions is how many of the newest versions of an id stay whatever
	// their age. With 0 an id is purged when its latest version is old enough.
	KeepVersions int
	// MinAge is how old a version must be before it may go.
	MinAge time.Duration
	// MaxAge, with no KeepVersions, is the age from which on an id is purged also
	// behind a floor; 0 is none.
	MaxAge time.Duration
	// TTLDeletes purges ids whose latest version is a tombstone of at least
	// this age; 0 keeps them. TTLBudget bounds the time spent on it in one
	// call; 0 does not.
	TTLDeletes time.Duration
	TTLBudget  time.Duration
	// Retract removes what stands before a version with "$retract": true, for
	// good, however many versions are to be kept. RetractBudget bounds the time
	// spent on it in one call; 0 does not.
	Retract       bool
	RetractBudget time.Duration
}

// Compacted tells what a compaction did.
type Compacted struct {
	Versions int64 // removed
	Bytes    int64 // given back
	Files    int   // written anew
	// Forgotten is how many ids were purged by TTLDeletes, by dataset.
	Forgotten map[string]int64
}
