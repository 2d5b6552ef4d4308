package stdlib_test

import (
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
