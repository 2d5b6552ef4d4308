package local

import (
	"errors"

	"github.com/sluiceio/sluice/entity"
)

var (
	// errMoved is a position in a file that compaction has replaced: the
	// sections know where the version is now.
	errMoved = errors.New("the version stands elsewhere by now")
	// errGone is a version that compaction removed.
	errGone = errors.New("the version was removed by compaction")
)

// tries is how often compaction may come between in one call: more often than
// it can, so that a damaged index does not keep a reader for ever.
const tries = 100

// reopen has a page go on from the sections as they are now.
func (r *pageReader) reopen() error {
	if r.moves++; r.moves > tries {
		return r.s.indexDamaged("a section")
	}
	err := r.x.it.Close()
	if err != nil {
		return err
	}
	r.x, err = r.s.newSections(r.d)
	return err
}

// readMoved reads a version by its offset, errGone if it was removed.
func (s *Store) readMoved(d *dataset, offset int64, a *entity.Arena) (at location, b []byte, err error) {
	for range tries {
		if at, err = s.relocate(d, offset); err == nil {
			b = a.Text(int(at.size))[:at.size]
			err = s.readAt(d, at, b)
		}
		if !errors.Is(err, errMoved) {
			return at, b, err
		}
	}
	return at, b, s.indexDamaged("a section")
}

// relocate finds a version by its offset.
func (s *Store) relocate(d *dataset, offset int64) (at location, err error) {
	x, err := s.newSections(d)
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, x.it.Close()) }()
	if !x.seek(offset) {
		if n, err := s.goneRun(d, []int64{offset}); n > 0 || err != nil {
			return at, errorOr(err, errGone)
		}
		return at, s.missing(d)
	}
	pos, err := s.locate(x, offset, 1)
	if err != nil {
		return at, err
	}
	if pos[0] == pos[1] {
		return at, errGone
	}
	return location{seg: x.seg, pos: pos[0], size: pos[1] - pos[0]}, nil
}
