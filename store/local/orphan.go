package local

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
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
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	e := &effects{batch: s.db.NewBatch()}
	defer e.batch.Close()
	prefix := dsKey(nil, keyIndex, d.id)
	err := each(s.db, prefix, func(key, row []byte) error {
		if d.indexes[string(key[len(prefix):])] != nil {
			return nil
		}
		id, _, ok := parseIndexRow(row)
		if !ok {
			return s.indexDamaged("an index")
		}
		if err := e.batch.Delete(key, nil); err != nil {
			return err
		}
		return e.deleteIndex(id)
	})
	if err != nil || e.batch.Empty() {
		return err
	}
	d.named, d.names = false, nil
	return e.batch.Commit(pebble.NoSync)
}
