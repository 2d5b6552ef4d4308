package local

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTogether lets writers, readers, finders and one who drops and makes
// datasets meet. A reader never sees a batch in part: each one keeps the
// entities of its dataset equal.
func TestTogether(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 64 << 10})
	for _, n := range []string{"kept", "dropped"} {
		if _, err := s.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var done atomic.Bool
	for g := range 3 {
		wg.Go(func() {
			defer done.Store(true)
			for i := range 60 {
				together(t, s, "kept", g*1000+i)
				together(t, s, "dropped", g*1000+i)
			}
		})
	}
	wg.Go(func() {
		for !done.Load() {
			if err := s.Drop(t.Context(), "dropped"); err != nil {
				t.Error(err)
			}
			if _, err := s.Create(t.Context(), "dropped"); err != nil && !errors.Is(err, store.ErrNoDataset) {
				t.Error(err)
			}
		}
	})
	for _, name := range []string{"kept", "dropped"} {
		wg.Go(func() {
			for !done.Load() {
				look(t, s, name)
			}
		})
	}
	wg.Wait()
	info, err := s.Info(t.Context(), "kept")
	if err != nil || info.Live != 5 || info.Versions != 5*180 {
		t.Errorf("%+v %v", info, err)
	}
}

// together writes the same number to five ids at once.
func together(t *testing.T, s *Store, dataset string, n int) {
	var ops []store.Op
	for id := range 5 {
		ops = append(ops, storetest.Puts(t, fmt.Sprintf(`{"_id":"%d","k":"%d","n":%d}`, id, n%3, n))...)
	}
	_, err := storetest.Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: ops}}})
	if err != nil && !(dataset == "dropped" && errors.Is(err, store.ErrNoDataset)) {
		t.Error(err)
	}
}

func look(t *testing.T, s *Store, dataset string) {
	gone := func(err error) bool {
		return dataset == "dropped" && (errors.Is(err, store.ErrNoDataset) || errors.Is(err, store.ErrNoIndex))
	}
	page, err := s.Read(t.Context(), dataset, store.Query{Since: store.Start}, entity.NewArena())
	if err != nil && !gone(err) {
		t.Error(err)
	}
	allEqual(t, page.Entities)
	if err = s.EnsureIndex(t.Context(), dataset, storetest.ByKey()); err == nil {
		var found []entity.Value
		err = s.Find(t.Context(), dataset, "k", [][]byte{[]byte("0"), []byte("1"), []byte("2")}, nil, func(_ int, e entity.Value) bool {
			found = append(found, e)
			return true
		})
		if err == nil { // what comes before an error is not the whole
			allEqual(t, found)
		}
	}
	if err != nil && !gone(err) {
		t.Error(err)
	}
}

func allEqual(t *testing.T, list []entity.Value) {
	if len(list) != 0 && len(list) != 5 {
		t.Errorf("%d of 5 entities", len(list))
	}
	for _, e := range list {
		a, _ := e.Get("n")
		b, _ := list[0].Get("n")
		if a.String() != b.String() {
			t.Errorf("half a batch: %s and %s", a, b)
		}
	}
}

// TestGroupsShareASync counts syncs while many wait.
func TestGroupsShareASync(t *testing.T) {
	fsys := &countingFS{FS: newMemFS(), gate: make(chan struct{})}
	s := open(t, "data", Options{FS: fsys, IndexFS: vfs.NewMem()})
	if _, err := s.Create(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	fsys.syncs.Store(0)
	fsys.closed.Store(true)
	var waits []store.Pending
	for i := range 50 {
		p, err := s.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: "d",
			Ops: storetest.Puts(t, fmt.Sprintf(`{"_id":"%d"}`, i))}}})
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, p)
	}
	fsys.closed.Store(false)
	close(fsys.gate)
	for _, p := range waits {
		if r, err := p.Wait(t.Context()); err != nil || r.Changed != 1 {
			t.Fatal(r, err)
		}
	}
	// Two, unless the machine held up the sync before: then the store has more overlap.
	if n := fsys.syncs.Load(); n > mostFlights+1 {
		t.Errorf("%d syncs for 50 batches that waited together", n)
	}
}
