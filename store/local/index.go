package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/store"
)

const (
	// indexMemTable holds what 128 MiB of log come to in the index: the more goes to
	// the disk at once, the less has to be merged there.
	indexMemTable = 32 << 20
	// indexReserve is what Pebble takes of its cache for the table it fills and
	// the one it keeps to fill next; without it nothing would be left for blocks.
	indexReserve = 2 * indexMemTable
	// flushEvery bounds what must be replayed after a crash, in bytes of log.
	flushEvery = 128 << 20
)

// quiet keeps Pebble's chatter out of our logs. What it calls fatal stays so.
type quiet struct{ pebble.Logger }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// errIndex marks that the index is damaged: it must be made anew.
var errIndex = errors.New("the index is damaged and will be rebuilt when the store is opened anew")

// rebuildName is a file whose presence tells the next start to make the index
// anew.
const rebuildName = "REBUILD"

// openIndex opens the Pebble database. It has no log of its own: after a crash
// it holds a prefix of what was applied, and the segments tell the rest.
func (s *Store) openIndex() (err error) {
	cache := pebble.NewCache(s.o.CacheBytes + indexReserve)
	defer cache.Unref()
	o := &pebble.Options{
		FS:                          vfs.OnDiskFull(s.o.IndexFS, s.reserve.wait),
		Cache:                       cache,
		DisableWAL:                  true,
		MemTableSize:                indexMemTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       8,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      quiet{pebble.DefaultLogger},
		EventListener:               &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) { s.condemnIndex() }},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	if s.o.InMemory {
		// The one that is usual looks ten times a second whether more may be merged, for
		// the sake of merging that takes long: days of a fake clock are full of it.
		o.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	}
	return s.reserve.open(func() error {
		s.db, err = pebble.Open(s.indexPath(), o)
		return err
	})
}

func (s *Store) indexPath() string {
	if s.indexCopy != "" {
		return s.indexCopy
	}
	return filepath.Join(s.dir, indexDir)
}

// condemnIndex has the next start make the index anew.
func (s *Store) condemnIndex() {
	if s.condemned.CompareAndSwap(false, true) {
		_ = writeWhole(s.o.FS, s.dir, rebuildName, nil)
	}
}

// loadIndex opens the index and what it knows. One that is condemned, does not
// open or cannot be read is replaced by an empty one, which the log then fills.
func (s *Store) loadIndex() error {
	err := s.openCondemned()
	if err == nil {
		if err = s.openIndex(); err == nil {
			err = s.loadTables()
		}
	}
	if err == nil || !replaceable(err) {
		return err
	}
	if again := s.replaceIndex(); again != nil {
		return fmt.Errorf("the index in %s cannot be made anew: %w", s.indexPath(), errors.Join(again, err))
	}
	return nil
}

// openCondemned returns errIndex if an earlier life condemned the index.
func (s *Store) openCondemned() error {
	f, err := s.o.FS.Open(filepath.Join(s.dir, rebuildName))
	if err != nil {
		return nil
	}
	return errors.Join(errIndex, f.Close())
}

// replaceable tells whether an index that does not open is damaged; lack of
// room or of rights is no damage.
func replaceable(err error) bool {
	return !errors.Is(err, fs.ErrPermission) && !errors.Is(spaceError(err), store.ErrFull)
}

func (s *Store) replaceIndex() error {
	if s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
	if err := s.o.IndexFS.RemoveAll(s.indexPath()); err != nil {
		return err
	}
	clear(s.datasets)
	clear(s.byID)
	s.meta = meta{}
	if err := s.openIndex(); err != nil {
		return err
	}
	s.condemned.Store(false)
	if s.openCondemned() != nil {
		if err := s.o.FS.Remove(filepath.Join(s.dir, rebuildName)); err != nil {
			return err
		}
	}
	return s.loadTables()
}

// loadTables reads what is kept in memory.
func (s *Store) loadTables() error {
	_, err := value(s.db, metaKey(), func(b []byte) (ok bool) {
		s.meta, ok = parseMeta(b)
		return ok
	})
	if err == nil {
		err = s.settleFiles()
	}
	if err == nil {
		err = s.loadDatasets(s.db)
	}
	if err == nil {
		err = s.loadNextIndex()
	}
	return err
}

// indexError tells damage of the index from other trouble with it.
func indexError(err error) error {
	if err == nil || !pebble.IsCorruptionError(err) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %w: %w", store.ErrCorrupt, errIndex, err)
}

// value hands the value of key to parse; false if there is none.
func value(r pebble.Reader, key []byte, parse func([]byte) bool) (bool, error) {
	b, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, indexError(err)
	}
	ok := parse(b)
	if err := closer.Close(); err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("%w: %w", store.ErrCorrupt, errIndex)
	}
	return true, nil
}

// errEnough ends each; whoever asked for it gets it back.
var errEnough = errors.New("that is enough")

// each calls row for all keys with the prefix.
func each(r pebble.Reader, prefix []byte, row func(key, value []byte) error) error {
	return eachFrom(r, prefix, prefix, row)
}

// eachFrom is each from a key on.
func eachFrom(r pebble.Reader, prefix, from []byte, row func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: after(prefix)})
	if err != nil {
		return indexError(err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = row(it.Key(), it.Value())
	}
	return errors.Join(err, indexError(it.Error()), it.Close())
}
