package enginetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// joined are pipes from the dataset "in" to "out" that look into the datasets
// a and b. All entities have the properties n, a small number, and ref, a list
// of ids of a.
var joined = []string{
	`"source": {"type": "dataset", "dataset": "in"},
	 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "found", ["hops", {"datasets": ["a a"], "where": ["eq", "_S.ref", "a._id"], "return": "a.n"}]]]}}`,
	`"source": {"type": "dataset", "dataset": "in"},
	 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"],
	   ["add", "found", ["apply-hops", "more", {"datasets": ["a a"], "where": [["eq", "_S.n", "a.n"]]}]]],
	   "more": [["copy", "_id"], ["add", "b", ["hops", {"datasets": ["b b"], "where": ["eq", "_S.ref", "b.ref"], "return": "b.n"}]]]}}`,
	`"source": {"type": "dataset", "dataset": "in"},
	 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["lt", ["count", ["hops",
	   {"datasets": ["a a"], "where": ["eq", "_S.ref", "a._id"], "recurse": true, "exclude_root": true}, {"datasets": ["b b"], "where": ["eq", "_S.n", "b.n"]}]], 4]]]}}`,
	`"source": {"type": "dataset", "dataset": "in", "subset": ["eq", "_S.n", 1]},
	 "transform": [{"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "x", 1]]}}, {"type": "dtl", "rules": {"default": [["copy", "*"],
	   ["add", "found", ["hops", {"datasets": ["b b", "a a"], "where": [["eq", "_S.ref", "a.ref"], ["eq", "a._id", "b.ref"]], "return": "b._id"}]]]}}]`,
	`"source": {"type": "dataset", "dataset": "in"},
	 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "found", ["hops", {"datasets": ["a a"], "subsets": {"a": ["eq", "_S.n", 1]}, "where": ["eq", "_S.ref", "a._id"], "return": "a.ref"}]]]}}`,
	`"source": {"type": "dataset", "dataset": "in", "subset": ["eq", ["gt", "_S.n", 1], true]},
	 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["gt", ["count", ["hops", {"datasets": ["a a", "b b"], "subsets": {"b": ["eq", "_S.n", 2]}, "where": [["eq", "_S.ref", "a._id"], ["eq", "a.ref", "b.ref"]]}]], 0]]]}}`,
}

// scene is random changes of three datasets.
type scene struct{ r *rand.Rand }

func (s scene) entity(dataset string) entity.Value {
	m := []entity.Member{
		{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("%s%d", dataset, s.r.IntN(6)))},
		{Key: "n", Value: entity.NewInt(int64(s.r.IntN(4)))},
	}
	var refs []entity.Value
	for range s.r.IntN(3) {
		refs = append(refs, entity.NewString(fmt.Sprintf("a%d", s.r.IntN(6))))
	}
	m = append(m, entity.Member{Key: "ref", Value: entity.NewList(refs...)})
	if s.r.IntN(5) == 0 {
		m = append(m, entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)})
	}
	return entity.NewDict(m...)
}

func (s scene) change(t testing.TB, st store.Store) {
	for _, d := range []string{"in", "a", "b"} {
		var es []entity.Value
		for range s.r.IntN(4) {
			es = append(es, s.entity(d))
		}
		put(t, st, d, es, true)
	}
}

// Following what changes elsewhere leads to the same as reading everything
// again.
func TestTrackingIsRescan(t *testing.T) {
	histories := 120
	if testing.Short() {
		histories = 10
	}
	rereads := 0
	for shape, pipe := range joined {
		conf := parse(t, `[{"_id": "out", "type": "pipe", "batch_size": 3, `+pipe+`}]`)
		for seed := range uint64(histories) {
			st := memory(t)
			e := open(t, st, conf)
			s := scene{rand.New(rand.NewPCG(seed, uint64(shape)))}
			for step := range 6 {
				s.change(t, st)
				rereads += runPipe(t, e, false)
				followed := live(t, st, "out")
				if step%2 == 0 {
					continue
				}
				runPipe(t, e, true)
				if whole := live(t, st, "out"); followed != whole {
					t.Fatalf("shape %d, seed %d, step %d: followed\n%swhole\n%s", shape, seed, step, followed, whole)
				}
			}
			e.Close()
		}
	}
	if rereads == 0 {
		t.Error("nothing was ever read again")
	}
}

func runPipe(t testing.TB, e *engine.Engine, full bool) (tracked int) {
	t.Helper()
	p, _ := e.Pipe("out")
	stats, err := p.Run(t.Context(), full)
	if err != nil {
		t.Fatal(err)
	}
	return stats.Tracked
}

// A change of a hopped dataset starts the pipe, and concerns only those who
// look for what was changed.
func TestTrackingReadsWhatIsConcerned(t *testing.T) {
	st := memory(t)
	conf := parse(t, `[{"_id": "out", "type": "pipe", `+joined[0]+`}]`)
	put(t, st, "in", entities(t, `{"_id": "1", "ref": ["a1"]}
		{"_id": "2", "ref": ["a2", "a3"]}
		{"_id": "3"}`), true)
	put(t, st, "a", entities(t, `{"_id": "a1", "n": 1}
		{"_id": "a2", "n": 2}`), true)
	e := open(t, st, conf)
	runPipe(t, e, false)
	for _, c := range []struct {
		change string
		want   int
	}{
		{`{"_id": "a1", "n": 5}`, 1},
		{`{"_id": "a2", "n": 5, "_deleted": true}`, 1},
		{`{"_id": "a3", "n": 5}`, 1},
		{`{"_id": "a4", "n": 5}`, 0},
		{`[{"_id": "a2", "n": 6}, {"_id": "a3", "n": 6}]`, 1},
		{`[{"_id": "a1", "n": 6}, {"_id": "a3", "n": 7}]`, 2},
		{``, 0},
	} {
		put(t, st, "a", entities(t, c.change), true)
		if got := runPipe(t, e, false); got != c.want {
			t.Errorf("%s concerns %d, want %d", c.change, got, c.want)
		}
	}
	// What was passed over is not read again, what changes from then on is.
	put(t, st, "a", entities(t, `{"_id": "a1", "n": 20}`), true)
	p, _ := e.Pipe("out")
	if err := p.ResetTracking(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := runPipe(t, e, false); got != 0 {
		t.Errorf("%d were read again after a reset of tracking", got)
	}
	put(t, st, "a", entities(t, `{"_id": "a1", "n": 21}`), true)
	if got := runPipe(t, e, false); got != 1 {
		t.Errorf("%d were read again, want one", got)
	}
	// An entity that the source has yet to offer is not read twice.
	put(t, st, "a", entities(t, `{"_id": "a3", "n": 8}`), true)
	put(t, st, "in", entities(t, `{"_id": "2", "ref": ["a3"], "new": true}`), true)
	if got := runPipe(t, e, false); got != 0 {
		t.Errorf("%d were read again, want none", got)
	}
	if got := live(t, st, "out"); !strings.Contains(got, `"new":true,"found":[8]`) && !strings.Contains(got, `"found":[8]`) {
		t.Error(got)
	}
}

// More than a threshold fails the run and is met again, until the pipe makes a
// full run; with automatic reprocessing it does so by itself.
func TestTrackingThreshold(t *testing.T) {
	for _, c := range []struct{ pipe, node, fails string }{
		{`"dependency_tracking": {"dependency_error_threshold": 2}`, ``, "the 2 entities of dependency_error_threshold"},
		{`"dependency_tracking": {"dependency_error_threshold_total_bytes": 20}`, ``, "the 20 bytes of"},
		{`"description": ""`, `"dependency_tracking": {"dependency_error_threshold": 2}`, "the 2 entities of dependency_error_threshold"},
		{`"dependency_tracking": {"dependency_error_threshold": 3}`, `"dependency_tracking": {"dependency_error_threshold": 2}`, ""},
		{`"dependency_tracking": {"dependency_error_threshold": 2}, "reprocessing_policy": "automatic"`, ``, ""},
	} {
		st := memory(t)
		put(t, st, "in", entities(t, `[{"_id": "1", "ref": "a1"}, {"_id": "2", "ref": "a1"}, {"_id": "3", "ref": "a1"}]`), true)
		put(t, st, "a", entities(t, `{"_id": "a1", "n": 1}`), true)
		e := open(t, st, parse(t, fmt.Sprintf(`[{"_id": "node", "type": "metadata" %s}, {"_id": "out", "type": "pipe", %s, %s}]`, strings.TrimRight(", "+c.node, ", "), c.pipe, joined[0])))
		runPipe(t, e, false)
		put(t, st, "a", entities(t, `{"_id": "a1", "n": 2}`), true)
		p, _ := e.Pipe("out")
		for range 2 {
			_, err := p.Run(t.Context(), false)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%s %s: %v", c.pipe, c.node, err)
			}
		}
		if c.fails != "" {
			runPipe(t, e, true)
		}
		if n := runPipe(t, e, false); n != 0 || strings.Count(live(t, st, "out"), `"found":[2]`) != 3 {
			t.Errorf("%s %s: %d read again, leaving\n%s", c.pipe, c.node, n, live(t, st, "out"))
		}
	}
}

// With enable_hops_thresholds a join that finds too much fails by itself.
func TestHopsThreshold(t *testing.T) {
	st := memory(t)
	put(t, st, "in", entities(t, `{"_id": "1", "n": 1}`), true)
	put(t, st, "a", entities(t, `[{"_id": "a1", "n": 1}, {"_id": "a2", "n": 1}]`), true)
	for limits, fails := range map[string]bool{`true, "dependency_error_threshold": 1`: true, `true`: false, `false, "dependency_error_threshold": 1`: false} {
		e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", "dependency_tracking": {"enable_hops_thresholds": `+limits+`}, "source": {"type": "dataset", "dataset": "in"},
			"transform": {"type": "dtl", "rules": {"default": [["add", "f", ["hops", {"datasets": ["a a"], "where": ["eq", "_S.n", "a.n"]}]]]}}}]`))
		p, _ := e.Pipe("out")
		_, err := p.Run(t.Context(), true)
		if failed := err != nil && strings.Contains(err.Error(), "dependency_error_threshold"); failed != fails {
			t.Errorf("%s: %v", limits, err)
		}
	}
}

// What cannot be tracked is said when the configuration is checked.
func TestTrackingWarnings(t *testing.T) {
	hop := `{"type": "dtl", "rules": {"default": [["add", "f", ["hops", {"datasets": ["a a"], "where": ["eq", "_S.n", "a.n"]}]]]}}`
	for pipe, want := range map[string]string{
		`"source": {"type": "dataset", "dataset": "in"}, "transform": ` + hop:                                                                      "",
		`"source": {"type": "dataset", "dataset": "in"}, "transform": [` + hop + `, {"type": "dtl", "rules": {"default": [["copy", "*"]]}}]`:       "",
		`"source": {"type": "dataset", "dataset": "in"}, "transform": [{"type": "dtl", "rules": {"default": [["copy", "*"]]}}, ` + hop + `]`:       "an earlier transform",
		`"source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "chained", "transforms": [{"type": "emit_children"}, ` + hop + `]}`: "an earlier transform",
		`"source": {"type": "merge_datasets", "datasets": ["in", "b"]}, "transform": ` + hop:                                                       `source of type "dataset"`,
		`"source": {"type": "dataset", "dataset": "in"}, "add_namespaces": true, "namespaced_identifiers": true, "transform": ` + hop:              `"add_namespaces"`,
	} {
		finds := engine.Check(t.Context(), parse(t, `[{"_id": "out", "type": "pipe", `+pipe+`}]`), sets(t))
		got := ""
		for _, f := range finds {
			if f.Rule == "hops/tracking" && f.Span.Start.Line > 0 {
				got += f.Message
			}
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\nwarns %q, want %q", pipe, got, want)
		}
	}
}

// A pipe starts by itself when what it hops to changes.
func TestTrackingIsSignalled(t *testing.T) {
	conf := `[{"_id": "out", "type": "pipe", ` + joined[0] + `}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `{"_id": "1", "ref": "a1"}`), true)
		put(t, w.st, "a", entities(t, `{"_id": "a1", "n": 1}`), true)
		w.e.Start()
		for n := 1; n < 4; n++ {
			put(t, w.st, "a", entities(t, fmt.Sprintf(`{"_id": "a1", "n": %d}`, n)), true)
			w.pass(time.Second)
			if got := live(t, w.st, "out"); !strings.Contains(got, fmt.Sprintf(`"found":[%d]`, n)) {
				t.Errorf("after a1 became %d\n%s", n, got)
			}
		}
	})
}

// A pipe that hops to what it writes follows that too, run by run, until nothing
// changes any more; it does not start itself.
func TestTrackingOwnSink(t *testing.T) {
	conf := `[{"_id": "out", "type": "pipe", "batch_size": 1, "source": {"type": "dataset", "dataset": "in"}, "sink": {"set_initial_offset": "onload"},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "path", ["concat", ["flatten", ["list", ["hops", {"datasets": ["out o"], "where": ["eq", "_S.ref", "o._id"], "return": "o.path"}], "_S._id"]]]]]}}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `[{"_id": "3", "ref": "2"}, {"_id": "2", "ref": "1"}, {"_id": "1"}]`), true)
		w.e.Start()
		w.pass(time.Second)
		if _, last, err := w.st.Head(t.Context(), "out"); err != nil || last > 3 {
			t.Errorf("it has started itself: %d versions, %v", last+1, err)
		}
		w.pass(5 * time.Minute)
		got := live(t, w.st, "out")
		for _, want := range []string{`"path":"1"`, `"path":"12"`, `"path":"123"`} {
			if !strings.Contains(got, want) {
				t.Errorf("there is no %s in\n%s", want, got)
			}
		}
	})
}
