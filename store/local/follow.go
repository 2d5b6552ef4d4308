package local

import "github.com/sluiceio/sluice/entity"

// follow tells which entries of an index a reader of newest versions leaves
// out. The index he reads knows the log up to an offset; what has come since
// must not make an entry go without showing what took its place.
type follow struct {
	s     *Store
	d     *dataset
	from  int64          // the reader's index knows the log up to here
	last  int64          // the versions in between have been looked at up to here
	since map[int64]bool // what they replaced
}

// replaced tells whether a version was replaced, as far as the reader's index
// knows.
func (f *follow) replaced(offset int64) (bool, error) {
	f.s.mu.RLock()
	replaced, last := f.d.replaced.has(offset), f.d.last
	f.s.mu.RUnlock()
	if !replaced {
		return false, nil
	}
	err := f.look(last)
	return !f.since[offset], err
}

// look reads what the versions up to last replaced.
func (f *follow) look(last int64) error {
	for f.last < last {
		offsets, err := f.s.there(f.d, f.last, last, indexSlice)
		if err != nil {
			return err
		}
		if f.since == nil {
			f.since = map[int64]bool{}
		}
		r := &pageReader{s: f.s, d: f.d, arena: entity.NewArena()}
		err = r.read(f.s.stopped, offsets, func(rec *record, _ location) error {
			f.since[rec.prev] = true
			return nil
		})
		if err != nil {
			return err
		}
		if r.did == len(offsets) && len(offsets) < indexSlice {
			f.last = last
			continue
		}
		f.last = offsets[r.did-1]
	}
	return nil
}
