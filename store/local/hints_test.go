package local

import (
	"testing"

	"github.com/sluiceio/sluice/store/storetest"
)

// What a dataset had replaced before it was dropped is not told to one of the same
// name: an index that is made of that one would look for its versions there.
func TestHintsOfADroppedDataset(t *testing.T) {
	s := open(t, "", Options{InMemory: true})
	storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"x","k":["1"]}`, `{"_id":"y"}`)...)
	before := s.datasets["a"]
	if err := s.Drop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"x","k":["2"]}`)...)
	if err := s.EnsureIndex(t.Context(), "a", storetest.ByKey()); err != nil {
		t.Fatal(err)
	}
	now := s.datasets["a"]
	late := []*openSection{{d: before, first: 1, table: []uint32{0}, hints: []hint{{by: 1, loc: location{seg: 1, pos: 64, size: 50}}}}}
	if err := s.inWriter(t.Context(), func() error {
		s.kickIndexer(late)
		now.hints.mu.Lock()
		defer now.hints.mu.Unlock()
		if len(now.hints.list) > 0 {
			t.Errorf("it was told %+v", now.hints.list)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	storetest.Write(t, s, "a", storetest.Puts(t, `{"_id":"x","k":["1"]}`)...) // at the offset of the hint
	m := storetest.NewModel()
	m.Datasets["a"] = &storetest.ModelDataset{Log: []storetest.ModelVersion{
		{ID: "x", Body: `{"_id":"x","k":["2"]}`, Prev: -1}, {ID: "x", Body: `{"_id":"x","k":["1"]}`, Prev: 0}}}
	m.Check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
