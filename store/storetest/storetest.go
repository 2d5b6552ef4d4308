// Package storetest holds the tests that every engine behind package store
// passes, and a model in memory that says what a store should answer.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Run runs the suite. Open returns an empty store of its own for each test;
// the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Datasets", testDatasets}, {"Outcomes", testOutcomes}, {"Tombstones", testTombstones},
		{"StoredForm", testStoredForm}, {"SameBatch", testSameBatch}, {"Pages", testPages},
		{"Reverse", testReverse}, {"Get", testGet}, {"Stamps", testStamps}, {"Find", testFind},
		{"Subset", testSubset}, {"IndexErrors", testIndexErrors}, {"State", testState},
		{"Conflict", testConflict}, {"Watch", testWatch}, {"Concurrent", testConcurrent},
		{"Places", testPlaces}, {"ArenaMayBeReset", testArena}, {"Closed", testClosed}, {"Model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			c.test(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// Parse returns the entity a JSON text stands for.
func Parse(t testing.TB, text string) entity.Value {
	t.Helper()
	v, err := entity.DecodeString(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// Puts returns Put ops for JSON texts.
func Puts(t testing.TB, texts ...string) []store.Op {
	t.Helper()
	ops := make([]store.Op, len(texts))
	for i, text := range texts {
		ops[i].Entity = Parse(t, text)
	}
	return ops
}

// Write appends ops to a dataset, which is made if there is none, and waits.
func Write(t testing.TB, s store.Store, dataset string, ops ...store.Op) store.Result {
	t.Helper()
	create(t, s, dataset)
	r, err := Commit(t.Context(), s, &store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: ops}}})
	if err != nil {
		t.Fatalf("append to %s: %v", dataset, err)
	}
	return r
}

// Commit appends a batch and waits for it.
func Commit(ctx context.Context, s store.Store, b *store.Batch) (store.Result, error) {
	p, err := s.Append(ctx, b)
	if err != nil {
		return store.Result{}, err
	}
	return p.Wait(ctx)
}

func create(t testing.TB, s store.Store, dataset string) store.Info {
	t.Helper()
	info, err := s.Create(t.Context(), dataset)
	if err != nil {
		t.Fatalf("create %s: %v", dataset, err)
	}
	return info
}

// ReadAll returns the pages of a query from its Since to the end, and where
// they end.
func ReadAll(t testing.TB, s store.Store, dataset string, q store.Query) ([]entity.Value, store.Offset) {
	t.Helper()
	var all []entity.Value
	for range 100000 {
		page, err := s.Read(t.Context(), dataset, q, nil)
		if err != nil {
			t.Fatalf("read %s %+v: %v", dataset, q, err)
		}
		all = append(all, page.Entities...)
		if q.Since = page.Next; page.End {
			return all, q.Since
		}
	}
	t.Fatalf("read %s: no end", dataset)
	return nil, 0
}

// plain is an entity without what the store adds, as JSON.
func plain(v entity.Value) string {
	c := v.Clone()
	for _, k := range []string{entity.UpdatedKey, entity.PreviousKey, entity.TSKey, entity.HashKey} {
		c.Object().Delete(k)
	}
	return c.String()
}

func plains(list []entity.Value) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = plain(v)
	}
	return strings.Join(texts, "\n")
}

func number(t testing.TB, v entity.Value, key string) int64 {
	t.Helper()
	m, _ := v.Get(key)
	n, ok := m.Int64()
	if !ok {
		t.Fatalf("%s of %s is no int", key, v)
	}
	return n
}

func want(t testing.TB, what, got, wanted string) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s:\n got %.2000s\nwant %.2000s", what, got, wanted)
	}
}

// ByKey is an index over the member k: a string or a list of strings.
func ByKey() store.Index {
	return store.Index{Name: "k", Keys: func(e entity.Value, emit func([]byte)) {
		v, _ := e.Get("k")
		for _, k := range v.Elems() {
			emit([]byte(k.Text()))
		}
		if v.Kind() == entity.String {
			emit([]byte(v.Text()))
		}
	}}
}

func ensure(t testing.TB, s store.Store, dataset string) {
	t.Helper()
	if err := s.EnsureIndex(t.Context(), dataset, ByKey()); err != nil {
		t.Fatalf("index of %s: %v", dataset, err)
	}
}

func find(t testing.TB, s store.Store, dataset string, keys ...string) string {
	t.Helper()
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		raw[i] = []byte(k)
	}
	var got []string
	err := s.Find(t.Context(), dataset, "k", raw, nil, func(key int, e entity.Value) bool {
		id, _ := entity.ID(e)
		got = append(got, fmt.Sprintf("%s:%s", keys[key], id))
		return true
	})
	if err != nil {
		t.Fatalf("find in %s: %v", dataset, err)
	}
	return strings.Join(got, " ")
}

func names(infos []store.Info) []string {
	list := make([]string, len(infos))
	for i, info := range infos {
		list[i] = info.Name
	}
	return slices.Clip(list)
}
