package local

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluiceio/sluice/store/storetest"
)

// growFS counts how often the log is lengthened, and fails to be filled if it is
// told to.
type growFS struct {
	FS
	grown, filled atomic.Int64
	full          bool
}

type aheadFile struct {
	File
	fs *growFS
}

func (g *growFS) Open(name string) (File, error) {
	f, err := g.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, segmentSuffix) {
		return f, err
	}
	return &aheadFile{f, g}, nil
}

func (f *aheadFile) Grow(size int64) error {
	f.fs.grown.Add(1)
	return f.File.Grow(size)
}

func (f *aheadFile) WriteAt(p []byte, at int64) (int, error) {
	if &p[0] != &zeros[0] {
		return f.File.WriteAt(p, at)
	}
	if f.fs.full {
		return 0, io.ErrShortWrite
	}
	f.fs.filled.Add(int64(len(p)))
	return f.File.WriteAt(p, at)
}

// TestFillAhead has frames find room that was filled before they came, but not if
// they are large, and not if it fails, which costs nothing but the saving.
func TestFillAhead(t *testing.T) {
	const step = 16 << 10
	soon := func(work func()) { go work() }
	for _, c := range []struct {
		name   string
		size   int // of an entity
		full   bool
		beside func(func())
		filled bool
	}{
		{name: "small", size: 500, beside: soon, filled: true},
		{name: "in place", size: 500, beside: func(work func()) { work() }, filled: true},
		{name: "three to a step", size: step / 3, beside: soon, filled: true},
		{name: "large", size: 2 * smallFrame, beside: soon},
		{name: "fails", size: 500, full: true, beside: soon},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := &growFS{FS: osFS{}, full: c.full}
			o := Options{FS: fs, step: step, beside: c.beside}
			dir, m := t.TempDir(), storetest.NewModel()
			s := open(t, dir, o)
			if err := create(t, s, "a"); err != nil {
				t.Fatal(err)
			}
			m.Datasets["a"] = &storetest.ModelDataset{}
			for i := range min(200, 2<<20/c.size) {
				text := fmt.Sprintf(`{"_id":"%d","text":"%s"}`, i%150, strings.Repeat(string(rune('a'+i%26)), c.size))
				b := ops(storetest.Puts(t, text)...)
				if _, err := storetest.Commit(t.Context(), s, b); err != nil {
					t.Fatal(err)
				}
				m.Apply(b)
			}
			m.Check(t, s)
			if filled := fs.filled.Load() > 0; filled != c.filled {
				t.Errorf("%d bytes were filled", fs.filled.Load())
			}
			if c.filled && fs.grown.Load() > 1 {
				t.Errorf("grown %d times beside being filled", fs.grown.Load())
			}
			close1(t, s, nil)
			m.Check(t, open(t, dir, o))
		})
	}
}

// TestFillIsCut ends the filling before the file is cut back to its last good end,
// or it would be lengthened again behind the writer's back.
func TestFillIsCut(t *testing.T) {
	var work func()
	x := &wlog{fs: newMemFS(), dir: "log", limit: 1 << 20, step: 1 << 10, segments: map[uint32]File{}, current: map[uint32]uint32{},
		beside: func(w func()) { work = w }}
	if err := x.create(1); err != nil {
		t.Fatal(err)
	}
	frame := func() []byte { return make([]byte, frameHeadSize+600) }
	if _, err := x.lay(frameData, frame()); err != nil || work == nil {
		t.Fatal("nothing is being filled", err)
	}
	a, ended := x.ahead, make(chan struct{})
	go func() {
		for !a.stop.Load() { // until repair has told it to end
			runtime.Gosched()
		}
		work()
		close(ended)
	}()
	if err := x.lost(errors.New("lost")); err == nil {
		t.Fatal("nothing was lost")
	}
	if !a.stop.Load() {
		t.Fatal("the file was cut while it was being filled")
	}
	<-ended
	if size, err := x.segments[1].Size(); err != nil || size != int64(x.end.pos) || x.room != size || x.ahead != nil {
		t.Errorf("the file has %d bytes, the log ends at %d and has room to %d: %v", size, x.end.pos, x.room, err)
	}
}
