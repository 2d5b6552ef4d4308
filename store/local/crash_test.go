package local

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

var (
	crashSeed = flag.Uint64("crash.seed", 0, "run TestCrash with this seed only")
	crashRuns = flag.Int("crash.runs", 90, "histories that TestCrash runs, of four crashes each; TestCrashCompacting runs twice as many")
)

// fewer is how many histories to run; under the race detector, which takes its time,
// a third.
func fewer(n int) int {
	if testing.Short() {
		return (n + 2) / 3
	}
	return n
}

// TestCrash runs random histories on a file system that fails, loses power and
// forgets, and compares what a restart finds with a model: every acknowledged
// batch is there, every other one is there whole or not at all, in order.
func TestCrash(t *testing.T) {
	for range fewer(*crashRuns) {
		seed := rand.Uint64()
		if *crashSeed != 0 {
			seed = *crashSeed
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newCrashRun(seed).run(t)
		})
		if *crashSeed != 0 {
			return
		}
	}
}

// TestCrashCompacting is TestCrash with compactions, which fail and end at any
// of their writes too. What readers of latest versions find is as if there had
// been none.
func TestCrashCompacting(t *testing.T) {
	for range 2 * fewer(*crashRuns) {
		seed := rand.Uint64()
		if *crashSeed != 0 {
			seed = *crashSeed
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newCrashRun(seed)
			c.compacts = true
			c.run(t)
		})
		if *crashSeed != 0 {
			return
		}
	}
}

// crashRun is one history over several lives of a store.
type crashRun struct {
	r     *rand.Rand
	fs    *crashFS
	index *vfs.MemFS
	model *storetest.Model // all that was acknowledged
	maybe []step           // handed over since and not acknowledged, in order
	fail  bool             // something was refused since the last acknowledgement
	tail  *storetest.Follower

	compacts bool
}

// step is something that happens to a store and its model.
type step struct {
	batch        *store.Batch
	create, drop string
}

func (st step) apply(m *storetest.Model) {
	switch {
	case st.create != "":
		if m.Datasets[st.create] == nil {
			m.Datasets[st.create] = &storetest.ModelDataset{}
		}
	case st.drop != "":
		delete(m.Datasets, st.drop)
	default:
		m.Apply(st.batch)
	}
}

func newCrashRun(seed uint64) *crashRun {
	r := rand.New(rand.NewPCG(seed, 1))
	return &crashRun{r: r, fs: newCrashFS(rand.New(rand.NewPCG(seed, 5))), index: vfs.NewCrashableMem(), model: storetest.NewModel(),
		tail: storetest.NewFollower("a", "0")}
}

func (c *crashRun) run(t *testing.T) {
	for range 4 {
		s := c.start(t)
		if t.Failed() {
			return
		}
		c.live(t, s)
		c.restart(s)
	}
	s := c.start(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (c *crashRun) open() (*Store, error) {
	return Open("data", Options{FS: c.fs, IndexFS: c.index, SegmentBytes: 1 << (11 + c.r.IntN(6)), CacheBytes: 1 << 16, CacheEntries: 8 << c.r.IntN(5),
		lateRows: 1 << c.r.IntN(9), overlap: c.r.IntN(3) > 0, step: 1 << (9 + c.r.IntN(8)), beside: func(work func()) { work() }})
}

// start opens the store, settles which of the unacknowledged batches it has,
// and checks every answer.
func (c *crashRun) start(t *testing.T) *Store {
	t.Helper()
	s, err := c.open()
	if err != nil {
		t.Fatalf("restart: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	dump, of := storetest.Dump, (*storetest.Model).Dump
	if c.compacts {
		dump, of = storetest.DumpLatest, (*storetest.Model).DumpLatest
	}
	got := dump(t, s)
	for mask := range 1 << len(c.maybe) {
		m := c.model.Clone()
		if !tryApply(m, c.maybe, mask) || of(m) != got {
			continue
		}
		c.model, c.maybe, c.fail = m, nil, false
		if !c.compacts {
			m.Check(t, s)
		}
		checkCounts(t, s)
		if m.Datasets["a"] != nil {
			c.tail.Follow(t, s, m)
		}
		return s
	}
	t.Fatalf("the store is not what was acknowledged, with or without the %d steps more that were under way:\n%s",
		len(c.maybe), firstDifference(got, of(c.model)))
	return nil
}

// checkCounts compares the numbers of datasets with their latest versions.
func checkCounts(t *testing.T, s *Store) {
	t.Helper()
	infos, err := s.Datasets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		list, _ := storetest.ReadAll(t, s, info.Name, store.Query{Since: store.Start})
		deleted := int64(0)
		for _, e := range list {
			if entity.Deleted(e) {
				deleted++
			}
		}
		if info.Deleted != deleted || info.Live != int64(len(list))-deleted {
			t.Errorf("%+v, but %d latest versions, %d of them deleted", info, len(list), deleted)
		}
	}
}

// firstDifference shows where two dumps part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %.200s\nwant %.200s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// tryApply applies the steps whose bits are set; false if a step could not
// have happened, since a dataset it needs is not there.
func tryApply(m *storetest.Model, steps []step, mask int) bool {
	for i, st := range steps {
		if mask>>i&1 == 0 {
			continue
		}
		if st.batch != nil {
			for _, w := range st.batch.Writes {
				if m.Datasets[w.Dataset] == nil {
					return false
				}
			}
			for _, n := range st.batch.Populate {
				if m.Datasets[n] == nil {
					return false
				}
			}
		}
		st.apply(m)
	}
	return true
}

// live does random things until the power fails or it has done enough.
func (c *crashRun) live(t *testing.T, s *Store) {
	c.fs.mu.Lock()
	c.fs.power = -1
	if c.r.IntN(3) > 0 {
		c.fs.power = c.r.IntN(60)
	}
	c.fs.mu.Unlock()
	for range 2 + c.r.IntN(25) {
		c.disturb()
		if c.compacts && c.r.IntN(4) == 0 {
			c.compact(t, s)
		}
		if off := c.some(t, s); off || t.Failed() {
			return
		}
		if c.r.IntN(6) == 0 && !c.fail && c.model.Datasets["a"] != nil {
			c.tail.Follow(t, s, c.model)
		}
	}
}

// disturb makes the file system fail for a while, now and then.
func (c *crashRun) disturb() {
	c.fs.mu.Lock()
	defer c.fs.mu.Unlock()
	switch c.r.IntN(12) {
	case 0:
		c.fs.full = 1 + c.r.IntN(4)
	case 1:
		c.fs.badSyncs = 1 + c.r.IntN(3)
	}
}

// some hands a few steps over at once, waits for them, and tells whether the
// power is off.
func (c *crashRun) some(t *testing.T, s *Store) (off bool) {
	var steps []step
	var waits []func() error
	for range 1 + c.r.IntN(4) {
		st, wait := c.submit(t, s)
		if c.r.IntN(2) == 0 {
			runtime.Gosched() // so that what follows is not of the same group
		}
		steps, waits = append(steps, st), append(waits, wait)
	}
	for i, wait := range waits {
		err := wait()
		switch {
		case err == nil:
			// What was refused before is known not to be there: its place in
			// the log is taken, unless this step asked nothing of the log.
			before := c.model.Dump()
			if steps[i].apply(c.model); steps[i].batch != nil || before != c.model.Dump() {
				c.maybe = nil
			}
		case errors.Is(err, errPower):
			off = true
			c.maybe = append(c.maybe, steps[i])
		default:
			c.fail = true
			c.maybe = append(c.maybe, steps[i])
			c.maybe = c.maybe[max(0, len(c.maybe)-12):]
		}
	}
	return off
}

func (c *crashRun) submit(t *testing.T, s *Store) (step, func() error) {
	name := []string{"a", "b", "c"}[c.r.IntN(3)]
	switch n := c.r.IntN(10); {
	case len(c.model.Datasets) == 0 || n == 0:
		_, err := s.Create(t.Context(), name)
		return step{create: name}, func() error { return err }
	case n == 1 && name != "a":
		err := s.Drop(t.Context(), name)
		return step{drop: name}, func() error { return err }
	}
	b := c.model.Generate(t, c.r)
	p, err := s.Append(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return step{batch: b}, func() error {
		_, err := p.Wait(context.WithoutCancel(t.Context()))
		return err
	}
}

// compact compacts; it may fail like everything else.
func (c *crashRun) compact(t *testing.T, s *Store) {
	o := store.CompactOptions{Datasets: map[string]store.Retention{}, Floors: map[string]store.Offset{c.tail.Dataset: c.tail.Since}, Seal: c.r.IntN(2) == 0, SealFrom: c.r.Float64()}
	for _, name := range []string{"a", "b", "c"} {
		o.Datasets[name] = store.Retention{KeepVersions: 1 + c.r.IntN(3)}
	}
	_, err := s.Compact(t.Context(), o)
	if errors.Is(err, store.ErrCorrupt) {
		t.Error(err)
	}
}

// restart takes what survives. Mostly the index survives in part, sometimes it
// is lost.
func (c *crashRun) restart(s *Store) {
	log, index := c.fs, c.index
	if c.r.IntN(4) == 0 {
		_ = s.Close()
	}
	log.off()
	c.fs = log.crash()
	c.index = index.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.r.IntN(101), RNG: rand.New(rand.NewPCG(c.r.Uint64(), 2))})
	if c.r.IntN(4) == 0 {
		c.index = vfs.NewCrashableMem()
	}
	_ = s.Close()
}
