package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

const copying = `[{"_id": "out", "type": "pipe", "batch_size": %d, "checkpoint_interval": 1, "pump": {"rescan_run_count": %d},
  "source": {"type": "dataset", "dataset": "in", "include_previous_versions": %v}, "sink": {"type": "replicated_dataset", "indexes": ["_S.n"]}}]`

// reads is all that readers of a dataset are told, from each offset on.
func reads(t *testing.T, st store.Store, dataset string, history bool) string {
	t.Helper()
	_, last, err := st.Head(t.Context(), dataset)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for since := store.Start; since <= last; since++ {
		page, err := st.Read(t.Context(), dataset, store.Query{Since: since, Limit: 1000, History: history}, nil)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "since %d\n", since)
		for _, e := range page.Entities {
			if !history { // the copy has no versions between
				e = without(e, entity.PreviousKey)
			}
			fmt.Fprintln(&out, e)
		}
	}
	return out.String()
}

// same tells where two texts part.
func same(got, want string) error {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			return fmt.Errorf("line %d of %d and %d: the copy says %s, the original %s", i, len(g), len(w), g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
	return nil
}

// moment is how far a random history has come.
type moment struct {
	st *local.Store
	r  *rand.Rand
}

// change changes the dataset "in", drops it or compacts it.
func (m *moment) change(t *testing.T, cs []change) {
	t.Helper()
	apply(t, m.st, cs)
	switch m.r.IntN(8) {
	case 0:
		if err := m.st.Drop(t.Context(), "in"); err != nil {
			t.Fatal(err)
		}
		apply(t, m.st, cs[:1])
	case 1, 2:
		o := store.CompactOptions{Seal: true, Datasets: map[string]store.Retention{"in": {KeepVersions: 1 + m.r.IntN(2)}}}
		if m.r.IntN(2) == 0 {
			o.Datasets["out"] = store.Retention{KeepVersions: 1}
		}
		if _, err := m.st.Compact(t.Context(), o); err != nil && !errors.Is(err, store.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// live is what the newest versions of a dataset are, with all that belongs to them.
func (m *moment) check(t *testing.T, what string) {
	t.Helper()
	if err := same(reads(t, m.st, "out", false), reads(t, m.st, "in", false)); err != nil {
		t.Fatal(what, err)
	}
	in, _ := m.st.Info(t.Context(), "in")
	out, _ := m.st.Info(t.Context(), "out")
	if in.Live != out.Live || in.Deleted != out.Deleted || in.Last != out.Last || !out.Populated {
		t.Fatalf("%s: the copy is %+v, the original %+v", what, out, in)
	}
}

// A copy reads like its original, from every offset on, whatever happens to the
// original: changes, compaction, being made anew.
func TestReplicaReadsTheSame(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 11))
		m := &moment{st: memory(t), r: r}
		conf := fmt.Sprintf(copying, 1+r.IntN(5), 1+r.IntN(4), r.IntN(2) == 0)
		e := open(t, m.st, parse(t, conf))
		for i, cs := range history(seed, 10) {
			m.change(t, cs)
			runAll(t, e)
			m.check(t, fmt.Sprintf("seed %d, step %d", seed, i))
		}
	}
}

// Read with its history from the beginning, even the versions before are the same.
func TestReplicaOfHistory(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 12))
		st := memory(t)
		for _, cs := range history(seed, 6) {
			apply(t, st, cs)
		}
		if seed%2 == 0 {
			if _, err := st.Compact(t.Context(), store.CompactOptions{Seal: true, Datasets: map[string]store.Retention{"in": {KeepVersions: 1 + r.IntN(2)}}}); err != nil {
				t.Fatal(err)
			}
		}
		e := open(t, st, parse(t, fmt.Sprintf(copying, 3, 100, true)))
		for _, cs := range history(seed+100, 4) {
			runAll(t, e)
			if err := same(reads(t, st, "out", true), reads(t, st, "in", true)); err != nil {
				t.Fatal(seed, err)
			}
			apply(t, st, cs)
		}
	}
}

// Whatever write a power cut strikes, also while a copy is made anew, the copy
// comes to the same as its original.
func TestReplicaSurvivesCuts(t *testing.T) {
	cuts := 0
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 13))
		m := &moment{st: memory(t), r: r}
		conf := fmt.Sprintf(copying, 1+r.IntN(3), 1+r.IntN(3), r.IntN(2) == 0)
		for i, cs := range history(seed, 5) {
			m.change(t, cs)
			cuts += survive(t, m.st, conf, r, func(e *engine.Engine) error {
				p, _ := e.Pipe("out")
				_, err := p.Run(t.Context(), false)
				return err
			})
			m.check(t, fmt.Sprintf("seed %d, step %d", seed, i))
		}
	}
	if cuts < 20 {
		t.Errorf("only %d power cuts", cuts)
	}
}

// On disk: the store dies between two writes, its index is lost, and the copy goes
// on where it was.
func TestReplicaOnDisk(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1e9, 0)
	for i, cs := range history(3, 6) {
		st, err := local.Open(dir, local.Options{SegmentBytes: 4096, Clock: func() time.Time { now = now.Add(time.Millisecond); return now }})
		if err != nil {
			t.Fatal(err)
		}
		m := &moment{st: st, r: rand.New(rand.NewPCG(uint64(i), 14))}
		m.change(t, cs)
		e := open(t, st, parse(t, fmt.Sprintf(copying, 2, 100, true)))
		runAll(t, e)
		m.check(t, fmt.Sprint("step ", i))
		e.Close()
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		problems := ""
		if _, err := local.Check(context.WithoutCancel(t.Context()), dir, func(p string) { problems += p + "\n" }); err != nil || problems != "" {
			t.Fatal(err, problems)
		}
	}
}

// An index of a copy finds what one of the original finds.
func TestReplicaIsFound(t *testing.T) {
	st := memory(t)
	apply(t, st, []change{{1, 1}, {1, 2}, {2, 2}, {3, -1}})
	if _, err := st.Compact(t.Context(), store.CompactOptions{Seal: true, Datasets: map[string]store.Retention{"in": {KeepVersions: 1}}}); err != nil {
		t.Fatal(err)
	}
	e := open(t, st, parse(t, fmt.Sprintf(copying, 3, 100, false)))
	runAll(t, e)
	info, err := st.Info(t.Context(), "out")
	if err != nil || len(info.Indexes) != 1 {
		t.Fatalf("%+v %v", info, err)
	}
	page, err := st.Read(t.Context(), "out", store.Query{Since: store.Start, Index: info.Indexes[0], Key: dtl.AppendKey(nil, entity.NewInt(2))}, nil)
	if err != nil || len(page.Entities) != 2 {
		t.Errorf("%v %v", page.Entities, err)
	}
}

// A store that is restored from a backup gives its datasets new generations: a copy
// stays one, and follows its original on.
func TestReplicaAfterRestore(t *testing.T) {
	st := memory(t)
	steps := history(9, 4)
	conf := parse(t, fmt.Sprintf(copying, 3, 100, true))
	apply(t, st, steps[0])
	e := open(t, st, conf)
	runAll(t, e)
	e.Close()
	for _, cs := range steps[1:] {
		var backup bytes.Buffer
		if err := st.Backup(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir() + "/data"
		if err := local.Restore(t.Context(), &backup, dir); err != nil {
			t.Fatal(err)
		}
		restored, err := local.Open(dir, local.Options{Clock: noon})
		if err != nil {
			t.Fatal(err)
		}
		defer restored.Close()
		st = restored
		m := &moment{st: st}
		apply(t, st, cs)
		e := open(t, st, conf)
		runAll(t, e)
		m.check(t, "after the restore")
		e.Close()
	}
}
