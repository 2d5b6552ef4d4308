package store

import (
	"context"
	"errors"
)

// ErrInUse is an index that somebody asks for.
var ErrInUse = errors.New("the index is in use")

// Indexed is the ability of stores to tell of their indexes, and to remove those that
// nobody needs any more.
type Indexed interface {
	// Indexes describes the indexes of a dataset, oldest first.
	Indexes(ctx context.Context, dataset string) ([]IndexInfo, error)
	// DropIndex removes an index: ErrNoIndex if there is none of that number,
	// ErrInUse if somebody has asked for it since the store was opened.
	DropIndex(ctx context.Context, dataset string, number uint32) error
}

// IndexInfo describes an index at one moment.
type IndexInfo struct {
	Number uint32 // of no other index of the store, in its lifetime
	Name   string
	UpTo   Offset // it knows the log up to here
	InUse  bool   // asked for since the store was opened
}
