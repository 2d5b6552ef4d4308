package enginetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
)

// web is a graph of pipes that fork, filter, join and follow one another; each
// takes some time for a batch, so that their runs overlap as chance has it.
func web(r *rand.Rand) string {
	pipe := func(id, source, rules string) string {
		pump := ""
		if r.IntN(3) == 0 {
			pump = fmt.Sprintf(`, "pump": {"schedule_interval": %d}`, 1+r.IntN(3)) // no signals, then
		}
		nap := fmt.Sprintf(`{"type": "nap", "seconds": %g}`, float64(r.IntN(40))/1000)
		return fmt.Sprintf(`{"_id": %q, "type": "pipe", "batch_size": %d, "source": %s,
			"transform": [%s, {"type": "dtl", "rules": {"default": [%s]}}]%s}`, id, 1+r.IntN(4), source, nap, rules, pump)
	}
	from := func(dataset string) string { return fmt.Sprintf(`{"type": "dataset", "dataset": %q}`, dataset) }
	return "[" + strings.Join([]string{
		pipe("a", from("in"), `["copy", "*"], ["add", "a", ["plus", "_S.n", 1]]`),
		pipe("few", from("in"), `["copy", "*"], ["filter", ["gt", "_S.n", 1]]`),
		pipe("b", from("in2"), `["copy", "*"], ["add", "b", ["string", "_S.n"]]`),
		pipe("both", `{"type": "merge_datasets", "datasets": ["a", "b"], "strategy": "all"}`, `["add", "of", ["list", "_S.a.a", "_S.b.b"]]`),
		pipe("end", from("both"), `["copy", "*"], ["add", "seen", true]`),
		pipe("few2", from("few"), `["copy", "*"], ["filter", ["neq", "_S.n", 3]]`),
		pipe("few3", from("few2"), `["copy", "*"]`),
		pipe("merged", `{"type": "merge", "version": 2, "identity": "first", "datasets": ["a a", "b b", "few2 f"], "equality_sets": [["a._id", "b._id", "f._id"], ["a.a", "b.n"]]}`, `["copy", "*"]`),
		pipe("named", `{"type": "merge", "version": 2, "strategy": "compact", "datasets": ["merged m", "few f"], "equality": [["eq", "m.$ids", "f._id"]]}`, `["copy", "*"]`),
	}, ",") + "]"
}

var webDatasets = []string{"a", "few", "b", "both", "end", "few2", "few3", "merged", "named"}

// However the runs of pumps fall between one another, and between the writes
// to what they read, the end is that of running them one after the other.
func TestInterleavingsAreSerial(t *testing.T) {
	t.Parallel()
	seeds := uint64(700)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		if !interleave(t, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func interleave(t *testing.T, seed uint64) (same bool) {
	r := rand.New(rand.NewPCG(seed, 6))
	conf, steps, steps2 := web(r), history(seed, 6), history(seed+1<<32, 6)
	var woven [][2]string
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		for i := range steps {
			feed(t, w, "in", steps[i])
			w.pass(time.Duration(r.IntN(100)) * time.Millisecond)
			feed(t, w, "in2", steps2[i])
			w.pass(time.Duration(r.IntN(300)) * time.Millisecond)
			if r.IntN(8) == 0 { // the node goes down amid its runs
				w.e.Close()
				w.open(conf)
				w.e.Start()
			}
		}
		w.pass(time.Minute)
		for _, d := range webDatasets {
			woven = append(woven, [2]string{d, live(t, w.st, d)})
		}
	})
	inWorld(t, conf, func(t *testing.T, w *world) {
		for i := range steps {
			feed(t, w, "in", steps[i])
			feed(t, w, "in2", steps2[i])
		}
		runAll(t, w.e)
		same = true
		for _, d := range woven {
			if serial := live(t, w.st, d[0]); d[1] != serial {
				same = false
				t.Errorf("seed %d: %s, woven\n%sone after the other\n%s", seed, d[0], d[1], serial)
			}
		}
	})
	return same
}

func feed(t *testing.T, w *world, dataset string, cs []change) {
	t.Helper()
	for _, c := range cs {
		put(t, w.st, dataset, []entity.Value{c.entity()}, true)
	}
}
