package local

import (
	"errors"
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
	replaced *bitset  // nil until somebody reads latest versions only
	gone     *bitset  // what compaction removed; loaded together with replaced
	since    *[]int64 // what has been replaced since the two are being loaded
	dropped  bool

	loading sync.Mutex   // held while replaced and gone are loaded
	slot    uint16       // in the table of newest versions
	known   atomic.Int32 // how much of the dataset is in that table
	misses  atomic.Int32 // ids that were looked for in vain there

	ixMu    sync.Mutex
	indexes map[string]*secondary
	names   []string // of all that are in the index, if named
	named   bool
	indexed atomic.Bool // there are any
	hints   hints
}

// secondary is an index that this process keeps up to date.
type secondary struct {
	id    uint32
	name  string
	needs []string
	keys  func(e entityValue, emit func([]byte))
	turn  chan struct{} // held by whoever brings it up to date
	upTo  atomic.Int64  // last offset indexed
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

// loadReplaced finds out which versions of the dataset have been replaced: those
// that no id has as its newest. The writer goes on meanwhile, and notes what it
// replaces.
func (s *Store) loadReplaced(d *dataset) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	snap, upTo, err := s.beginLoading(d)
	if snap == nil {
		return err
	}
	newest := &bitset{}
	err = each(snap, dsKey(nil, keyLatest, d.id), func(_, row []byte) error {
		l, ok := parseLatest(row)
		if !ok {
			return s.indexDamaged("a latest version")
		}
		newest.set(l.offset)
		return nil
	})
	if err = errors.Join(err, snap.Close()); err == nil {
		newest.invert(upTo)
	}
	return s.endLoading(d, newest, err)
}

// beginLoading returns the index as it is, and the offset up to which it tells
// what was replaced; nil if there is nothing to load.
func (s *Store) beginLoading(d *dataset) (*pebble.Snapshot, int64, error) {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if err := s.spill(); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.replaced != nil {
		return nil, 0, nil
	}
	d.since = &[]int64{}
	return s.db.NewSnapshot(), d.last, nil
}

func (s *Store) endLoading(d *dataset, replaced *bitset, err error) error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	var holes []hole
	if err == nil {
		holes, err = s.loadHoles(d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	since := d.since
	if d.since = nil; err != nil {
		return err
	}
	for _, o := range *since {
		replaced.set(o)
	}
	d.replaced, d.gone = replaced, &bitset{}
	d.setHoles(holes)
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
		s.table.own(d)
		s.datasets[d.name] = d
		s.byID[d.id] = d
		return nil
	})
}
