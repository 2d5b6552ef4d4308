package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/store"
)

func testState(t *testing.T, s store.Store) {
	set := func(key string, value []byte, ifRev uint64) (uint64, error) {
		r, err := Commit(t.Context(), s, &store.Batch{State: []store.StateWrite{{Key: key, Value: value, IfRev: ifRev}}})
		if err != nil {
			return 0, err
		}
		return r.Revs[0], nil
	}
	check := func(key, value string, rev uint64) {
		t.Helper()
		v, r, err := s.State(t.Context(), key)
		if err != nil || string(v) != value || r != rev {
			t.Errorf("%s is %q at %d (%v), want %q at %d", key, v, r, err, value, rev)
		}
	}
	check("p/a", "", 0)
	first, err := set("p/a", []byte("1"), 0)
	if err != nil || first == 0 {
		t.Fatal(first, err)
	}
	check("p/a", "1", first)
	if _, err := set("p/a", []byte("2"), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("over an unread state: %v", err)
	}
	second, err := set("p/a", []byte("2"), first)
	if err != nil || second == first {
		t.Fatal(second, err)
	}
	if _, err := set("p/a", []byte("3"), first); !errors.Is(err, store.ErrConflict) {
		t.Errorf("old revision: %v", err)
	}
	if _, err := set("p/a", []byte{}, store.AnyRev); err != nil {
		t.Fatal(err)
	}
	v, rev, _ := s.State(t.Context(), "p/a")
	if v == nil || len(v) != 0 || rev == second {
		t.Errorf("empty state: %v at %d", v, rev)
	}
	for _, k := range []string{"p/c", "p/b", "q", "p0"} {
		if _, err := set(k, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := s.States(t.Context(), "p/")
	want(t, "keys", fmt.Sprint(keys, err), "[p/a p/b p/c] <nil>")
	if _, err := set("p/a", nil, rev); err != nil {
		t.Fatal(err)
	}
	check("p/a", "", 0)
	keys, _ = s.States(t.Context(), "")
	want(t, "all keys", fmt.Sprint(keys), "[p/b p/c p0 q]")
	third, err := set("p/a", []byte("x"), 0)
	if err != nil || third == first || third == second {
		t.Errorf("a revision was used again: %d %v", third, err)
	}
}

func testConflict(t *testing.T, s store.Store) {
	Write(t, s, "d", Puts(t, `{"_id":"a"}`)...)
	commit := func(value, id string, ifRev uint64) error {
		_, err := Commit(t.Context(), s, &store.Batch{
			Writes:   []store.Write{{Dataset: "d", Ops: Puts(t, `{"_id":"`+id+`"}`, `{"_id":"a","by":"`+id+`"}`)}},
			State:    []store.StateWrite{{Key: "free", Value: []byte(value), IfRev: store.AnyRev}, {Key: "o", Value: []byte(value), IfRev: ifRev}},
			Populate: []string{"d"},
		})
		return err
	}
	if err := commit("1", "x", 5); !errors.Is(err, store.ErrConflict) {
		t.Errorf("conflict: %v", err)
	}
	info, _ := s.Info(t.Context(), "d")
	free, _, _ := s.State(t.Context(), "free")
	if info.Versions != 1 || info.Populated || free != nil {
		t.Errorf("a refused batch left %+v, %q", info, free)
	}
	if err := commit("2", "y", 0); err != nil {
		t.Fatal(err)
	}
	info, _ = s.Info(t.Context(), "d")
	v, _, _ := s.State(t.Context(), "o")
	if info.Versions != 3 || !info.Populated || string(v) != "2" {
		t.Errorf("committed: %+v %q", info, v)
	}
}

func testWatch(t *testing.T, s store.Store) {
	create(t, s, "a")
	w, idle := s.Watch(), s.Watch()
	defer idle.Close()
	Write(t, s, "a", Puts(t, `{"_id":"1"}`)...)
	Write(t, s, "a", Puts(t, `{"_id":"2"}`)...)
	Write(t, s, "b", Puts(t, `{"_id":"1"}`)...)
	set := map[string]bool{}
	for len(set) < 2 {
		names, err := w.Next(t.Context())
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, n := range names {
			set[n] = true
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	w2 := s.Watch()
	cancel()
	if names, err := w2.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("next with a cancelled context: %v %v", names, err)
	}
	w.Close()
	w2.Close()
	for {
		if _, err := w.Next(t.Context()); err != nil {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("next after close: %v", err)
			}
			break
		}
	}
	got, err := idle.Next(t.Context())
	want(t, "coalesced", fmt.Sprint(got, err), "[a b] <nil>")
}
