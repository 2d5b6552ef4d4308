package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// Secondary indexes follow the log at their own pace: after each group the
// indexer brings them up to date, and so does a reader who comes sooner.
// Appends therefore do not wait for them, and an index left behind by an
// earlier process catches up the same way as a new one is built.

// indexRow is the value of an index's row.
func indexRow(id uint32, upTo int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(nil, uint64(id)), upTo)
}

func parseIndexRow(b []byte) (id uint32, upTo int64, ok bool) {
	c := &cursor{b: b}
	id = uint32(c.uvarint())
	upTo, n := binary.Varint(b[c.pos:])
	return id, upTo, !c.bad && n > 0
}

// indexNames lists the indexes of a dataset, also those that nobody has ensured
// since the store was opened.
func (s *Store) indexNames(d *dataset) ([]string, error) {
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	if d.named {
		return slices.Clone(d.names), nil
	}
	prefix := dsKey(nil, keyIndex, d.id)
	err := each(s.db, prefix, func(key, _ []byte) error {
		d.names = append(d.names, string(key[len(prefix):]))
		return nil
	})
	if d.named = err == nil; !d.named {
		d.names = nil
	}
	return slices.Clone(d.names), err
}

// loadNextIndex finds the greatest number of an index that has left a trace.
func (s *Store) loadNextIndex() error {
	s.nextIndex = 1
	if err := each(s.db, []byte{keyIndex}, func(_, row []byte) error {
		id, _, ok := parseIndexRow(row)
		if !ok {
			return s.indexDamaged("an index")
		}
		s.nextIndex = max(s.nextIndex, id+1)
		return nil
	}); err != nil {
		return err
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return err
	}
	if it.Last() {
		s.nextIndex = max(s.nextIndex, numberOf(it.Key())+1)
	}
	return errors.Join(it.Error(), it.Close())
}

// EnsureIndex implements store.Store. Of a name that was ensured before in
// this process, the first Keys stay in use.
func (s *Store) EnsureIndex(ctx context.Context, name string, ix store.Index) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return err
	}
	x, err := s.register(d, ix)
	if err != nil {
		return err
	}
	return s.bringUp(ctx, d, x)
}

func (s *Store) register(d *dataset, ix store.Index) (*secondary, error) {
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	if x := d.indexes[ix.Name]; x != nil {
		return x, nil
	}
	x := &secondary{name: ix.Name, needs: ix.Needs, keys: ix.Keys, turn: make(chan struct{}, 1)}
	x.upTo.Store(int64(store.Start))
	known, err := value(s.db, indexKey(d.id, ix.Name), func(b []byte) bool {
		id, upTo, ok := parseIndexRow(b)
		x.id = id
		x.upTo.Store(upTo)
		return ok
	})
	if err == nil && !known {
		err = s.addIndex(d, x)
	}
	if err != nil {
		return nil, err
	}
	if d.indexes == nil {
		d.indexes = map[string]*secondary{}
	}
	d.indexes[ix.Name] = x
	d.indexed.Store(true)
	return x, nil
}

func (s *Store) addIndex(d *dataset, x *secondary) error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if d.dropped {
		return fmt.Errorf("%w: %q", store.ErrNoDataset, d.name)
	}
	x.id = s.nextIndex
	s.nextIndex++
	d.named, d.names = false, nil
	return s.db.Set(indexKey(d.id, x.name), indexRow(x.id, x.upTo.Load()), pebble.NoSync)
}

func (d *dataset) index(name string) (*secondary, error) {
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	if x := d.indexes[name]; x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("%w: %q of dataset %q", store.ErrNoIndex, name, d.name)
}

// indexedUpTo is the offset up to which all indexes know the log.
func (d *dataset) indexedUpTo() int64 {
	upTo := int64(math.MaxInt64)
	for _, x := range d.allIndexes() {
		upTo = min(upTo, x.upTo.Load())
	}
	return upTo
}

func (s *Store) lastOf(d *dataset) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return d.last
}

// bringUp indexes what has been appended by now.
func (s *Store) bringUp(ctx context.Context, d *dataset, x *secondary) error {
	last := s.lastOf(d)
	if x.upTo.Load() >= last {
		return nil
	}
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.advance(ctx.Err, d, x, last)
}

// advance indexes up to last, a slice at a time; the caller has the turn.
func (s *Store) advance(stop func() error, d *dataset, x *secondary, last int64) error {
	b := newIndexBuild(s, d, x, stop)
	for x.upTo.Load() < last {
		if err := stop(); err != nil {
			return err
		}
		if err := b.slice(last); err != nil {
			return fmt.Errorf("index %q of dataset %q: %w", x.name, d.name, err)
		}
	}
	return nil
}

// kickIndexer tells the indexer which datasets have new versions.
func (s *Store) kickIndexer(sections []*openSection) {
	s.behind.Lock()
	for _, sec := range sections {
		d := s.datasets[sec.d.name]
		if d == nil || d.id != sec.d.id || !d.indexed.Load() {
			continue // or what a dataset of the same name had before would be taken for its
		}
		d.hints.add(sec.hints)
		s.behind.set[d] = true
	}
	s.behind.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// indexPause is how long the indexer lets versions gather: many at once cost
// less. Whoever reads an index does not wait for it.
const indexPause = 100 * time.Millisecond

// runIndexer brings indexes up to date after each group, until the store
// closes. Whoever reads an index meets the errors that are passed over here.
func (s *Store) runIndexer() {
	defer close(s.indexerDone)
	for {
		select {
		case <-s.life.stop:
			return
		case <-s.kick:
			select {
			case <-s.life.stop:
				return
			case <-time.After(indexPause):
			}
			s.advanceAll()
		}
	}
}

func (s *Store) advanceAll() {
	s.behind.Lock()
	all := slices.Collect(maps.Keys(s.behind.set))
	clear(s.behind.set)
	s.behind.Unlock()
	for _, d := range all {
		for _, x := range d.allIndexes() {
			s.advanceOne(d, x)
		}
	}
}

func (d *dataset) allIndexes() []*secondary {
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	list := make([]*secondary, 0, len(d.indexes))
	for _, x := range d.indexes {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b *secondary) int { return int(a.id) - int(b.id) })
	return list
}

func (s *Store) advanceOne(d *dataset, x *secondary) {
	last := s.lastOf(d)
	if x.upTo.Load() >= last {
		return
	}
	select {
	case x.turn <- struct{}{}:
		_ = s.advance(s.stopped, d, x, last)
		<-x.turn
	default: // a reader is at it
	}
}

func (s *Store) stopped() error {
	select {
	case <-s.life.stop:
		return store.ErrClosed
	default:
		return nil
	}
}
