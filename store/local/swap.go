package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store"
)

// errRevived is an id that was to be purged and has a new version since.
var errRevived = errors.New("an id that was to be purged has changed")

// inWriter has the writer do something between two groups.
func (s *Store) inWriter(ctx context.Context, task func() error) error {
	done := make(chan error, 1)
	select {
	case s.tasks <- func() { done <- task() }:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// swap puts the new file in the place of the old one. The writer does it: no
// batch is decided upon what is about to change. The name of the new file is
// what counts if the index is lost; the index, if it is not. So the name is
// durable before the index knows, and the index before the next batch.
func (s *Store) swap(w *rewrite) error {
	if s.failed != nil {
		return s.failed
	}
	if err := s.stillPurged(w.change.purged); err != nil {
		return err
	}
	f, err := s.nameDraft(w)
	if err != nil {
		return err
	}
	s.log.mu.Lock()
	s.log.segments[w.new] = f
	s.log.mu.Unlock()
	if err := s.takeIn(w); err != nil {
		s.failed = fmt.Errorf("the store takes no writes until it is opened anew: %w", err)
		return s.failed
	}
	return s.retire(w)
}

func (s *Store) stillPurged(list []purgedID) error {
	for _, p := range list {
		d := s.byID[p.ds]
		if d == nil {
			continue
		}
		l, ok, err := s.newest(d, p.id)
		if err != nil {
			return err
		}
		if !ok || l.offset != p.offset {
			return errRevived
		}
	}
	return nil
}

// nameDraft gives the draft its name. If that cannot be made durable it is
// taken back; if that cannot either, nobody knows which file a restart finds.
func (s *Store) nameDraft(w *rewrite) (File, error) {
	fs, name := s.log.fs, s.log.path(w.new)
	err := fs.Rename(w.draft(), name)
	if err != nil {
		return nil, err
	}
	f, err := fs.Open(name)
	if err == nil {
		if err = fs.SyncDir(s.log.dir); err == nil {
			return f, nil
		}
		err = errors.Join(err, f.Close())
	}
	again := fs.Remove(name)
	if again == nil {
		again = fs.SyncDir(s.log.dir)
	}
	if again != nil {
		s.failed = fmt.Errorf("the store takes no writes until it is opened anew: %w", errors.Join(err, again))
	}
	return nil, err
}

// takeIn changes the index and what readers skip. Readers hear first: they must
// not miss a version that they do not know to be removed.
func (s *Store) takeIn(w *rewrite) error {
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if err := s.spill(); err != nil {
		return err
	}
	e := &effects{batch: s.db.NewBatch()}
	defer e.batch.Close()
	s.tellHoles(w)
	if err := s.gatherChange(e, w); err != nil {
		return err
	}
	// Nobody must want to go on reading in the old file.
	if err := e.batch.Set(metaKey(), s.meta.append(nil), nil); err != nil {
		return err
	}
	if err := e.batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	for _, p := range w.change.purged {
		s.table.forget(s.table.keyOf(p.ds, p.id))
	}
	return s.db.Flush()
}

func (s *Store) tellHoles(w *rewrite) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ds, n := range w.change.versions {
		if d := s.byID[ds]; d != nil {
			d.versions -= n
		}
	}
	for ds, n := range w.change.size {
		if d := s.byID[ds]; d != nil {
			d.size += n
		}
	}
	for _, p := range w.change.purged {
		if d := s.byID[p.ds]; d != nil && p.deleted {
			d.deleted--
		} else if d != nil {
			d.live--
		}
	}
	for _, h := range w.change.newHoles {
		if d := s.byID[h.ds]; d != nil {
			d.setHoles([]hole{h})
		}
	}
}

// gatherChange is what the new file changes in the index.
func (s *Store) gatherChange(e *effects, w *rewrite) error {
	err := e.batch.Set(fileKey(w.place), fileRow(w.new), nil)
	for _, x := range w.change.oldSections {
		if s.byID[x.ds] != nil {
			err = errors.Join(err, e.batch.Delete(offsetKey(nil, keySection, x.ds, x.first), nil))
		}
	}
	for _, x := range w.change.newSections {
		if s.byID[x.ds] != nil {
			err = errors.Join(err, e.batch.Set(offsetKey(nil, keySection, x.ds, x.first), appendSectionRow(nil, &x.section), nil))
		}
	}
	for _, h := range w.change.oldHoles {
		err = errors.Join(err, e.batch.Delete(offsetKey(nil, keyHole, h.ds, h.first), nil))
	}
	for _, h := range w.change.newHoles {
		if s.byID[h.ds] != nil {
			err = errors.Join(err, e.setHole(h))
		}
	}
	for _, p := range w.change.purged {
		err = errors.Join(err, e.batch.Delete(latestKey(nil, p.ds, p.id), nil))
	}
	for ds := range w.change.size {
		if d := s.byID[ds]; d != nil {
			err = errors.Join(err, e.batch.Set(dsKey(nil, keyDataset, ds), appendDataset(nil, d, &d.counts), nil))
		}
	}
	return err
}

// retire gives back the room of the old file. Should it stay, the next start
// removes it.
func (s *Store) retire(w *rewrite) error {
	s.log.mu.Lock()
	old := s.log.segments[w.old]
	s.log.current[w.place] = w.new
	delete(s.log.segments, w.old)
	s.log.mu.Unlock()
	err := old.Close()
	if gone := s.log.fs.Remove(s.log.path(w.old)); gone != nil {
		err = errors.Join(err, gone)
	} else {
		err = errors.Join(err, s.log.fs.SyncDir(s.log.dir))
	}
	return err
}

// sealLog ends the last file, if anything is in it.
func (s *Store) sealLog() error {
	if s.failed != nil {
		return s.failed
	}
	if err := s.log.repair(); err != nil {
		return err
	}
	if s.log.end.pos == segmentHeadSize {
		return nil
	}
	return s.log.rotate()
}

var errBusy = fmt.Errorf("a compaction is under way: %w", store.ErrConflict)
