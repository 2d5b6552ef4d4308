package enginetest

import (
	"math/rand/v2"
	"testing"

	"github.com/sluiceio/sluice/store"
)

// Reading a subset bit by bit leads to the same as filtering everything: what
// leaves it is read as deleted, what comes back as it is.
func TestSubsetIsFilter(t *testing.T) {
	for _, c := range []struct{ name, source, rule string }{
		{"latest", `"subset": ["eq", "_S.n", 1]`, `["filter", ["eq", "_S.n", 1]]`},
		{"history", `"subset": ["eq", "_S.n", 1], "include_previous_versions": true`, `["filter", ["eq", "_S.n", 1]]`},
		{"one of a list", `"subset": ["eq", "_S.ref", "a1"]`, `["filter", ["in", "a1", "_S.ref"]]`},
		{"computed", `"subset": ["eq", ["gt", "_S.n", 1], true]`, `["filter", ["gt", "_S.n", 1]]`},
	} {
		read, filtered := 0, 0
		for seed := range uint64(25) {
			st := memory(t)
			e := open(t, st, parse(t, `[
				{"_id": "part", "type": "pipe", "batch_size": 2, "source": {"type": "dataset", "dataset": "in", `+c.source+`}},
				{"_id": "all", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], `+c.rule+`]}}}]`))
			s := scene{rand.New(rand.NewPCG(seed, 5))}
			for range 8 {
				s.change(t, st)
				read += runNamed(t, e, "part").Read
				filtered += runNamed(t, e, "all").Read
				if part, all := live(t, st, "part"), live(t, st, "all"); part != all {
					t.Fatalf("%s, seed %d: the subset\n%sthe filter\n%s", c.name, seed, part, all)
				}
			}
			// A full run of the subset neither finds nor deletes anything more.
			p, _ := e.Pipe("part")
			if stats, err := p.Run(t.Context(), true); err != nil || c.name != "history" && stats.Changed+stats.Deleted > 0 {
				t.Errorf("%s, seed %d: a full run changes %d and deletes %d: %v", c.name, seed, stats.Changed, stats.Deleted, err)
			}
			e.Close()
		}
		if read == 0 || read >= filtered {
			t.Errorf("%s: the subset read %d entities, the filter %d", c.name, read, filtered)
		}
	}
}

// Compaction is told what tracking still needs.
func TestFloors(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `{"_id": "1", "ref": ["a1"]}`), true)
	put(t, st, "a", entities(t, `[{"_id": "a1", "n": 1}, {"_id": "a2", "n": 1}]`), true)
	e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", `+joined[0]+`}, {"_id": "other", "type": "pipe", "pump": {"mode": "off"}, `+joined[0]+`}]`))
	floor := func(want store.Offset, known bool) {
		t.Helper()
		floors, err := e.Floors(t.Context())
		if at, is := floors["a"]; err != nil || is != known || at != want {
			t.Errorf("the floor is %d, %v, want %d: %v", at, is, want, err)
		}
		if _, is := floors["in"]; is {
			t.Error("the source is not tracked")
		}
	}
	floor(0, false)
	runNamed(t, e, "out")
	floor(1, true)
	put(t, st, "a", entities(t, `{"_id": "a1", "n": 2}`), true)
	floor(1, true)
	runNamed(t, e, "out")
	floor(2, true)
	put(t, st, "a", entities(t, `{"_id": "a1", "n": 3}`), true)
	runNamed(t, e, "other") // it follows from here
	floor(2, true)
	runNamed(t, e, "out")
	floor(3, true)
	if err := st.Drop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	put(t, st, "a", entities(t, `{"_id": "a9"}`), true)
	floor(store.Start, true)
}
