package sinks

import (
	"encoding/binary"
	"errors"

	"github.com/zeebo/xxh3"
)

// seenSet holds the hashes of the ids a run has written: 16 bytes an id,
// whatever its length. Two of a billion ids share a hash by a chance of 1 in
// 10^20, and then only a deletion is left out.
type seenSet struct {
	ids map[xxh3.Uint128]struct{}
	// fresh are the ids not yet told by Progress, if tells.
	fresh []byte
	tells bool
}

const hashBytes = 16

func newSeenSet(tells bool) *seenSet {
	return &seenSet{ids: map[xxh3.Uint128]struct{}{}, tells: tells}
}

func (s *seenSet) add(id string) {
	h := xxh3.HashString128(id)
	before := len(s.ids)
	s.ids[h] = struct{}{}
	if s.tells && len(s.ids) > before {
		s.fresh = appendHash(s.fresh, h)
	}
}

func appendHash(dst []byte, h xxh3.Uint128) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, h.Hi), h.Lo)
}

// has may be called without a set.
func (s *seenSet) has(id string) bool {
	if s == nil {
		return false
	}
	_, ok := s.ids[xxh3.HashString128(id)]
	return ok
}

// Progress implements Resuming: the ids of what was written.
func (w *datasetWriter) Progress() []byte {
	if w.seen == nil || len(w.seen.fresh) == 0 {
		return nil
	}
	piece := append([]byte(nil), w.seen.fresh...)
	w.seen.fresh = w.seen.fresh[:0]
	return piece
}

var errProgress = errors.New("the ids that the interrupted run has seen cannot be read")

// Resume implements Resuming.
func (w *datasetWriter) Resume(piece []byte) error {
	if w.seen == nil {
		return nil
	}
	return w.seen.take(piece)
}

// take takes in what a piece of Progress holds.
func (s *seenSet) take(piece []byte) error {
	if len(piece)%hashBytes != 0 {
		return errProgress
	}
	for ; len(piece) > 0; piece = piece[hashBytes:] {
		h := xxh3.Uint128{Hi: binary.BigEndian.Uint64(piece), Lo: binary.BigEndian.Uint64(piece[8:])}
		s.ids[h] = struct{}{}
	}
	return nil
}

// anywhere is for writers to whom a full run is like any other: it may go on
// where it was.
type anywhere struct{}

// Progress implements Resuming.
func (anywhere) Progress() []byte { return nil }

// Resume implements Resuming.
func (anywhere) Resume([]byte) error { return nil }
