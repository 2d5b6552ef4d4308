package local

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

const (
	// indexSlice is how many versions an index reads at once.
	indexSlice = 1000
	// indexBatch is how many it takes in with one commit: the more there are, the
	// closer together their rows stand once they are sorted.
	indexBatch = 8 * indexSlice
	// indexKeys bounds the keys of a commit, in bytes: a version may have many.
	indexKeys = 1 << 20
)

// indexBuild takes versions into one index. For each version it compares the
// keys of the content with those of the version before: a key that is new is
// noted with the id, one that is gone is left behind as "left", and for one that
// is still there only the version has to be noted.
type indexBuild struct {
	s     *Store
	d     *dataset
	x     *secondary
	stop  func() error
	items []indexItem
	hints []hint
	keys  keyRoom
	arena *entity.Arena // of what is being read
	look  *entity.Arena // of the version that is being looked at
	rows  rowSet
	key   []byte
	row   []byte
}

// indexItem is a version of the slice.
type indexItem struct {
	offset, prev int64
	prevDead     bool
	at           location
	id           string
	now, before  keySet
}

func newIndexBuild(s *Store, d *dataset, x *secondary, stop func() error) *indexBuild {
	return &indexBuild{s: s, d: d, x: x, stop: stop, arena: entity.NewArena(), look: entity.NewArena()}
}

// slice indexes up to the offset, or as far as one commit goes.
func (b *indexBuild) slice(upTo int64) (err error) {
	b.items, b.hints = b.items[:0], b.hints[:0]
	b.keys.reset()
	b.rows.reset()
	last := b.x.upTo.Load()
	for last < upTo && len(b.items) < indexBatch && len(b.keys.text) < indexKeys && err == nil {
		last, err = b.load(last+1, upTo)
	}
	if err == nil {
		err = b.loadBefore(last)
	}
	if err != nil {
		return err
	}
	for i := range b.items {
		b.version(&b.items[i])
	}
	if err := b.commit(last); err != nil {
		return err
	}
	b.d.hints.done(b.d.indexedUpTo()) // takes a lock that must not wait for commit's
	return nil
}

// load reads versions and their keys; it returns how far it came.
func (b *indexBuild) load(first, upTo int64) (int64, error) {
	offsets, err := b.s.there(b.d, first-1, upTo, indexSlice)
	if err != nil {
		return 0, err
	}
	b.arena.Reset()
	r := &pageReader{s: b.s, d: b.d, arena: b.arena}
	err = r.read(b.stop, offsets, func(rec *record, at location) error {
		now, err := b.keysOf(rec, at)
		b.items = append(b.items, indexItem{offset: rec.offset, prev: rec.prev, prevDead: rec.prevDead, at: at, id: string(rec.id), now: now})
		return err
	})
	if err != nil || r.did == len(offsets) && len(offsets) < indexSlice {
		return upTo, err
	}
	return offsets[r.did-1], nil
}

// loadBefore finds the keys of the versions that those of the slice replaced:
// in the slice, where the writer says they stand, or in the order of the log.
func (b *indexBuild) loadBefore(upTo int64) error {
	if len(b.items) == 0 {
		return nil
	}
	b.hints = b.d.hints.take(b.hints, b.items[0].offset, upTo)
	var rest []*indexItem
	for i := range b.items {
		it := &b.items[i]
		if it.prev < 0 || it.prevDead {
			continue
		}
		if j, ok := b.inSlice(it.prev); ok {
			it.before = b.items[j].now
			continue
		}
		j, ok := findHint(b.hints, it.offset)
		if !ok {
			rest = append(rest, it)
			continue
		}
		if err := b.readBefore(it, b.hints[j].loc); err != nil {
			return err
		}
	}
	return b.searchBefore(rest)
}

func (b *indexBuild) inSlice(offset int64) (int, bool) {
	return slices.BinarySearchFunc(b.items, offset, func(it indexItem, o int64) int { return cmp.Compare(it.offset, o) })
}

// readBefore reads the version before at its place.
func (b *indexBuild) readBefore(it *indexItem, loc location) error {
	b.arena.Reset()
	rec, at, err := b.s.readRecord(b.d, loc, it.prev, b.arena)
	if err == nil {
		it.before, err = b.keysOf(&rec, at)
	}
	return err
}

// searchBefore reads the versions before of items, which it reorders.
func (b *indexBuild) searchBefore(items []*indexItem) error {
	slices.SortFunc(items, func(x, y *indexItem) int { return cmp.Compare(x.prev, y.prev) })
	offsets := make([]int64, len(items))
	for i, it := range items {
		offsets[i] = it.prev
	}
	for done := 0; done < len(items); {
		b.arena.Reset()
		r := &pageReader{s: b.s, d: b.d, arena: b.arena}
		i := done
		err := r.read(b.stop, offsets[done:], func(rec *record, at location) (err error) {
			for ; items[i].prev < rec.offset; i++ { // removed by compaction
			}
			items[i].before, err = b.keysOf(rec, at)
			return err
		})
		if err != nil {
			return err
		}
		done += r.did
	}
	return nil
}

// commit writes the slice unless the dataset has been dropped meanwhile: its
// rows would stay forever.
func (b *indexBuild) commit(upTo int64) error {
	batch := b.s.db.NewBatch()
	defer batch.Close()
	if err := b.rows.write(batch); err != nil {
		return err
	}
	if err := batch.Set(indexKey(b.d.id, b.x.name), indexRow(b.x.id, upTo), nil); err != nil {
		return err
	}
	b.s.applyMu.Lock()
	defer b.s.applyMu.Unlock()
	if b.d.dropped {
		return fmt.Errorf("%w: %q", store.ErrNoDataset, b.d.name)
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	b.x.upTo.Store(upTo)
	return nil
}

// version compares the keys of a version with those before.
func (b *indexBuild) version(it *indexItem) {
	e := entry{state: entryPresent, offset: it.offset, loc: it.at}
	for k := range b.keys.all(it.now) {
		if !b.keys.has(it.before, k) {
			b.touch(it, k, &e)
		}
		b.order(k, &e)
	}
	e.state = entryLeft
	for k := range b.keys.all(it.before) {
		if !b.keys.has(it.now, k) {
			b.touch(it, k, &e)
			b.order(k, &e)
		}
	}
}

// touch notes which version an id got a key with, or lost it.
func (b *indexBuild) touch(it *indexItem, key []byte, e *entry) {
	b.key = append(entryPrefix(b.key[:0], keyEntry, b.x.id, key), it.id...)
	b.row = appendEntry(b.row[:0], e)
	b.rows.set(b.key, b.row)
}

func (b *indexBuild) order(key []byte, e *entry) {
	b.key = orderKey(b.key[:0], b.x.id, key, e.offset)
	b.row = appendEntry(b.row[:0], e)
	b.rows.set(b.key, b.row)
}

// keysOf returns the keys of a version, each once; a tombstone has none.
func (b *indexBuild) keysOf(r *record, at location) (keySet, error) {
	if r.deleted {
		return keySet{}, nil
	}
	b.look.Reset()
	v, err := b.decode(r.body)
	if err != nil {
		return keySet{}, b.s.damaged(b.d, at)
	}
	set := b.keys.begin()
	b.x.keys(v, func(key []byte) { b.keys.add(&set, key) })
	return set, nil
}

// decode reads as much of a content as the keys are made of.
func (b *indexBuild) decode(body []byte) (entity.Value, error) {
	if b.x.needs == nil {
		return entity.Decode(b.look, body, storedForm())
	}
	return entity.Pick(b.look, body, b.x.needs, storedForm())
}
