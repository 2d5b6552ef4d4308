package local

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"unsafe"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// TestRefusedLeavesNoTrace has a batch refused that left room in a copied dataset
// and began to write to another one: the batch behind it in the same group is
// written whole.
func TestRefusedLeavesNoTrace(t *testing.T) {
	s := open(t, "", Options{InMemory: true})
	for _, name := range []string{"a", "copy"} {
		if _, err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	op := func(id string) store.Op {
		return store.Op{Entity: storetest.Parse(t, `{"_id":"`+id+`"}`)}
	}
	placed := op("p")
	placed.Place = &store.Place{At: 5, Previous: store.Start}
	refused := &store.Batch{Writes: []store.Write{
		{Dataset: "copy", Ops: []store.Op{placed}}, {Dataset: "a", Ops: []store.Op{op("x")}}, {Dataset: "none", Ops: []store.Op{op("x")}},
	}}
	kept := &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: []store.Op{op("y")}}}}

	gate := make(chan struct{})
	s.tasks <- func() { <-gate } // until both are there, so that they make one group
	first, err := s.Append(t.Context(), refused)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Append(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	close(gate)
	if _, err := first.Wait(t.Context()); !errors.Is(err, store.ErrNoDataset) {
		t.Errorf("got %v, want %v", err, store.ErrNoDataset)
	}
	if _, err := second.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	found, err := s.Get(t.Context(), "a", []string{"x", "y"}, entity.NewArena())
	if err != nil || found[0].Object() != nil || found[1].Object() == nil {
		t.Errorf("found %v, %v", found, err)
	}
	if info, _ := s.Info(t.Context(), "copy"); info.Last != store.Start {
		t.Errorf("the copy ends at %d", info.Last)
	}
}

// TestMemoryServesAgain has the memory of a batch used for something else as soon as
// it was handed over: what is deleted is what was asked for.
func TestMemoryServesAgain(t *testing.T) {
	s := open(t, "", Options{InMemory: true})
	storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"one"}`, `{"_id":"two"}`)...)
	gate := make(chan struct{})
	s.tasks <- func() { <-gate }
	id, key := []byte("one"), []byte("key")
	p, err := s.Append(t.Context(), &store.Batch{
		Writes: []store.Write{{Dataset: "a", Ops: []store.Op{{Kind: store.Delete, ID: unsafe.String(&id[0], 3)}}}},
		State:  []store.StateWrite{{Key: unsafe.String(&key[0], 3), Value: []byte("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	copy(id, "two")
	copy(key, "yek")
	close(gate)
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := s.Get(t.Context(), "a", []string{"one", "two"}, entity.NewArena())
	if err != nil || !entity.Deleted(found[0]) || entity.Deleted(found[1]) {
		t.Errorf("found %v, %v", found, err)
	}
	if keys, err := s.States(t.Context(), ""); err != nil || len(keys) != 1 || keys[0] != "key" {
		t.Errorf("states %v, %v", keys, err)
	}
}

// TestCallersGather has many hand something over as soon as they may run: those who are
// about to come along with the first one.
func TestCallersGather(t *testing.T) {
	const callers, rounds = 32, 20
	s := open(t, "", Options{InMemory: true})
	if _, err := s.Create(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	frames := func() (n uint64) {
		done := make(chan struct{})
		s.tasks <- func() { n = s.log.end.seq; close(done) }
		<-done
		return n
	}
	before := frames()
	// With one processor, who may run stands in a queue.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for round := range rounds {
		gate := make(chan struct{})
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				<-gate
				entity := storetest.Parse(t, `{"_id":"`+strconv.Itoa(round*callers+i)+`"}`)
				p, err := s.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: []store.Op{{Entity: entity}}}}})
				if err == nil {
					_, err = p.Wait(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		close(gate)
		all.Wait()
	}
	if n := frames() - before; n > rounds*callers/4 {
		t.Errorf("%d groups for %d callers", n, rounds*callers)
	}
}
