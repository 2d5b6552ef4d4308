package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// placed returns an op that puts a version at an offset.
func placed(t testing.TB, at, previous store.Offset, text string) store.Op {
	return store.Op{Entity: Parse(t, text), Place: &store.Place{At: at, Previous: previous, TS: 1000 + int64(at)}}
}

func testPlaces(t *testing.T, s store.Store) {
	create(t, s, "a")
	for i, c := range []struct {
		ops  []store.Op
		want string // outcomes, or the error
	}{
		{[]store.Op{placed(t, 2, -1, `{"_id":"x","k":["1"],"n":1}`), placed(t, 5, 2, `{"_id":"x","k":["1"],"n":2}`)}, "[1 2]"},
		{[]store.Op{placed(t, 5, 2, `{"_id":"x","k":["1"],"n":2}`), placed(t, 2, -1, `{"_id":"x","k":["1"],"n":1}`)}, "[0 0]"},
		{[]store.Op{placed(t, 6, 4, `{"_id":"y","k":["1"]}`), placed(t, 7, 2, `{"_id":"z"}`)}, "[1 1]"}, // 4 is empty, 2 is not
		{[]store.Op{placed(t, 9000, -1, `{"_id":"w","k":["1"]}`), {Kind: store.Delete, ID: "z"}, placed(t, 20000, 5, `{"_id":"x","k":[],"_deleted":true}`), {Kind: store.Delete, ID: "w"}}, "[1 3 3 3]"},
		{[]store.Op{placed(t, 20100, 6, `{"_id":"y","k":["1"]}`)}, "[0]"}, // the same as before
		{[]store.Op{placed(t, 19999, 6, `{"_id":"q","k":["1"]}`)}, "passed"},
		{[]store.Op{{Kind: store.Put, Force: true, Entity: Parse(t, `{"_id":"y","k":["1"]}`)}}, "[2]"}, // at 20002
		{[]store.Op{placed(t, 8, -1, `{"_id":"v","_deleted":true}`)}, "[0]"},
		{[]store.Op{placed(t, 20200, -1, `{"_id":"u"}`), placed(t, 8, -1, `{"_id":"v"}`)}, "passed"},
		{[]store.Op{placed(t, 20200, -1, `{"_id":"u"}`), placed(t, 20200, -1, `{"_id":"t"}`)}, "passed"},
		{[]store.Op{placed(t, store.MostPlace+1, -1, `{"_id":"v"}`)}, "between"},
		{[]store.Op{placed(t, -1, -1, `{"_id":"v"}`)}, "between"},
		{[]store.Op{placed(t, store.MostPlace-1, -1, `{"_id":"v","k":["1"]}`), placed(t, store.MostPlace, store.MostPlace-1, `{"_id":"v","k":["1"],"n":2}`)}, "[1 2]"},
	} {
		res, err := Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: c.ops}}})
		if err != nil && strings.Contains(err.Error(), c.want) {
			continue
		}
		if err != nil || fmt.Sprint(res.Outcomes[0]) != c.want {
			t.Errorf("batch %d: %v %v, want %s", i, res.Outcomes, err, c.want)
		}
	}
	checkPlaces(t, s)
	_, err := Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: []store.Op{placed(t, 3, -1, `{"_id":"q"}`)}}}})
	if !errors.Is(err, store.ErrPassed) {
		t.Errorf("an offset that has been passed: %v", err)
	}
}

func checkPlaces(t *testing.T, s store.Store) {
	t.Helper()
	history, next := ReadAll(t, s, "a", store.Query{Since: store.Start, History: true, Limit: 3})
	var got []string
	for _, e := range history {
		id, _ := entity.ID(e)
		before, _ := e.Get(entity.PreviousKey)
		got = append(got, fmt.Sprintf("%s@%d<%s", id, number(t, e, "_updated"), before))
	}
	end := int64(store.MostPlace)
	wanted := fmt.Sprintf("x@2<null x@5<2 y@6<4 z@7<null w@9000<null z@9001<7 x@20000<5 w@20001<9000 y@20002<6 v@%d<null v@%d<%d", end-1, end, end-1)
	want(t, "history", strings.Join(got, " "), wanted)
	latest, _ := ReadAll(t, s, "a", store.Query{Since: 6, Limit: 2})
	back, _ := ReadAll(t, s, "a", store.Query{Since: store.Start, Reverse: true, Limit: 2})
	slices.Reverse(back)
	want(t, "backwards", plains(back), plains(latest))
	info, _ := s.Info(t.Context(), "a")
	if info.Last != store.MostPlace || next != info.Last || info.Versions != 11 || info.Live != 2 || info.Deleted != 3 {
		t.Errorf("info %+v, next %d", info, next)
	}
	if number(t, history[0], "_ts") != 1002 {
		t.Errorf("time stamp of %s", history[0])
	}
	ensure(t, s, "a")
	want(t, "index", find(t, s, "a", "1"), "1:v 1:y")
	for _, at := range []store.Offset{0, 8, 19999, 1 << 20} {
		if v, err := s.GetAt(t.Context(), "a", at, nil); err != nil || !v.IsNull() {
			t.Errorf("at %d: %v %v", at, v, err)
		}
	}
}
