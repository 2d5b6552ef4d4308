package local

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// lateFS is a file system in memory whose flushes take time and are counted.
type lateFS struct {
	FS
	late    time.Duration
	flushes *atomic.Int64
}

func (f lateFS) Open(name string) (File, error) {
	file, err := f.FS.Open(name)
	return lateFile{file, f}, err
}

type lateFile struct {
	File
	fs lateFS
}

func (f lateFile) Sync() error {
	time.Sleep(f.fs.late)
	f.fs.flushes.Add(1)
	return f.File.Sync()
}

// TestPace has callers who come again some time after they were answered, and
// counts the flushes that 20 rounds of 32 callers take.
func TestPace(t *testing.T) {
	tests := map[string]struct {
		flush, thinks time.Duration
		min, max      int64
	}{
		"all come again in less than a flush": {2 * time.Millisecond, 500 * time.Microsecond, 20, 22},
		"they take longer than a flush":       {2 * time.Millisecond, 5 * time.Millisecond, 70, 80},
		"quick flushes are not waited for":    {100 * time.Microsecond, 50 * time.Microsecond, 20, 42},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var flushes atomic.Int64
				s, err := Open("data", Options{FS: lateFS{newMemFS(), test.flush, &flushes}, IndexFS: vfs.NewMem()})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if _, err := s.Create(t.Context(), "d"); err != nil {
					t.Fatal(err)
				}
				flushes.Store(0)
				var all sync.WaitGroup
				for caller := range 32 {
					all.Go(func() {
						time.Sleep(time.Duration(caller%2) * test.flush / 2) // two groups
						for n := range 20 {
							time.Sleep(test.thinks)
							p, err := s.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: []store.Op{{Entity: entity.NewDict(entity.Member{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("%d-%d", caller, n))})}}}}})
							if err == nil {
								_, err = p.Wait(t.Context())
							}
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
				if n := flushes.Load(); n < test.min || n > test.max {
					t.Errorf("%d flushes, want %d to %d", n, test.min, test.max)
				}
			})
		})
	}
}
