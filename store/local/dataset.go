package local

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// dataset is one generation of a dataset. Its number is never used again.
type dataset struct {
	id   uint32
	name string
	gen  [16]byte

	// Guarded by Store.mu; only the writer changes them.
	counts
	replaced *bitset // nil until somebody reads latest versions only
	gone     *bitset // what compaction removed; loaded together with replaced
	dropped  bool
	cached   bool // the writer's: all ids are in the cache

	ixMu    sync.Mutex
	indexes map[string]*secondary
}

// secondary is an index that this process keeps up to date.
type secondary struct {
	id   uint32
	name string
	keys func(e entityValue, emit func([]byte))
	turn chan struct{} // held by whoever brings it up to date
	upTo atomic.Int64  // last offset indexed
}

func newDataset(id uint32, name string, gen [16]byte) *dataset {
	return &dataset{id: id, name: name, gen: gen, counts: counts{last: int64(store.Start)}}
}

func (s *Store) infoOf(d *dataset) store.Info {
	return store.Info{
		Name:       d.name,
		Generation: formatUUID(s.generation(d.gen)),
		Populated:  d.populated,
		Last:       store.Offset(d.last),
		Versions:   d.versions,
		Live:       d.live,
		Deleted:    d.deleted,
		Bytes:      d.size,
	}
}

// count takes a version into the numbers.
func (c *counts) count(r *record) {
	c.last = r.offset
	c.versions++
	switch {
	case r.prev < 0:
	case r.prevDead:
		c.deleted--
	default:
		c.live--
	}
	if r.deleted {
		c.deleted++
	} else {
		c.live++
	}
}

// loadReplaced reads which versions of the dataset have been replaced. The
// writer is held up meanwhile, so that none of its changes is missed.
func (s *Store) loadReplaced(d *dataset) error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	s.mu.RLock()
	done := d.replaced != nil
	s.mu.RUnlock()
	if done {
		return nil
	}
	set := &bitset{}
	err := each(s.db, dsKey(nil, keyReplaced, d.id), func(key, _ []byte) error {
		set.set(offsetOf(key))
		return nil
	})
	var holes []hole
	if err == nil {
		holes, err = s.loadHoles(d)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	d.replaced, d.gone = set, &bitset{}
	d.setHoles(holes)
	s.mu.Unlock()
	return nil
}

// loadDatasets fills the table of datasets from the index.
func (s *Store) loadDatasets(r pebble.Reader) error {
	return each(r, []byte{keyDataset}, func(key, b []byte) error {
		d, ok := parseDataset(b)
		if !ok {
			return s.indexDamaged("a dataset")
		}
		d.id = numberOf(key)
		s.datasets[d.name] = d
		s.byID[d.id] = d
		return nil
	})
}
