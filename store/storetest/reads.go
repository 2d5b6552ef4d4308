package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// history writes versions of ids 0..9 in three batches, the even ones twice.
func history(t *testing.T, s store.Store) {
	var first, second []string
	for i := range 10 {
		first = append(first, fmt.Sprintf(`{"_id":"%d","v":1}`, i))
		if i%2 == 0 {
			second = append(second, fmt.Sprintf(`{"_id":"%d","v":2}`, i))
		}
	}
	Write(t, s, "d", Puts(t, first[:6]...)...)
	Write(t, s, "d", Puts(t, first[6:]...)...)
	Write(t, s, "d", Puts(t, second...)...)
}

func ids(list []entity.Value) string {
	var out []string
	for _, e := range list {
		id, _ := entity.ID(e)
		v, _ := e.Get("v")
		out = append(out, id+"."+v.String())
	}
	return strings.Join(out, " ")
}

func testPages(t *testing.T, s store.Store) {
	create(t, s, "d")
	page, err := s.Read(t.Context(), "d", store.Query{Since: store.Start}, nil)
	if err != nil || !page.End || page.Next != store.Start || len(page.Entities) > 0 {
		t.Errorf("empty: %+v %v", page, err)
	}
	history(t, s)
	for limit := range 20 {
		latest, next := ReadAll(t, s, "d", store.Query{Since: store.Start, Limit: limit})
		want(t, fmt.Sprint("latest by ", limit), ids(latest), "1.1 3.1 5.1 7.1 9.1 0.2 2.2 4.2 6.2 8.2")
		more, again := ReadAll(t, s, "d", store.Query{Since: next, Limit: limit})
		if len(more) > 0 || again != next {
			t.Errorf("behind the end: %s, %d after %d", ids(more), again, next)
		}
		all, _ := ReadAll(t, s, "d", store.Query{Since: store.Start, Limit: limit, History: true})
		want(t, fmt.Sprint("history by ", limit), ids(all), "0.1 1.1 2.1 3.1 4.1 5.1 6.1 7.1 8.1 9.1 0.2 2.2 4.2 6.2 8.2")
	}
	all, _ := ReadAll(t, s, "d", store.Query{Since: store.Start, History: true})
	mid := store.Offset(number(t, all[4], "_updated"))
	rest, _ := ReadAll(t, s, "d", store.Query{Since: mid})
	want(t, "since", ids(rest), "5.1 7.1 9.1 0.2 2.2 4.2 6.2 8.2")
	page, err = s.Read(t.Context(), "d", store.Query{Since: mid, Limit: 1 << 40}, entity.NewArena())
	if err != nil || len(page.Entities) != 8 || !page.End {
		t.Errorf("large limit: %+v %v", page, err)
	}
}

func testReverse(t *testing.T, s store.Store) {
	create(t, s, "d")
	page, err := s.Read(t.Context(), "d", store.Query{Since: store.Start, Reverse: true}, nil)
	if err != nil || !page.End || len(page.Entities) > 0 {
		t.Errorf("empty: %+v %v", page, err)
	}
	history(t, s)
	for limit := range 20 {
		q := store.Query{Since: store.Start, Limit: limit, Reverse: true}
		latest, next := ReadAll(t, s, "d", q)
		want(t, fmt.Sprint("latest by ", limit), ids(latest), "8.2 6.2 4.2 2.2 0.2 9.1 7.1 5.1 3.1 1.1")
		q.Since = next
		if more, _ := ReadAll(t, s, "d", q); len(more) > 0 {
			t.Errorf("before the beginning: %s", ids(more))
		}
		all, _ := ReadAll(t, s, "d", store.Query{Since: store.Start, Limit: limit, Reverse: true, History: true})
		want(t, fmt.Sprint("history by ", limit), ids(all), "8.2 6.2 4.2 2.2 0.2 9.1 8.1 7.1 6.1 5.1 4.1 3.1 2.1 1.1 0.1")
	}
}

func testGet(t *testing.T, s store.Store) {
	history(t, s)
	got, err := s.Get(t.Context(), "d", []string{"4", "none", "5", "4", ""}, entity.NewArena())
	if err != nil {
		t.Fatal(err)
	}
	if ids(got[:1]) != "4.2" || !got[1].IsNull() || ids(got[2:4]) != "5.1 4.2" || !got[4].IsNull() {
		t.Errorf("got %v", got)
	}
	prev, err := s.GetAt(t.Context(), "d", store.Offset(number(t, got[0], "_previous")), nil)
	if err != nil || ids([]entity.Value{prev}) != "4.1" {
		t.Errorf("previous: %s %v", prev, err)
	}
	for _, at := range []store.Offset{store.Start, 1 << 40} {
		if v, err := s.GetAt(t.Context(), "d", at, nil); err != nil || !v.IsNull() {
			t.Errorf("at %d: %s %v", at, v, err)
		}
	}
	if _, err := s.Get(t.Context(), "none", nil, nil); !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("get from nothing: %v", err)
	}
}

func testStamps(t *testing.T, s store.Store) {
	history(t, s)
	Write(t, s, "e", Puts(t, `{"_id":"a"}`)...)
	all, _ := ReadAll(t, s, "d", store.Query{Since: store.Start, History: true})
	other, _ := ReadAll(t, s, "e", store.Query{Since: store.Start, History: true})
	last, lastAt := int64(0), int64(-1)
	for _, e := range all {
		ts, at := number(t, e, "_ts"), number(t, e, "_updated")
		if ts <= last || at <= lastAt {
			t.Errorf("%s is not after %d, %d", e, last, lastAt)
		}
		last, lastAt = ts, at
	}
	if number(t, other[0], "_ts") <= last {
		t.Errorf("time went back from one dataset to the other")
	}
}

func testFind(t *testing.T, s store.Store) {
	Write(t, s, "d", Puts(t, `{"_id":"z","k":"x"}`, `{"_id":"a","k":["x","y","x"]}`, `{"_id":"none"}`)...)
	ensure(t, s, "d")
	want(t, "backfilled", find(t, s, "d", "x", "y", "q", "x"), "x:a x:z y:a x:a x:z")
	Write(t, s, "d", Puts(t, `{"_id":"a","k":["y","q"]}`, `{"_id":"m","k":"x"}`, `{"_id":"e","k":""}`)...)
	want(t, "kept up to date", find(t, s, "d", "x", "y", "q", ""), "x:m x:z y:a q:a :e")
	Write(t, s, "d", store.Op{Kind: store.Delete, ID: "z"}, put(t, `{"_id":"a","k":"x"}`))
	want(t, "after deletion", find(t, s, "d", "x", "y"), "x:a x:m")
	Write(t, s, "d", put(t, `{"_id":"z","k":"x"}`))
	want(t, "back again", find(t, s, "d", "x", "y"), "x:a x:m x:z")
	long := strings.Repeat("l", 5000)
	Write(t, s, "d", put(t, `{"_id":"l","k":"`+long+`"}`), put(t, `{"_id":"L","k":"`+long+`2"}`))
	want(t, "long keys", find(t, s, "d", long), long+":l")
	n := 0
	err := s.Find(t.Context(), "d", "k", [][]byte{[]byte("x"), []byte("x")}, entity.NewArena(), func(key int, e entity.Value) bool {
		n++
		inner, err := s.Get(t.Context(), "d", []string{"z"}, nil)
		if err != nil || len(inner) != 1 {
			t.Error(err)
		}
		return false
	})
	if err != nil || n != 1 {
		t.Errorf("stopped after %d: %v", n, err)
	}
	indexes := func(want string) {
		t.Helper()
		info, err := s.Info(t.Context(), "d")
		if err != nil || fmt.Sprint(info.Indexes) != want {
			t.Errorf("indexes: %v %v, want %s", info.Indexes, err, want)
		}
	}
	indexes("[k]")
	ix := store.Index{Name: "j", Keys: func(entity.Value, func([]byte)) {}}
	if err := s.EnsureIndex(t.Context(), "d", ix); err != nil {
		t.Fatal(err)
	}
	indexes("[j k]")
	if err := s.Drop(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	Write(t, s, "d", put(t, `{"_id":"a"}`))
	indexes("[]")
}

func testSubset(t *testing.T, s store.Store) {
	Write(t, s, "d", Puts(t, `{"_id":"a","k":"x","v":1}`, `{"_id":"b","k":"y","v":1}`, `{"_id":"c","k":"x","v":1}`)...)
	ensure(t, s, "d")
	q := store.Query{Since: store.Start, Index: "k", Key: []byte("x"), Limit: 1}
	got, next := ReadAll(t, s, "d", q)
	want(t, "at first", ids(got), "a.1 c.1")
	Write(t, s, "d", Puts(t, `{"_id":"b","k":"x","v":2}`, `{"_id":"a","k":"y","v":2}`, `{"_id":"q","k":"y","v":2}`)...)
	Write(t, s, "d", Puts(t, `{"_id":"a","k":"z","v":3}`)...)
	Write(t, s, "d", store.Op{Kind: store.Delete, ID: "c"})
	q.Since = next
	got, last := ReadAll(t, s, "d", q)
	want(t, "later", plains(got), `{"_id":"b","k":"x","v":2}
{"_id":"a","k":"y","v":2,"_deleted":true}
{"_id":"c","k":"x","v":1,"_deleted":true}`)
	q.Since = last
	if more, _ := ReadAll(t, s, "d", q); len(more) > 0 {
		t.Errorf("behind the end: %s", ids(more))
	}
	q.Since, q.History = store.Start, true
	got, _ = ReadAll(t, s, "d", q)
	want(t, "history", ids(got), "a.1 c.1 b.2 a.2 c.1")
	q.Reverse = true
	got, _ = ReadAll(t, s, "d", q)
	want(t, "history back", ids(got), "c.1 a.2 b.2 c.1 a.1")
	q.Since, q.History = next, false
	got, _ = ReadAll(t, s, "d", q)
	want(t, "back from the middle", ids(got), "")
}

func testIndexErrors(t *testing.T, s store.Store) {
	create(t, s, "d")
	q := store.Query{Since: store.Start, Index: "none"}
	if _, err := s.Read(t.Context(), "d", q, nil); !errors.Is(err, store.ErrNoIndex) {
		t.Errorf("read: %v", err)
	}
	if err := s.Find(t.Context(), "d", "none", nil, nil, nil); !errors.Is(err, store.ErrNoIndex) {
		t.Errorf("find: %v", err)
	}
	if err := s.EnsureIndex(t.Context(), "none", ByKey()); !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("ensure: %v", err)
	}
	ensure(t, s, "d")
	Write(t, s, "d", put(t, `{"_id":"a","k":"x"}`))
	if err := s.Drop(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	create(t, s, "d")
	if err := s.Find(t.Context(), "d", "k", nil, nil, nil); !errors.Is(err, store.ErrNoIndex) {
		t.Errorf("an index outlived its dataset: %v", err)
	}
	ensure(t, s, "d")
	want(t, "found in the new generation", find(t, s, "d", "x"), "")
}
