package local

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/store"
)

const (
	indexMemTable = 32 << 20
	// flushEvery bounds what must be replayed after a crash, in bytes of log.
	flushEvery = 64 << 20
)

// quiet keeps Pebble's chatter out of our logs. What it calls fatal stays so.
type quiet struct{ pebble.Logger }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// openIndex opens the Pebble database. It has no log of its own: after a crash
// it holds a prefix of what was applied, and the segments tell the rest.
func openIndex(fsys vfs.FS, dir string, cacheBytes int64) (*pebble.DB, error) {
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	o := &pebble.Options{
		FS:                          fsys,
		Cache:                       cache,
		DisableWAL:                  true,
		MemTableSize:                indexMemTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      quiet{pebble.DefaultLogger},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return pebble.Open(dir, o)
}

// openOrDropIndex opens the index, and makes an empty one in the place of one
// that does not open. Lack of room or of rights is no damage.
func openOrDropIndex(fsys vfs.FS, dir string, cacheBytes int64) (*pebble.DB, error) {
	db, err := openIndex(fsys, dir, cacheBytes)
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(spaceError(err), store.ErrFull) {
		return db, err
	}
	if rm := fsys.RemoveAll(dir); rm != nil {
		return nil, errors.Join(err, rm)
	}
	db, again := openIndex(fsys, dir, cacheBytes)
	if again != nil {
		return nil, fmt.Errorf("the index in %s cannot be made anew: %w", dir, errors.Join(again, err))
	}
	return db, nil
}

// value hands the value of key to parse; false if there is none.
func value(r pebble.Reader, key []byte, parse func([]byte) bool) (bool, error) {
	b, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ok := parse(b)
	if err := closer.Close(); err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("the index has a damaged row; delete the index folder to have it rebuilt: %w", store.ErrCorrupt)
	}
	return true, nil
}

// each calls row for all keys with the prefix.
func each(r pebble.Reader, prefix []byte, row func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = row(it.Key(), it.Value())
	}
	return errors.Join(err, it.Error(), it.Close())
}
