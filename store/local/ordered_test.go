package local

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// TestSubsetTellsOnce has an id move between keys: a reader of the newest versions
// of a key hears of it once, as it was when the key was touched last.
func TestSubsetTellsOnce(t *testing.T) {
	for _, c := range []struct {
		keys string // of the versions, one after the other; - is a deletion
		want string // what a reader of key 1 gets: offsets, with ! if gone
	}{
		{"1", "0"},
		{"11", "1"},
		{"12", "1!"},
		{"122", "1!"},
		{"121", "2"},
		{"1212", "3!"},
		{"12122", "3!"},
		{"12112", "4!"},
		{"2", ""},
		{"21", "1"},
		{"1-", "1!"},
		{"1-1", "2"},
		{"12-", "1!"},
		{"12-1", "3"},
	} {
		t.Run(c.keys, func(t *testing.T) {
			s := open(t, "", Options{InMemory: true})
			if _, err := s.Create(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			byK := store.Index{Name: "k", Needs: []string{"k"}, Keys: func(e entity.Value, emit func([]byte)) {
				v, _ := e.Object().Get("k")
				emit(entity.AppendJSON(nil, v))
			}}
			if err := s.EnsureIndex(t.Context(), "a", byK); err != nil {
				t.Fatal(err)
			}
			for i, k := range c.keys {
				e := fmt.Sprintf(`{"_id":"x","k":%c,"n":%d}`, k, i)
				if k == '-' {
					e = `{"_id":"x","_deleted":true}`
				}
				put(t, s, e)
			}
			if got := subset(t, s); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func put(t *testing.T, s *Store, text string) {
	t.Helper()
	e, err := entity.Decode(entity.NewArena(), []byte(text), entity.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: []store.Op{{Entity: e}}}}}
	if _, err := storetest.Commit(t.Context(), s, b); err != nil {
		t.Fatal(err)
	}
}

func subset(t *testing.T, s *Store) string {
	t.Helper()
	page, err := s.Read(t.Context(), "a", store.Query{Since: store.Start, Index: "k", Key: []byte("1")}, entity.NewArena())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range page.Entities {
		at := fmt.Sprint(updated(e))
		if entity.Deleted(e) {
			at += "!"
		}
		list = append(list, at)
	}
	return strings.Join(list, " ")
}
