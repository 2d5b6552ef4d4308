package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// heldFS hands the syncs of the log to the test, while it is held.
type heldFS struct {
	FS
	held  atomic.Bool
	syncs chan heldSync
}

type heldSync struct {
	by  File
	end chan error
}

func (h *heldFS) Open(name string) (File, error) {
	f, err := h.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return &heldFile{f, h}, nil
}

type heldFile struct {
	File
	fs *heldFS
}

func (f *heldFile) Sync() error {
	if !f.fs.held.Load() {
		return f.File.Sync()
	}
	s := heldSync{f, make(chan error)}
	f.fs.syncs <- s
	return <-s.end
}

// overlapped is a store of which two groups are on their way, one after the other.
type overlapped struct {
	dir     string
	fs      *heldFS
	s       *Store
	m       *storetest.Model // before them
	batches [2]*store.Batch
	pending [2]store.Pending
	syncs   [2]heldSync
	start   position
}

func overlap(t *testing.T) *overlapped {
	x := &overlapped{dir: t.TempDir(), fs: &heldFS{FS: osFS{}, syncs: make(chan heldSync)}, m: storetest.NewModel()}
	x.s = open(t, x.dir, Options{FS: x.fs, overlap: true})
	if err := errors.Join(create(t, x.s, "a"), x.s.EnsureIndex(t.Context(), "a", storetest.ByKey())); err != nil {
		t.Fatal(err)
	}
	x.m.Datasets["a"] = &storetest.ModelDataset{}
	x.commit(t, ops(storetest.Puts(t, `{"_id":"x","k":"1"}`, `{"_id":"z","k":"1"}`)...))
	x.start = x.end(t)
	x.fs.held.Store(true)
	x.batches[0] = ops(storetest.Puts(t, `{"_id":"x","k":"2"}`, `{"_id":"y","k":"1"}`)...)
	x.batches[0].State = []store.StateWrite{{Key: "s", Value: []byte("1")}}
	x.batches[1] = ops(append(storetest.Puts(t, `{"_id":"y","k":"3"}`, `{"_id":"z","k":"1"}`), store.Op{Kind: store.Delete, ID: "x"})...)
	x.batches[1].State = []store.StateWrite{{Key: "s", Value: []byte("2"), IfRev: store.AnyRev}}
	for i := range x.batches {
		x.pending[i] = x.append(t, x.batches[i])
		x.syncs[i] = <-x.fs.syncs
	}
	return x
}

func create(t *testing.T, s *Store, name string) error {
	_, err := s.Create(t.Context(), name)
	return err
}

func ops(list ...store.Op) *store.Batch {
	return &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: list}}}
}

func (x *overlapped) append(t *testing.T, b *store.Batch) store.Pending {
	t.Helper()
	p, err := x.s.Append(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (x *overlapped) commit(t *testing.T, b *store.Batch) {
	t.Helper()
	if _, err := x.append(t, b).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.m.Apply(b)
}

// end returns where the log ends.
func (x *overlapped) end(t *testing.T) (at position) {
	if err := x.s.inWriter(t.Context(), func() error { at = x.s.log.end; return nil }); err != nil {
		t.Fatal(err)
	}
	return at
}

func (x *overlapped) finish(t *testing.T, errs ...error) {
	for i, err := range errs {
		x.syncs[i].end <- err
	}
}

// check compares the store with the model, and once more with its index lost.
func (x *overlapped) check(t *testing.T) {
	t.Helper()
	x.m.Check(t, x.s)
	close1(t, x.s, nil)
	if err := os.RemoveAll(filepath.Join(x.dir, indexDir)); err != nil {
		t.Fatal(err)
	}
	x.m.Check(t, open(t, x.dir, Options{}))
}

// TestOverlap has a batch decided upon and written that rests on one which is not
// yet on the disk: it is acknowledged after that one, whichever comes first.
func TestOverlap(t *testing.T) {
	x := overlap(t)
	if x.syncs[0].by == x.syncs[1].by {
		t.Error("two syncs have one handle, which hears of a failure only once")
	}
	x.m.Check(t, x.s)
	refused := x.append(t, &store.Batch{State: []store.StateWrite{{Key: "s", Value: []byte("3")}}})
	if _, err := refused.Wait(t.Context()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a state that is on its way was made anew: %v", err)
	}
	x.syncs[1].end <- nil
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.pending[1].Wait(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("acknowledged before what it rests on: %v", err)
	}
	x.syncs[0].end <- nil
	for i, p := range x.pending {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		x.m.Apply(x.batches[i])
	}
	x.fs.held.Store(false)
	x.commit(t, ops(storetest.Puts(t, `{"_id":"x","k":"1"}`)...))
	x.check(t)
}

// TestOverlapFails has the first of as many groups as may be on their way not come to
// the disk: the others are given up with it, and so is what was gathered since.
func TestOverlapFails(t *testing.T) {
	for name, errs := range map[string][2]error{"first": {errors.New("no"), nil}, "both": {errors.New("no"), errors.New("no")}} {
		t.Run(name, func(t *testing.T) {
			x := overlap(t)
			pending, handles := x.pending[:], map[File]bool{x.syncs[0].by: true, x.syncs[1].by: true}
			var more []heldSync
			for i := 2; i <= mostFlights; i++ {
				pending = append(pending, x.append(t, ops(storetest.Puts(t, fmt.Sprintf(`{"_id":"y","k":"%d"}`, 2+i))...)))
				if i < mostFlights {
					more = append(more, <-x.fs.syncs)
					handles[more[i-2].by] = true
				}
			}
			if len(handles) != mostFlights {
				t.Errorf("%d handles for %d syncs", len(handles), mostFlights)
			}
			for len(x.s.queue) > 0 { // until the writer has the last one
				runtime.Gosched()
			}
			go func() {
				x.finish(t, errs[:]...)
				for _, s := range more {
					s.end <- nil
				}
			}()
			cut := <-x.fs.syncs
			x.fs.held.Store(false)
			cut.end <- nil
			for _, p := range pending {
				if _, err := p.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "no") {
					t.Errorf("got %v", err)
				}
			}
			x.m.Check(t, x.s)
			x.commit(t, ops(storetest.Puts(t, `{"_id":"y","k":"5"}`)...))
			x.check(t)
		})
	}
}

// TestSecondFails has the first of two groups come to the disk and the second not.
func TestSecondFails(t *testing.T) {
	x := overlap(t)
	go x.finish(t, nil, errors.New("no"))
	cut := <-x.fs.syncs
	x.fs.held.Store(false)
	cut.end <- nil
	if _, err := x.pending[0].Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := x.pending[1].Wait(t.Context()); err == nil {
		t.Error("the second was acknowledged")
	}
	x.m.Apply(x.batches[0])
	x.check(t)
}

// TestOverlapBroken has the first of two frames broken and the second whole: that is
// how a crash may look, unless a frame says that the first had been synced.
func TestOverlapBroken(t *testing.T) {
	x := overlap(t)
	before := x.m.Dump()
	dir := x.broken(t)
	told := ""
	tell := func(problem string) { told += problem }
	if _, err := Check(t.Context(), dir, tell); err != nil || strings.Contains(told, "frame") {
		t.Errorf("%q, %v", told, err)
	}
	s := open(t, dir, Options{})
	if got := storetest.Dump(t, s); got != before {
		t.Error(firstDifference(got, before))
	}
	close1(t, s, nil)

	x.finish(t, nil, nil)
	x.fs.held.Store(false)
	for _, p := range x.pending { // or the next frame might be laid before both are known to be synced
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	x.commit(t, ops(storetest.Puts(t, `{"_id":"x","k":"1"}`)...))
	dir = x.broken(t)
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
	if _, err := Check(t.Context(), dir, tell); err != nil || !strings.Contains(told, "a damaged frame") {
		t.Errorf("%q, %v", told, err)
	}
}

// broken copies the store's folder, without its index, and breaks the first of the
// two frames.
func (x *overlapped) broken(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, logDir), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{formatName, filepath.Join(logDir, segmentName(x.start.seg))} {
		b, err := os.ReadFile(filepath.Join(x.dir, name))
		if name != formatName {
			b[x.start.pos+frameHeadSize+1] ^= 1
		}
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b, 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFormerFormat opens a folder of the version before: what it holds is the same,
// and an older sluice refuses it from then on.
func TestFormerFormat(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	m := fill(t, s, 6, 10)
	close1(t, s, nil)
	name := filepath.Join(dir, formatName)
	text, err := os.ReadFile(name)
	former := strings.Replace(string(text), "sluice-store 3", "sluice-store 2", 1)
	if err = errors.Join(err, os.WriteFile(name, []byte(former), 0o640)); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{ReadOnly: true}, {}} {
		s = open(t, dir, o)
		if got := storetest.Dump(t, s); got != m.Dump() {
			t.Error(firstDifference(got, m.Dump()))
		}
		close1(t, s, nil)
		if now, _ := os.ReadFile(name); string(now) == former != o.ReadOnly {
			t.Errorf("%+v leaves %q", o, now)
		}
	}
}
