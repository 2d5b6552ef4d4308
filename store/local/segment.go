package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// Segments have a place in the log. When compaction writes one anew, the file
// for the place gets a new number, so that what speaks of a position in the old
// file is never taken for one in the new: the low bits of the number are the
// place, the high bits count the rewrites.
const (
	placeBits  = 20
	lastPlace  = 1<<placeBits - 1
	mostTurns  = 1<<(32-placeBits) - 1
	turnSuffix = "-%04d"
)

func placeOf(seg uint32) uint32 { return seg & lastPlace }

// rewritten tells whether compaction has written the file.
func rewritten(seg uint32) bool { return seg > lastPlace }

func segmentName(n uint32) string {
	name := fmt.Sprintf("%010d", placeOf(n))
	if rewritten(n) {
		name += fmt.Sprintf(turnSuffix, n>>placeBits)
	}
	return name + segmentSuffix
}

func parseSegmentName(name string) (n uint32, ok bool) {
	place, turn, _ := strings.Cut(strings.TrimSuffix(name, segmentSuffix), "-")
	low, err := strconv.ParseUint(place, 10, placeBits)
	high := uint64(0)
	if err == nil && turn != "" {
		high, err = strconv.ParseUint(turn, 10, 32-placeBits)
	}
	n = uint32(high<<placeBits | low)
	return n, err == nil && segmentName(n) == name
}

// versionOf is the format of a file: what compaction wrote must not be read by a
// version of sluice that knows nothing of it.
func versionOf(n uint32) uint32 {
	if rewritten(n) {
		return segmentVersion + 1
	}
	return segmentVersion
}

// at returns the number of the file at a place of the log.
func (l *wlog) at(place uint32) uint32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.current[place]
}

// moved tells whether a file was rewritten, so that what it held is elsewhere.
func (l *wlog) moved(seg uint32) bool {
	now := l.at(placeOf(seg))
	return now != 0 && now != seg
}

// errUnsettled is an index that speaks of files that are not there.
var errUnsettled = errors.New("the index speaks of a rewritten segment that is not there")

// settleFiles decides which files count, and has an index that is to be made
// remember it.
func (s *Store) settleFiles() error {
	if err := s.log.settle(s.db, s.meta.at); err != nil || s.meta.at.seg != 0 {
		return err
	}
	return s.nameFiles()
}

// settle decides which file counts where a crash left two. The index, which has
// come to at, knows whether it has taken the new one in; an index that has to
// be made takes the newest.
func (l *wlog) settle(index pebble.Reader, at position) error {
	if at.seg == 0 {
		return nil
	}
	rows := map[uint32]uint32{}
	err := each(index, []byte{keyFile}, func(key, b []byte) error {
		c := &cursor{b: b}
		rows[numberOf(key)] = uint32(c.uvarint())
		return nil
	})
	if err != nil {
		return err
	}
	for place := range l.current {
		if _, known := rows[place]; !known {
			rows[place] = place
		}
		if n := rows[place]; l.segments[n] == nil {
			return fmt.Errorf("%w: %s", errUnsettled, l.path(n))
		}
	}
	for place := range l.current {
		l.current[place] = rows[place]
	}
	return nil
}

// nameFiles writes which files a new index is made of.
func (s *Store) nameFiles() error {
	for place, n := range s.log.current {
		if !rewritten(n) {
			continue
		}
		if err := s.db.Set(fileKey(place), fileRow(n), pebble.NoSync); err != nil {
			return err
		}
	}
	return nil
}

// removeOthers removes the files that do not count.
func (s *Store) removeOthers(remove bool) error {
	var all error
	for n, f := range s.log.segments {
		if s.log.current[placeOf(n)] == n {
			continue
		}
		delete(s.log.segments, n)
		all = errors.Join(all, f.Close())
		if err := s.removeSegment(n, remove); err != nil {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (s *Store) removeSegment(n uint32, remove bool) error {
	if !remove {
		return nil
	}
	if err := s.log.fs.Remove(s.log.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.log.fs.SyncDir(filepath.Clean(s.log.dir))
}

func fileKey(place uint32) []byte { return dsKey(nil, keyFile, place) }

var _ store.Compacter = (*Store)(nil)
