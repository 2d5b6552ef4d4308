package stdlib_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// tracked are rules with hops of every shape that can be gone through
// backwards. Datasets A, B and C have entities with the properties x, y and z,
// which hold values, lists and ids of one another.
var tracked = []string{
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.x", "a._id"]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S._id", "a.z"]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a", "B b"], "where": [["eq", "_S.x", "a.y"], ["eq", "a.x", "b.z"], ["gt", "b.x", 1]], "return": "b.x"}]]]`,
	`[["add", "r", ["count", ["hops", {"datasets": ["B b", "A a"], "where": [["eq", "b._id", "a.x"], ["eq", "_S.z", "a.z"]]}]]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"]}, {"datasets": ["B b"], "where": ["eq", "_S.z", "b.x"]}, {"datasets": ["C c"], "where": ["eq", "_S._id", "c.z"]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.z", "a._id"], "recurse": true}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.z", "a._id"], "recurse": true, "exclude_root": true, "max_depth": 3}, {"datasets": ["B b"], "where": ["eq", "_S.x", "b.y"]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", ["tuples", "_S.x", "_S.y"], ["tuples", "a.y", "a.x"]]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"], "return": ["dict", "a", "a._id", "b", ["hops", {"datasets": ["B b"], "where": [["eq", "a.x", "b.y"], ["eq", "_S.x", "b.x"]]}]]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": [["eq", "_S.x", "a.y"], ["is-not-empty", ["hops", {"datasets": ["C c"], "where": ["eq", "c.z", "a._id"]}]]]}]]]`,
	`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"], "subsets": {"a": ["eq", "_S.x", 1]}}]]]`,
	`[["if", ["is-empty", ["hops", {"datasets": ["A a"], "where": ["eq", ["plus", "_S.x", 1], "a.y"]}]], ["filter"]]]`,
}

// applied are rules that are applied to what hops find.
var applied = []string{
	`{"default": [["add", "r", ["apply-hops", "one", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"]}]]],
	  "one": [["copy", "_id"], ["add", "b", ["hops", {"datasets": ["B b"], "where": ["eq", "_S.z", "b._id"]}]]]}`,
	`{"default": [["add", "r", ["apply-hops", "one", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"]}]]],
	  "one": [["add", "b", ["hops", {"datasets": ["B b"], "where": ["eq", "_P._S.y", "b.y"]}]],
	          ["add", "c", ["apply-hops", "two", {"datasets": ["C c"], "where": ["eq", "_S.z", "c.z"]}]]],
	  "two": [["add", "b", ["hops", {"datasets": ["B b"], "where": [["eq", "_P._P._S.x", "b.x"]]}]],
	          ["add", "a", ["hops", {"datasets": ["A a"], "where": [["eq", "_R._S.z", "a._id"]]}]],
	          ["add", "d", ["hops", {"datasets": ["C a"], "where": [["eq", "_P._S.x", "a.y"]]}]]]}`,
	`{"default": [["add", "r", ["apply-hops", "down", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"]}]]],
	  "down": [["add", "i", "_S._id"], ["if", ["lt", "_S.x", 2], ["add", "r", ["apply-hops", "down", {"datasets": ["A a"], "where": [["eq", "_S.z", "a._id"], ["gt", "a.x", "_S.x"]]}]]]]}`,
	`{"default": [["add", "r", ["apply-hops", "one", {"datasets": ["A a", "B b"], "where": [["eq", "_S.x", "a.y"], ["eq", "a.x", "b.x"]], "return": "a, b"}]]],
	  "one": [["copy", "_id"], ["add", "c", ["hops", {"datasets": ["C c"], "where": ["eq", "_S.z", "c._id"]}]]]}`,
}

func allTracked() []string {
	all := slices.Clone(applied)
	for _, rule := range tracked {
		all = append(all, `{"default": `+rule+`}`)
	}
	return all
}

func compileRules(t testing.TB, l *dtl.Lib, src string) *dtl.Program {
	t.Helper()
	n, errs := jsonpos.Parse("rules", []byte(src))
	if errs != nil {
		t.Fatalf("%s: %v", src, errs[0])
	}
	p, finds := dtl.CompileRules(n, dtl.Options{Lib: l})
	if p == nil {
		t.Fatalf("%s: %s", src, messages(finds))
	}
	return p
}

// world is three datasets and a source of random entities.
type world struct {
	r *rand.Rand
	h *dtl.MemHost
}

func newWorld(seed uint64) *world {
	w := &world{rand.New(rand.NewPCG(seed, 7)), &dtl.MemHost{Datasets: map[string][]entity.Value{}}}
	for _, name := range []string{"A", "B", "C", "S"} {
		w.h.Datasets[name] = nil
		for i := range 5 {
			w.h.Datasets[name] = append(w.h.Datasets[name], w.entity(name, i))
		}
	}
	return w
}

func (w *world) value() entity.Value {
	switch w.r.IntN(8) {
	case 0:
		return entity.Value{}
	case 1:
		return entity.NewList(w.value(), entity.NewInt(int64(w.r.IntN(3))))
	case 2:
		return entity.NewFloat(float64(w.r.IntN(3)))
	case 3, 4:
		return entity.NewString(fmt.Sprint("ABCS"[w.r.IntN(4):][:1], w.r.IntN(3)))
	default:
		return entity.NewInt(int64(w.r.IntN(3)))
	}
}

func (w *world) entity(dataset string, i int) entity.Value {
	ids := []entity.Value{entity.NewString(fmt.Sprint("ABCS"[w.r.IntN(4):][:1], w.r.IntN(5))), entity.NewString(fmt.Sprint("A", w.r.IntN(5)))}
	return entity.NewDict(
		entity.Member{Key: "_id", Value: entity.NewString(fmt.Sprint(dataset, i))},
		entity.Member{Key: "_deleted", Value: entity.NewBool(w.r.IntN(5) == 0)},
		entity.Member{Key: "x", Value: w.value()}, entity.Member{Key: "y", Value: w.value()},
		entity.Member{Key: "z", Value: entity.NewList(ids[:w.r.IntN(3)]...)})
}

// results are what the program makes of each live source entity.
func (w *world) results(t testing.TB, p *dtl.Program) map[string]string {
	t.Helper()
	run, all := dtl.NewRun(p, w.h), map[string]string{}
	for _, s := range w.h.Datasets["S"] {
		if entity.Deleted(s) {
			continue
		}
		out, err := run.TransformOne(t.Context(), s, entity.NewDict(), entity.NewArena())
		if err != nil && !strings.Contains(err.Error(), `no string "_id"`) {
			t.Fatal(err)
		}
		id, _ := entity.ID(s)
		all[id] = fmt.Sprint(out)
	}
	return all
}

// Every source entity whose result differs after a change is found by going
// back from the two versions of what changed.
func TestInverseFindsWhatChanges(t *testing.T) {
	l := lib(t)
	for i, src := range allTracked() {
		p := compileRules(t, l, src)
		inverse, finds := p.Inverse("S")
		if len(finds) > 0 || inverse == nil {
			t.Fatalf("rules %d: %s", i, messages(finds))
		}
		const histories = 400
		differ, found := 0, 0
		for seed := range uint64(histories) {
			w := newWorld(seed)
			name := inverse.Datasets()[w.r.IntN(len(inverse.Datasets()))]
			at := w.r.IntN(5)
			before := w.results(t, p)
			old := w.h.Datasets[name][at]
			changed := w.entity(name, at)
			w.h.Datasets[name] = slices.Clone(w.h.Datasets[name])
			w.h.Datasets[name][at] = changed
			after := w.results(t, p)
			got := goBack(t, inverse.Walk(w.h), name, old, changed)
			found += len(got)
			for id := range after {
				if before[id] != after[id] {
					differ++
					if !got[id] {
						t.Errorf("rules %d, seed %d: %s of %s\n%s\n became\n%s\nwhich concerns %s, but found was %v", i, seed, changed, name, old, changed, id, slices.Sorted(maps.Keys(got)))
					}
				}
			}
		}
		if differ < 5 || found > 4*histories {
			t.Errorf("rules %d: %d results differ and %d were found, which shows nothing", i, differ, found)
		}
	}
}

func goBack(t testing.TB, w *dtl.Walk, dataset string, versions ...entity.Value) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	for _, v := range versions {
		err := w.From(context.Background(), dataset, v, func(id string, source bool, _ int) error {
			if source {
				got[id] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// What cannot be gone through backwards is said, at its place.
func TestInverseWarns(t *testing.T) {
	l := lib(t)
	for _, c := range [][2]string{
		{`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_T.x", "a.y"]}]]]`, `joined with "_T."`},
		{`[["add", "r", ["map", ["hops", {"datasets": ["A a"], "where": ["eq", "_.x", "a.y"]}], "_S.z"]]]`, `joined with "_."`},
		{`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", ["list", "_S.x", "_T.x"], "a.y"]}]]]`, `several entities at once`},
		{`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", ["concat", "_S.x", ["string", ["now"]]], "a.y"]}]]]`, `now can change`},
		{`[["add", "r", ["hops", {"datasets": ["A a", "B b"], "where": [["eq", "_T.x", "a.y"], ["eq", "a.x", "b.x"]], "track-dependencies": true}]]]`, `"A"`},
		{`[["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_T.x", "a.y"], "track-dependencies": false}]]]`, ``},
	} {
		p := compileRules(t, l, `{"default": `+c[0]+`}`)
		_, finds := p.Inverse("S")
		if got := messages(finds); c[1] == "" && got != "" || !strings.Contains(got, c[1]) || len(finds) > 1 {
			t.Errorf("%s\nwarns %q, want %q", c[0], got, c[1])
		}
		for _, f := range finds {
			if f.Span.Start.Line == 0 || f.Severity.String() != "warning" {
				t.Errorf("%s: the finding has no place or is no warning: %+v", c[0], f)
			}
		}
	}
	untracked := `{"default": [["add", "r", ["hops", {"datasets": ["A a"], "where": ["eq", "_S.x", "a.y"], "track-dependencies": false}, {"datasets": ["B b"], "where": ["eq", "_S.x", "b.y"]}]]]}`
	if inverse, _ := compileRules(t, l, untracked).Inverse("S"); !slices.Equal(inverse.Datasets(), []string{"B"}) {
		t.Errorf("tracked are %v", inverse.Datasets())
	}
}
