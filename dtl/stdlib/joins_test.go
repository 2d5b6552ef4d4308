package stdlib_test

import (
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// TestSeveralJoins: the first join between two aliases is by overlap, also if
// other joins lead to both; a further one between the same two is equality.
func TestSeveralJoins(t *testing.T) {
	datasets := `{"a": [{"_id": "a1", "s": [1, 2], "x": [7, 8]}],
		"b": [{"_id": "b1", "s": [2, 3], "x": [8, 9], "y": "k"}, {"_id": "b2", "s": 2, "x": 5, "y": "k"}, {"_id": "b3", "_deleted": true, "s": 2, "x": 8}]}`
	cases := map[string]string{
		// Both aliases are reached from the source: a and b overlap in x.
		`{"datasets": ["a a", "b b"], "where": [["eq", "_S.s", "a.s"], ["eq", "_S.s", "b.s"], ["eq", "a.x", "b.x"]]}`: `["b1"]`,
		// The second join between a and b is equality, which no b has.
		`{"datasets": ["a a", "b b"], "where": [["eq", "_S.s", "a.s"], ["eq", "a.s", "b.s"], ["eq", "a.x", "b.x"]]}`: `[]`,
		`{"datasets": ["a a", "b b"], "where": [["eq", "_S.s", "a.s"], ["eq", "a.s", "b.s"], ["eq", "b.y", "k"]]}`:   `["b1","b2"]`,
		`{"datasets": ["b b"], "where": ["eq", ["tuples", "_S.s", "_S.k"], ["tuples", "b.s", "b.y"]]}`:               `["b1","b2"]`,
		`{"datasets": ["b b"], "where": ["eq", "_S.none", "b.none"]}`:                                                `[]`,
	}
	h := &dtl.MemHost{Datasets: map[string][]entity.Value{}}
	for _, m := range value(t, []byte(datasets)).Object().Members() {
		h.Datasets[m.Key] = m.Value.Elems()
	}
	source := value(t, []byte(`{"_id": "s", "s": [2.0, 10], "k": "k"}`))
	for spec, want := range cases {
		e, finds := dtl.CompileExpr(node(t, "spec", []byte(`["path", "_id", ["hops", `+spec+`]]`)), nil, dtl.Options{Lib: lib(t)})
		if e == nil {
			t.Fatal(messages(finds))
		}
		got, err := dtl.NewRun(e.Program(), h).Eval(t.Context(), e, source, entity.NewDict(), entity.NewArena())
		if err != nil || got.String() != want {
			t.Errorf("%s\n got %v %v, want %s", spec, got, err, want)
		}
	}
}

// TestTrace: a traced hops tells how many entities each of its joins has found
// at the most, over all entities and runs.
func TestTrace(t *testing.T) {
	rules := `[["add", "x", ["hops", {"datasets": ["a a", "b b"], "where": [["eq", "_S.s", "a.s"], ["eq", "a.s", "b.s"]], "trace": "pairs"}]],
		["add", "y", ["hops", {"datasets": ["b b"], "where": ["eq", "_S.s", "b.s"]}]]]`
	p, finds := dtl.CompileRules(node(t, "rules", []byte(rules)), dtl.Options{Lib: lib(t)})
	if p == nil {
		t.Fatal(messages(finds))
	}
	h := &dtl.MemHost{Datasets: map[string][]entity.Value{
		"a": value(t, []byte(`[{"_id": "a1", "s": 1}, {"_id": "a2", "s": 2}, {"_id": "a3", "s": 2}]`)).Elems(),
		"b": value(t, []byte(`[{"_id": "b1", "s": 1}, {"_id": "b2", "s": 1}, {"_id": "b3", "s": 1}, {"_id": "b4", "s": 2}]`)).Elems(),
	}}
	var j dtl.Joins
	for _, source := range []string{`{"_id": "1", "s": 1}`, `{"_id": "2", "s": 2}`, `{"_id": "3", "s": 3}`} {
		run := dtl.NewRun(p, h)
		run.Observe(&j)
		if _, err := run.TransformOne(t.Context(), value(t, []byte(source)), entity.NewDict(), entity.NewArena()); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(j.Most()); got != "map[pairs:map[a:2 b:3]]" {
		t.Error(got)
	}
}
