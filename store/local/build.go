package local

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// indexSlice is how many versions an index takes in at once.
const indexSlice = 1000

// indexBuild takes versions into one index. For each version it compares the
// keys of the content with those of the version before: a key that is still
// there moves to the new version, one that is gone is left behind as "left".
type indexBuild struct {
	s     *Store
	d     *dataset
	x     *secondary
	stop  func() error
	batch *pebble.Batch
	arena *entity.Arena
	left  map[string]entry // entries turned "left" in this slice, by entry key
	key   []byte
	row   []byte
}

func newIndexBuild(s *Store, d *dataset, x *secondary, stop func() error) *indexBuild {
	return &indexBuild{s: s, d: d, x: x, stop: stop, arena: entity.NewArena()}
}

// slice indexes up to the offset in one commit.
func (b *indexBuild) slice(upTo int64) error {
	b.arena.Reset()
	b.left = map[string]entry{}
	b.batch = b.s.db.NewBatch()
	defer b.batch.Close()
	first := b.x.upTo.Load() + 1
	offsets := make([]int64, 0, upTo-first+1)
	for o := first; o <= upTo; o++ {
		offsets = append(offsets, o)
	}
	r := &pageReader{s: b.s, d: b.d, arena: b.arena}
	err := r.read(b.stop, offsets, func(rec *record, at location) error {
		return b.version(rec, at)
	})
	if err != nil {
		return err
	}
	return b.commit(first - 1 + int64(r.did))
}

// commit writes the slice unless the dataset has been dropped meanwhile: its
// rows would stay forever.
func (b *indexBuild) commit(upTo int64) error {
	if err := b.batch.Set(indexKey(b.d.id, b.x.name), indexRow(b.x.id, upTo), nil); err != nil {
		return err
	}
	b.s.applyMu.Lock()
	defer b.s.applyMu.Unlock()
	if b.d.dropped {
		return fmt.Errorf("%w: %q", store.ErrNoDataset, b.d.name)
	}
	if err := b.batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	b.x.upTo.Store(upTo)
	return nil
}

func (b *indexBuild) version(r *record, at location) error {
	now, err := b.keysOf(r, at)
	if err != nil {
		return err
	}
	var before [][]byte
	var prevLoc location
	if r.prev >= 0 && !r.prevDead {
		if before, prevLoc, err = b.keysBefore(r.prev); err != nil {
			return err
		}
	}
	prev := entry{state: entryPresent, offset: r.prev, loc: prevLoc}
	for _, k := range now {
		old, had := prev, contains(before, k)
		if !had && r.prev >= 0 {
			if old, had, err = b.lookUp(k, r.id); err != nil {
				return err
			}
		}
		if err := b.put(k, r.id, entry{offset: r.offset, loc: at}, old, had); err != nil {
			return err
		}
	}
	for _, k := range before {
		if contains(now, k) {
			continue
		}
		if err := b.put(k, r.id, entry{state: entryLeft, offset: r.offset, loc: at}, prev, true); err != nil {
			return err
		}
	}
	return nil
}

// keysOf returns the keys of a version, each once; a tombstone has none.
func (b *indexBuild) keysOf(r *record, at location) (keys [][]byte, err error) {
	if r.deleted {
		return nil, nil
	}
	v, err := entity.Decode(b.arena, r.body, storedForm())
	if err != nil {
		return nil, b.s.damaged(b.d, at)
	}
	b.x.keys(v, func(key []byte) {
		if !contains(keys, key) {
			keys = append(keys, append([]byte{}, key...))
		}
	})
	return keys, nil
}

func (b *indexBuild) keysBefore(offset int64) (keys [][]byte, at location, err error) {
	r := &pageReader{s: b.s, d: b.d, arena: b.arena}
	err = r.read(b.stop, []int64{offset}, func(rec *record, loc location) error {
		at = loc
		keys, err = b.keysOf(rec, loc)
		return err
	})
	return keys, at, err
}

// lookUp returns the entry that an id had left behind under a key it has
// again.
func (b *indexBuild) lookUp(key, id []byte) (e entry, ok bool, err error) {
	b.key = append(entryPrefix(b.key[:0], keyEntry, b.x.id, key), id...)
	if e, ok = b.left[string(b.key)]; ok {
		return e, true, nil
	}
	ok, err = value(b.s.db, b.key, func(row []byte) (ok bool) {
		e, ok = parseEntry(row)
		return ok
	})
	return e, ok, err
}

// put writes what the version did to the key, and marks what the version
// before did as old.
func (b *indexBuild) put(key, id []byte, e, old entry, had bool) error {
	b.key = append(entryPrefix(b.key[:0], keyEntry, b.x.id, key), id...)
	if e.state == entryLeft {
		b.left[string(b.key)] = e
	} else {
		delete(b.left, string(b.key))
	}
	b.row = appendEntry(b.row[:0], &e)
	if err := b.batch.Set(b.key, b.row, nil); err != nil {
		return err
	}
	if err := b.order(key, &e); err != nil || !had {
		return err
	}
	old.state |= entryOld
	return b.order(key, &old)
}

func (b *indexBuild) order(key []byte, e *entry) error {
	b.key = orderKey(b.key[:0], b.x.id, key, e.offset)
	b.row = appendEntry(b.row[:0], e)
	return b.batch.Set(b.key, b.row, nil)
}

func contains(keys [][]byte, key []byte) bool {
	for _, k := range keys {
		if string(k) == string(key) {
			return true
		}
	}
	return false
}
