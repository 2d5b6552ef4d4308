package local

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

var (
	compactSeed = flag.Uint64("compact.seed", 0, "run TestCompactAgrees with this seed only")
	compactRuns = flag.Int("compact.runs", 20, "histories that TestCompactAgrees runs")
)

// TestCompactAgrees gives two stores the same random history and compacts one
// of them now and then, as random policies want, closing it, losing its index.
// Whoever reads latest versions cannot tell them apart; of the history all that
// must be kept is there; and the folder is sound to the last row.
func TestCompactAgrees(t *testing.T) {
	for range fewer(*compactRuns) {
		seed := rand.Uint64()
		if *compactSeed != 0 {
			seed = *compactSeed
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newCompactRun(t, seed).run(t)
		})
		if *compactSeed != 0 {
			return
		}
	}
}

type compactRun struct {
	r           *rand.Rand
	dir         string
	plain, some *Store
	model       *storetest.Model
	kept        map[string]int // versions that must be there at least
	removed     int64
}

var compactClock = func() time.Time { return time.Unix(1e9, 0) }

func newCompactRun(t *testing.T, seed uint64) *compactRun {
	c := &compactRun{r: rand.New(rand.NewPCG(seed, 3)), dir: t.TempDir(), model: storetest.NewModel(), kept: map[string]int{}}
	c.plain = open(t, "", Options{InMemory: true, Clock: compactClock})
	c.open(t)
	return c
}

func (c *compactRun) open(t *testing.T) {
	c.some = open(t, c.dir, Options{Clock: compactClock, SegmentBytes: 1 << (11 + c.r.IntN(6)), CacheEntries: 8 << c.r.IntN(5), lateRows: 1 << c.r.IntN(9)})
}

func (c *compactRun) run(t *testing.T) {
	for i := range 80 {
		c.step(t)
		if i%8 == 0 {
			c.compact(t)
			c.compare(t)
		}
		if c.r.IntN(20) == 0 {
			c.reopen(t)
		}
		if t.Failed() {
			return
		}
	}
	c.compact(t)
	for range 2 {
		c.compare(t)
		c.reopen(t)
	}
}

// step does the same to both.
func (c *compactRun) step(t *testing.T) {
	name := []string{"a", "b", "c"}[c.r.IntN(3)]
	both := []*Store{c.plain, c.some}
	switch n := c.r.IntN(12); {
	case len(c.model.Datasets) == 0 || n == 0:
		for _, s := range both {
			if _, err := s.Create(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if c.model.Datasets[name] == nil {
			c.model.Datasets[name], c.kept[name] = &storetest.ModelDataset{}, 9
		}
	case n == 1:
		for _, s := range both {
			if err := s.Drop(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		delete(c.model.Datasets, name)
	default:
		b := c.model.Generate(t, c.r)
		for _, s := range both {
			if _, err := storetest.Commit(t.Context(), s, b); err != nil {
				t.Fatal(err)
			}
		}
		c.model.Apply(b)
	}
}

func (c *compactRun) compact(t *testing.T) {
	t.Helper()
	o := store.CompactOptions{Datasets: map[string]store.Retention{}, Floors: map[string]store.Offset{}, Seal: c.r.IntN(4) > 0}
	for name, d := range c.model.Datasets {
		if c.r.IntN(4) == 0 {
			continue
		}
		keep := 1 + c.r.IntN(4)
		c.kept[name] = min(c.kept[name], keep)
		o.Datasets[name] = store.Retention{KeepVersions: keep}
		if c.r.IntN(3) == 0 {
			o.Floors[name] = store.Offset(c.r.IntN(len(d.Log) + 1))
		}
	}
	done, err := c.some.Compact(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.removed += done.Versions
}

func (c *compactRun) compare(t *testing.T) {
	t.Helper()
	if got, want := answers(t, c.some), answers(t, c.plain); got != want {
		t.Fatalf("compacted:\n%s", firstDifference(got, want))
	}
	for name := range c.model.Datasets {
		c.compareHistory(t, name)
	}
}

// compareHistory checks that what is left of the history is right, and enough.
func (c *compactRun) compareHistory(t *testing.T, name string) {
	t.Helper()
	q := store.Query{Since: store.Start, History: true, Limit: 5}
	all, _ := storetest.ReadAll(t, c.plain, name, q)
	left, _ := storetest.ReadAll(t, c.some, name, q)
	info, _ := c.some.Info(t.Context(), name)
	if int(info.Versions) != len(left) {
		t.Fatalf("%s has %d versions, but says %d", name, len(left), info.Versions)
	}
	there, had := map[int64]bool{}, map[int64]string{}
	for _, e := range all {
		had[updated(e)] = e.String()
	}
	for _, e := range left {
		at := updated(e)
		there[at] = true
		if e.String() != had[at] {
			t.Fatalf("%s: got %s, want %s", name, e, had[at])
		}
	}
	newer := map[string]int{}
	for i := len(all) - 1; i >= 0; i-- {
		id, _ := entity.ID(all[i])
		at := updated(all[i])
		if newer[id]++; newer[id] <= c.kept[name] && !there[at] {
			t.Fatalf("%s: version %d of %s is gone, the newest %d were to stay", name, at, id, c.kept[name])
		}
		v, err := c.some.GetAt(t.Context(), name, store.Offset(at), entity.NewArena())
		if err != nil || there[at] != (v.Object() != nil) {
			t.Fatalf("%s: version %d: %v %v", name, at, v, err)
		}
	}
}

func updated(e entity.Value) int64 {
	v, _ := e.Object().Get(entity.UpdatedKey)
	n, _ := v.Int64()
	return n
}

// answers is all that readers of latest versions are told.
func answers(t *testing.T, s *Store) string {
	t.Helper()
	var out strings.Builder
	infos, err := s.Datasets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		fmt.Fprintln(&out, info.Name, info.Populated, info.Last, info.Live, info.Deleted)
		for _, q := range []store.Query{{Since: store.Start}, {Since: store.Start, Limit: 3}, {Since: store.Start, Reverse: true, Limit: 4}} {
			list, _ := storetest.ReadAll(t, s, info.Name, q)
			fmt.Fprintln(&out, list)
		}
		if err := s.EnsureIndex(t.Context(), info.Name, storetest.ByKey()); err != nil {
			t.Fatal(err)
		}
		keys := [][]byte{[]byte("0"), []byte("1"), []byte("2")}
		if err := s.Find(t.Context(), info.Name, storetest.ByKey().Name, keys, entity.NewArena(), func(k int, e entity.Value) bool {
			fmt.Fprintln(&out, k, e)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for i := range 12 {
			ids = append(ids, fmt.Sprintf("id-%d", i))
		}
		found, err := s.Get(t.Context(), info.Name, ids, entity.NewArena())
		fmt.Fprintln(&out, found, err)
	}
	keys, _ := s.States(t.Context(), "")
	for _, k := range keys {
		v, rev, err := s.State(t.Context(), k)
		fmt.Fprintln(&out, k, string(v), rev, err)
	}
	return out.String()
}

// reopen closes the folder, has it checked, perhaps without its index, and
// opens it.
func (c *compactRun) reopen(t *testing.T) {
	t.Helper()
	if err := c.some.Close(); err != nil {
		t.Fatal(err)
	}
	if c.r.IntN(2) == 0 {
		if err := os.RemoveAll(filepath.Join(c.dir, indexDir)); err != nil {
			t.Fatal(err)
		}
		c.open(t)
		if err := c.some.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, problems := checked(t, c.dir); len(problems) > 0 {
		t.Fatal(strings.Join(problems, "\n"))
	}
	c.open(t)
}
