package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// TestRetention states what each policy leaves of one history: a has four
// versions, b is deleted, c is one of which the past is retracted.
func TestRetention(t *testing.T) {
	const whole = "0a1 1b1 2a2 3b2† 4c1 5c2! 6a3 7a4"
	for _, c := range []struct {
		name  string
		keep  store.Retention
		floor store.Offset
		want  string
	}{
		{"two versions", store.Retention{KeepVersions: 2}, 99, "1b1 3b2† 4c1 5c2! 6a3 7a4"},
		{"one version", store.Retention{KeepVersions: 1}, 99, "3b2† 5c2! 7a4"},
		{"many versions", store.Retention{KeepVersions: 9}, 99, whole},
		{"floor", store.Retention{KeepVersions: 1}, 5, "2a2 3b2† 5c2! 6a3 7a4"},
		{"nobody has begun", store.Retention{KeepVersions: 1}, store.Start, whole},
		{"age", store.Retention{KeepVersions: 1, MinAge: 6 * time.Hour}, 99, "2a2 3b2† 4c1 5c2! 6a3 7a4"},
		{"none kept", store.Retention{MinAge: 4 * time.Hour}, 99, "4c1 5c2! 6a3 7a4"},
		{"none kept, nobody has begun", store.Retention{MinAge: 4 * time.Hour}, store.Start, whole},
		{"age at most", store.Retention{MinAge: time.Hour, MaxAge: 4 * time.Hour}, 2, "2a2 4c1 5c2! 6a3 7a4"},
		{"age at most and versions", store.Retention{KeepVersions: 9, MaxAge: time.Hour}, 2, whole},
		{"ttl", store.Retention{KeepVersions: 2, TTLDeletes: 4 * time.Hour}, 99, "4c1 5c2! 6a3 7a4"},
		{"ttl not over", store.Retention{KeepVersions: 1, TTLDeletes: 5 * time.Hour}, 99, "3b2† 5c2! 7a4"},
		{"ttl and floor", store.Retention{KeepVersions: 9, TTLDeletes: time.Hour}, 2, whole},
		{"retract", store.Retention{KeepVersions: 9, Retract: true}, 99, "0a1 1b1 2a2 3b2† 5c2! 6a3 7a4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1e9, 0)
			s := open(t, t.TempDir(), Options{Clock: func() time.Time { return now }, SegmentBytes: 400})
			history(t, s, &now)
			if got := left(t, s); got != whole {
				t.Fatal(got)
			}
			o := store.CompactOptions{Datasets: map[string]store.Retention{"d": c.keep}, Floors: map[string]store.Offset{"d": c.floor}, Seal: true}
			for i := range 2 {
				done, err := s.Compact(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if want := i == 0 && c.name == "ttl"; want != (done.Forgotten["d"] == 1) {
					t.Errorf("it forgot %v", done.Forgotten)
				}
				if got := left(t, s); got != c.want {
					t.Errorf("left %s, want %s", got, c.want)
				}
			}
			// An id that was purged is new; offsets go on.
			storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"b","v":9}`)...)
			if got := left(t, s); got != c.want+" 8b9" {
				t.Errorf("left %s, want %s and 8b9", got, c.want)
			}
		})
	}
}

// history writes a version an hour, the last one just now.
func history(t *testing.T, s *Store, now *time.Time) {
	if _, err := s.Create(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{`"a","v":1`, `"b","v":1`, `"a","v":2`, `"b","v":2,"_deleted":true`, `"c","v":1`,
		`"c","v":2,"$retract":true`, `"a","v":3`, `"a","v":4`} {
		storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":`+text+`}`)...)
		if i < 7 {
			*now = now.Add(time.Hour)
		}
	}
	*now = now.Add(time.Second)
}

func left(t *testing.T, s *Store) string {
	t.Helper()
	list, _ := storetest.ReadAll(t, s, "d", store.Query{Since: store.Start, History: true})
	var out []string
	for _, e := range list {
		id, _ := entity.ID(e)
		v, _ := e.Object().Get("v")
		text := fmt.Sprintf("%d%s%s", updated(e), id, v)
		if entity.Deleted(e) {
			text += "†"
		}
		if _, ok := e.Object().Get("$retract"); ok {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// TestCompactReturnsRoom drops a dataset and replaces another one: their room
// comes back, and comes back once.
func TestCompactReturnsRoom(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 64 << 10})
	pad := strings.Repeat("x", 2000)
	for _, name := range []string{"d", "gone"} {
		if _, err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		for v := range 5 {
			for id := range 40 {
				storetest.Write(t, s, name, storetest.Puts(t, fmt.Sprintf(`{"_id":"%d","v":%d,"pad":"%s"}`, id, v, pad))...)
			}
		}
	}
	if err := s.Drop(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	before := logSize(t, s)
	o := store.CompactOptions{Datasets: map[string]store.Retention{"d": {KeepVersions: 1}}, Seal: true}
	done, err := s.Compact(t.Context(), o)
	if err != nil || done.Versions != 160 {
		t.Fatal(done, err)
	}
	if after := logSize(t, s); after > before/8 || before-after < done.Bytes*9/10 {
		t.Errorf("the log has %d bytes, had %d, and says that %d came back", after, before, done.Bytes)
	}
	if again, err := s.Compact(t.Context(), store.CompactOptions{Datasets: o.Datasets}); err != nil || again.Files > 0 {
		t.Error("once more:", again, err)
	}
}

func logSize(t *testing.T, s *Store) (sum int64) {
	names, err := s.o.FS.List(s.log.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		f, err := s.o.FS.Open(s.log.dir + "/" + n)
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		sum += size
		f.Close()
	}
	return sum
}

// TestCompactFull has the disk full while a compaction writes: it ends with the
// error, nothing is lost, and the next one does the work.
func TestCompactFull(t *testing.T) {
	fsys := &fullFS{FS: newMemFS()}
	s := open(t, "data", Options{FS: fsys, IndexFS: vfs.NewMem(), SegmentBytes: 400, Clock: compactClock})
	now := time.Unix(1e9, 0)
	s.o.Clock = func() time.Time { return now }
	history(t, s, &now)
	o := store.CompactOptions{Datasets: map[string]store.Retention{"d": {KeepVersions: 1}}}
	before := left(t, s)
	fsys.set(true)
	if _, err := s.Compact(t.Context(), o); !errors.Is(err, store.ErrFull) || left(t, s) != before {
		t.Fatal(err, left(t, s))
	}
	fsys.set(false)
	if done, err := s.Compact(t.Context(), o); err != nil || done.Versions == 0 {
		t.Fatal(done, err)
	}
}

// fullFS makes no files while it is full.
type fullFS struct {
	FS
	mu   sync.Mutex
	full bool
}

func (f *fullFS) set(full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = full
}

// Create implements FS.
func (f *fullFS) Create(name string) (File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		return nil, syscall.ENOSPC
	}
	return f.FS.Create(name)
}

// TestCompactTogether compacts while others write, read and find. Nobody meets
// an error, and nobody misses an entity that was there all the time.
func TestCompactTogether(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
	if _, err := s.Create(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	write := func(v int) {
		var texts []string
		for id := range 9 {
			texts = append(texts, fmt.Sprintf(`{"_id":"id-%d","n":%d,"k":["0"]}`, id, v))
		}
		storetest.Write(t, s, "d", storetest.Puts(t, texts...)...)
	}
	write(0)
	if err := s.EnsureIndex(t.Context(), "d", storetest.ByKey()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, look := range []func() int{
		func() int { return seen(t, s, store.Query{Since: store.Start, Limit: 2}) },
		func() int { seen(t, s, store.Query{Since: store.Start, History: true, Limit: 3}); return 9 },
		func() int {
			n := 0
			if err := s.Find(t.Context(), "d", storetest.ByKey().Name, [][]byte{[]byte("0")}, entity.NewArena(),
				func(int, entity.Value) bool { n++; return true }); err != nil {
				t.Error(err)
			}
			return n
		},
	} {
		all.Go(func() {
			for ctx.Err() == nil {
				if n := look(); n < 9 {
					t.Errorf("%d of 9 found", n)
				}
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			_, err := s.Compact(ctx, store.CompactOptions{Datasets: map[string]store.Retention{"d": {KeepVersions: 1}}})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for v := range 400 {
		write(v + 1)
	}
	stop()
	all.Wait()
}

// seen counts the ids that are read.
func seen(t *testing.T, s *Store, q store.Query) int {
	ids := map[string]bool{}
	for {
		page, err := s.Read(t.Context(), "d", q, entity.NewArena())
		if err != nil {
			t.Error(err)
			return 9
		}
		for _, e := range page.Entities {
			id, _ := entity.ID(e)
			ids[id] = true
		}
		if q.Since = page.Next; page.End {
			return len(ids)
		}
	}
}

// TestSealFrom: the last file takes part once enough of it is of no use, unless it
// is small.
func TestSealFrom(t *testing.T) {
	for _, c := range []struct {
		versions int
		from     float64
		removed  int64
	}{{400, 0.5, 398}, {400, 0, 0}, {40, 0.5, 0}, {400, 0.999, 0}} {
		s := open(t, t.TempDir(), Options{SegmentBytes: 256 << 10})
		var texts []string
		for n := range c.versions {
			texts = append(texts, fmt.Sprintf(`{"_id":"a","n":%d,"pad":"%s"}`, n, strings.Repeat("x", 100)))
		}
		storetest.Write(t, s, "d", storetest.Puts(t, texts...)...)
		o := store.CompactOptions{Datasets: map[string]store.Retention{"d": {KeepVersions: 2}}, SealFrom: c.from}
		done, err := s.Compact(t.Context(), o)
		if err != nil || done.Versions != c.removed || done.Versions > 0 != (done.Files == 1) {
			t.Errorf("%+v: %+v %v", c, done, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
