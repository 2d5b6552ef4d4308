package local

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// fullVFS is a file system for the index that can be full.
type fullVFS struct {
	vfs.FS
	full *atomic.Bool
}

func (f fullVFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.full.Load() {
		return nil, syscall.ENOSPC
	}
	file, err := f.FS.Create(name, c)
	return fullFile{file, f.full}, err
}

type fullFile struct {
	vfs.File
	full *atomic.Bool
}

func (f fullFile) Write(p []byte) (int, error) {
	if f.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// TestFullDiskAtTheStart opens a store on a disk that has no room at all: it can be
// read. Without the file that keeps some room it says that there is none, and does not
// wait.
func TestFullDiskAtTheStart(t *testing.T) {
	for _, reserved := range []bool{true, false} {
		log := newCrashFS(rand.New(rand.NewPCG(1, 1)))
		var full atomic.Bool
		index := fullVFS{vfs.NewMem(), &full}
		s := open(t, "data", Options{FS: log, IndexFS: index})
		m := fill(t, s, 7, 10)
		close1(t, s, nil)
		full.Store(true)
		log.fill(1 << 30)
		log.onRemove(reserveName, func() {
			if reserved {
				full.Store(false)
				log.full = 0 // it is locked
			}
		})
		s, err := Open("data", Options{FS: log, IndexFS: index})
		if !reserved {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Check(t, s)
		close1(t, s, nil)
	}
}

// TestFullDiskUnderTheIndex lets the index run out of room while it writes its
// memory out: readers go on, and either room comes back or the store closes.
func TestFullDiskUnderTheIndex(t *testing.T) {
	for _, roomReturns := range []bool{true, false} {
		log := newCrashFS(rand.New(rand.NewPCG(1, 1)))
		var full atomic.Bool
		index := fullVFS{vfs.NewMem(), &full}
		s := open(t, "data", Options{FS: log, IndexFS: index})
		m := fill(t, s, 7, 10)
		log.fill(1 << 30)
		full.Store(true)
		flushed, err := s.db.AsyncFlush()
		if err != nil {
			t.Fatal(err)
		}
		for !s.reserve.full.Load() {
			storetest.Dump(t, s)
		}
		if got := storetest.Dump(t, s); got != m.Dump() {
			t.Error(firstDifference(got, m.Dump()))
		}
		if roomReturns {
			log.fill(0)
			full.Store(false)
			<-flushed
			storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"after"}`)...)
			m.Apply(&store.Batch{Writes: []store.Write{{Dataset: "a", Ops: storetest.Puts(t, `{"_id":"after"}`)}}})
			close1(t, s, nil)
		} else {
			// What the reserve gave back is room again.
			log.onRemove(reserveName, func() { full.Store(false) })
			close1(t, s, nil)
			log.fill(0)
		}
		m.Check(t, open(t, "data", Options{FS: log, IndexFS: index}))
	}
}
