package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// orphanAge is how long nobody may ask for an index, since the store was opened,
// before compaction takes it for one whose pipe is gone. It would hold back all
// that came after it; who does ask for it later has it made anew.
const orphanAge = 24 * time.Hour

// dropOrphans removes the indexes of a dataset that nobody asks for any more.
func (s *Store) dropOrphans(d *dataset) error {
	if s.o.Clock().Sub(s.opened) < orphanAge {
		return nil
	}
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	all, err := s.indexesLocked(d)
	if err != nil {
		return err
	}
	return s.dropIndexesLocked(d, slices.DeleteFunc(all, func(x store.IndexInfo) bool { return x.InUse }))
}

// Indexes implements store.Indexed.
func (s *Store) Indexes(_ context.Context, name string) ([]store.IndexInfo, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return nil, err
	}
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	return s.indexesLocked(d)
}

// DropIndex implements store.Indexed.
func (s *Store) DropIndex(_ context.Context, name string, number uint32) error {
	if s.o.ReadOnly {
		return errReadOnly
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	d, err := s.dataset(name)
	if err != nil {
		return err
	}
	d.ixMu.Lock()
	defer d.ixMu.Unlock()
	all, err := s.indexesLocked(d)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(x store.IndexInfo) bool { return x.Number == number })
	switch {
	case i < 0:
		return fmt.Errorf("%w: number %d of dataset %q", store.ErrNoIndex, number, name)
	case all[i].InUse:
		return fmt.Errorf("%w: %s of dataset %q", store.ErrInUse, all[i].Name, name)
	}
	return s.dropIndexesLocked(d, all[i:i+1])
}

func (s *Store) indexesLocked(d *dataset) (all []store.IndexInfo, err error) {
	prefix := dsKey(nil, keyIndex, d.id)
	err = each(s.db, prefix, func(key, row []byte) error {
		id, upTo, ok := parseIndexRow(row)
		if !ok {
			return s.indexDamaged("an index")
		}
		name := string(key[len(prefix):])
		all = append(all, store.IndexInfo{Number: id, Name: name, UpTo: store.Offset(upTo), InUse: d.indexes[name] != nil})
		return nil
	})
	slices.SortFunc(all, func(a, b store.IndexInfo) int { return cmp.Compare(a.Number, b.Number) })
	return all, err
}

// dropIndexesLocked removes indexes that nobody uses, with all their rows.
func (s *Store) dropIndexesLocked(d *dataset, gone []store.IndexInfo) error {
	if len(gone) == 0 {
		return nil
	}
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	e := &effects{batch: s.db.NewBatch()}
	defer e.batch.Close()
	for _, x := range gone {
		if err := e.batch.Delete(indexKey(d.id, x.Name), nil); err != nil {
			return err
		}
		if err := e.deleteIndex(x.Number); err != nil {
			return err
		}
	}
	d.named, d.names = false, nil
	return e.batch.Commit(pebble.NoSync)
}
