package local

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// fill writes a history over two datasets and returns the model of it.
func fill(t *testing.T, s *Store, seed uint64, batches int) *storetest.Model {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	m := storetest.NewModel()
	for _, n := range []string{"a", "b", storetest.Copied} {
		if _, err := s.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		m.Datasets[n] = &storetest.ModelDataset{}
	}
	for range batches {
		b := m.Generate(t, r)
		if _, err := storetest.Commit(t.Context(), s, b); err != nil {
			t.Fatal(err)
		}
		m.Apply(b)
	}
	return m
}

func TestIndexIsRebuilt(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 8 << 10}
	s := open(t, dir, o)
	m := fill(t, s, 1, 40)
	m.Check(t, s)
	before, err := s.Datasets(t.Context())
	close1(t, s, err)
	spoil := map[string]func(index string) error{
		"missing": os.RemoveAll,
		"no manifest": func(index string) error {
			return errors.Join(removeAll(index, "MANIFEST-*"), removeAll(index, "marker.manifest*"))
		},
		"damaged manifest": func(index string) error { return overwrite(index, "MANIFEST-*") },
		"tables missing":   func(index string) error { return removeAll(index, "*.sst") },
		"tables damaged":   func(index string) error { return overwrite(index, "*.sst") },
	}
	for name, do := range spoil {
		t.Run(name, func(t *testing.T) {
			if err := do(filepath.Join(dir, indexDir)); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, o)
			m.Check(t, s)
			after, err := s.Datasets(t.Context())
			if err != nil || fmt.Sprint(infoText(before)) != fmt.Sprint(infoText(after)) {
				t.Errorf("%v, before %v (%v)", infoText(after), infoText(before), err)
			}
			close1(t, s, nil)
		})
	}
}

func infoText(list []store.Info) (out []string) {
	for _, i := range list {
		i.Indexes = nil
		out = append(out, fmt.Sprintf("%+v", i))
	}
	return out
}

func close1(t *testing.T, s *Store, err error) {
	t.Helper()
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func removeAll(dir, pattern string) (err error) {
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// overwrite spoils the middle of files.
func overwrite(dir, pattern string) error {
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i := len(b) / 4; i < len(b); i++ {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(name, b, 0o640); err != nil {
			return err
		}
	}
	return nil
}

// TestBitFlips turns single bits of the log and reads everything: each answer
// is right or names the damage, with the index there and with it gone.
func TestBitFlips(t *testing.T) {
	fsys, index := newMemFS(), vfs.NewCrashableMem()
	o := Options{FS: fsys, IndexFS: index, SegmentBytes: 4 << 10, CacheBytes: 1 << 16}
	s := open(t, "data", o)
	m := fill(t, s, 2, 30)
	close1(t, s, nil)
	whole, seed := m.Dump(), rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	found := 0
	for i := range 300 {
		o.FS, o.IndexFS = fsys.flipped(r), index.CrashClone(vfs.CrashCloneCfg{})
		if i%2 == 0 {
			o.IndexFS = vfs.NewMem()
		}
		got, err := dumpWith(t, o)
		switch {
		case err != nil && (!errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), segmentSuffix)):
			t.Fatalf("flip %d: %v", i, err)
		case err != nil:
			found++
		case got != whole:
			t.Fatalf("flip %d: damaged data was served", i)
		}
	}
	if found < 200 {
		t.Errorf("only %d of 300 flips were noticed", found)
	}
}

// flipped returns a copy of the files with one bit of one segment turned.
func (m *memFS) flipped(r *rand.Rand) *memFS {
	c := newMemFS()
	var segments []string
	for n, f := range m.files {
		c.files[n] = &memFile{data: slices.Clone(f.data)}
		if strings.HasSuffix(n, segmentSuffix) {
			segments = append(segments, n)
		}
	}
	slices.Sort(segments)
	data := c.files[segments[r.IntN(len(segments))]].data
	data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	return c
}

// dumpWith opens a store and reads all of it, in the form of Model.Dump.
func dumpWith(t *testing.T, o Options) (string, error) {
	s, err := Open("data", o)
	if err != nil {
		return "", err
	}
	defer s.Close()
	for _, name := range []string{"a", "b", storetest.Copied} {
		q := store.Query{Since: store.Start, History: true, Limit: 1 << 20}
		if _, err := s.Read(t.Context(), name, q, entity.NewArena()); err != nil {
			return "", err
		}
	}
	return storetest.Dump(t, s), nil
}

// TestDamageIsNamed turns a byte of one entity and looks at the message.
func TestDamageIsNamed(t *testing.T) {
	fsys, index := newMemFS(), vfs.NewMem()
	o := Options{FS: fsys, IndexFS: index}
	s := open(t, "data", o)
	storetest.Write(t, s, "orders", storetest.Puts(t, `{"_id":"1","x":"before"}`, `{"_id":"2","x":"target"}`, `{"_id":"3"}`)...)
	data := fsys.files["data/log/"+segmentName(1)].data
	at := strings.Index(string(data), "target")
	data[at] = 'T'
	_, err := s.Get(t.Context(), "orders", []string{"1", "3"}, nil)
	if err != nil {
		t.Errorf("sound entities: %v", err)
	}
	_, get := s.Get(t.Context(), "orders", []string{"2"}, nil)
	_, read := s.Read(t.Context(), "orders", store.Query{Since: store.Start}, nil)
	_, write := storetest.Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "orders", Ops: []store.Op{{Kind: store.Delete, ID: "2"}}}}})
	for i, err := range []error{get, read, write} {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("call %d: %v", i, err)
		}
		for _, part := range []string{`dataset "orders"`, "data/log/0000000001.seg", "position "} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v does not name %s", err, part)
			}
		}
	}
	close1(t, s, nil)
	o.IndexFS = vfs.NewMem()
	if _, err := Open("data", o); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("rebuild over damage: %v", err)
	}
}

func TestMissingSegment(t *testing.T) {
	fsys := newMemFS()
	o := Options{FS: fsys, IndexFS: vfs.NewMem(), SegmentBytes: 4 << 10}
	s := open(t, "data", o)
	fill(t, s, 5, 30)
	close1(t, s, nil)
	delete(fsys.files, "data/log/"+segmentName(2))
	if _, err := Open("data", o); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), segmentName(2)) {
		t.Errorf("a segment is gone: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	fsys := newCrashFS(rand.New(rand.NewPCG(1, 1)))
	s := open(t, "data", Options{FS: fsys, IndexFS: vfs.NewMem()})
	storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"before"}`)...)
	big := storetest.Puts(t, `{"_id":"big","x":"`+strings.Repeat("x", 1<<20)+`"}`)
	fsys.fill(1 << 30)
	for range 3 {
		_, err := storetest.Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "d", Ops: big}}})
		if !errors.Is(err, store.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("on a full disk: %v", err)
		}
		got, err := s.Get(t.Context(), "d", []string{"before", "big"}, nil)
		if err != nil || got[0].IsNull() || !got[1].IsNull() {
			t.Fatalf("reading on a full disk: %v %v", got, err)
		}
	}
	fsys.fill(0)
	if r := storetest.Write(t, s, "d", big...); r.Changed != 1 {
		t.Errorf("after space returned: %+v", r)
	}
}

func (c *crashFS) fill(operations int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = operations
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, ro := range []bool{false, true} {
		if _, err := Open(dir, Options{ReadOnly: ro}); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
			t.Errorf("second store, read-only %v: %v", ro, err)
		}
	}
	close1(t, s, nil)
	close1(t, open(t, dir, Options{}), nil)
}

func TestFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	close1(t, open(t, dir, Options{}), nil)
	name := filepath.Join(dir, formatName)
	for text, want := range map[string]string{
		"sluice-store 1 00112233445566778899aabbccddeeff\n": "in format 1, this version of sluice reads and writes format 3",
		"hello": "is not the format file",
		"sluice-store 3 00112233445566778899aabbccddeeff\n": "does not begin as a segment of this store",
		"sluice-store 3 xyz\n":                              "is damaged",
	} {
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "has a log but no FORMAT") {
		t.Errorf("no format file: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	s := open(t, dir, Options{})
	m := fill(t, s, 6, 10)
	close1(t, s, nil)
	s = open(t, dir, Options{ReadOnly: true})
	if got := storetest.Dump(t, s); got != m.Dump() {
		t.Error(firstDifference(got, m.Dump()))
	}
	_, create := s.Create(t.Context(), "new")
	_, write := s.Append(t.Context(), &store.Batch{})
	if drop := s.Drop(t.Context(), "a"); create == nil || write == nil || drop == nil {
		t.Errorf("written to: %v %v %v", create, write, drop)
	}
}

func TestTooLarge(t *testing.T) {
	s := open(t, "", Options{InMemory: true, MaxEntityBytes: 100})
	storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"a"}`)...)
	_, err := storetest.Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "d",
		Ops: storetest.Puts(t, `{"_id":"b"}`, `{"_id":"large","x":"`+strings.Repeat("x", 100)+`"}`)}}})
	if !errors.Is(err, store.ErrTooLarge) || !strings.Contains(err.Error(), `dataset "d"`) || !strings.Contains(err.Error(), `"large"`) {
		t.Error(err)
	}
	_, err = storetest.Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "d",
		Ops: []store.Op{{Entity: entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString(strings.Repeat("x", maxID+1))})}}}}})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Error(err)
	}
	if info, _ := s.Info(t.Context(), "d"); info.Versions != 1 {
		t.Errorf("half a batch stands: %+v", info)
	}
}

// TestIndexCatchesUp leaves an index behind in one life and asks it in the
// next.
func TestIndexCatchesUp(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"1","k":"x"}`)...)
	if err := s.EnsureIndex(t.Context(), "a", storetest.ByKey()); err != nil {
		t.Fatal(err)
	}
	close1(t, s, nil)
	s = open(t, dir, Options{})
	storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"1","k":"y"}`, `{"_id":"2","k":"x"}`)...)
	if err := s.Find(t.Context(), "a", "k", [][]byte{[]byte("x")}, nil, nil); !errors.Is(err, store.ErrNoIndex) {
		t.Errorf("an index nobody keeps: %v", err)
	}
	close1(t, s, nil)
	s = open(t, dir, Options{})
	calls := 0
	ix := storetest.ByKey()
	keys := ix.Keys
	ix.Keys = func(e entity.Value, emit func([]byte)) { calls++; keys(e, emit) }
	if err := s.EnsureIndex(t.Context(), "a", ix); err != nil {
		t.Fatal(err)
	}
	if calls != 3 {
		t.Errorf("%d entities were keyed; two were new and one had to be compared", calls)
	}
	var got []string
	err := s.Find(t.Context(), "a", "k", [][]byte{[]byte("x"), []byte("y")}, nil, func(_ int, e entity.Value) bool {
		got = append(got, e.String()[:10])
		return true
	})
	if err != nil || fmt.Sprint(got) != `[{"_id":"2" {"_id":"1"]` {
		t.Error(got, err)
	}
}

// TestIndexDamagedWhileOpen spoils the index under a running store: no wrong
// answer is given, and the next start makes the index anew.
func TestIndexDamagedWhileOpen(t *testing.T) {
	dir := t.TempDir()
	o := Options{CacheBytes: 1}
	s := open(t, dir, o)
	var texts, ids []string
	for i := range 2000 {
		ids = append(ids, fmt.Sprint("id-", i))
		texts = append(texts, fmt.Sprintf(`{"_id":"id-%d","n":%d}`, i, i))
	}
	storetest.Write(t, s, "d", storetest.Puts(t, texts...)...)
	close1(t, s, nil)
	s = open(t, dir, o)
	tables, _ := filepath.Glob(filepath.Join(dir, indexDir, "*.sst"))
	for _, name := range tables {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err == nil {
			_, err = f.WriteAt(make([]byte, 20<<10), 1<<10)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	failed := 0
	for i := 0; i < len(ids); i += 40 {
		id := ids[i]
		got, err := s.Get(t.Context(), "d", []string{id}, nil)
		if err == nil && number(got[0], "n") != int64(i) {
			t.Fatalf("%s is %s", id, got[0])
		}
		if err != nil {
			failed++
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
		}
	}
	if failed == 0 {
		t.Fatal("the damage was not met")
	}
	_ = s.Close()
	s = open(t, dir, o)
	got, err := s.Get(t.Context(), "d", ids, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range got {
		if number(e, "n") != int64(i) {
			t.Fatalf("after the rebuild %s is %s", ids[i], e)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, rebuildName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the index stays condemned: %v", err)
	}
}

func number(e entity.Value, key string) int64 {
	v, _ := e.Get(key)
	n, ok := v.Int64()
	if !ok {
		return -1
	}
	return n
}

// TestCopyOfRunningFolder opens what a kill would leave: the files of a store
// that was not closed.
func TestCopyOfRunningFolder(t *testing.T) {
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	o := Options{SegmentBytes: 16 << 10}
	s := open(t, dir, o)
	m := fill(t, s, 8, 60)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	m.Check(t, open(t, copied, o))
}
