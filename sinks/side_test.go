package sinks

import (
	"context"
	"slices"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// A rescan and incremental runs beside it: who knows better is not overwritten,
// except where they take turns; what only the runs have written stays.
func TestSide(t *testing.T) {
	for _, serial := range []bool{false, true} {
		st, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		s := &datasetSink{store: st, dataset: "d", cfg: &datasetConfig{DeletionTracking: true, MaxEntityBytes: defaultMaxBytes}, side: &Side{}}
		write := func(w Writer, text string) {
			t.Helper()
			v, err := entity.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(t.Context(), &entity.Batch{Arena: entity.NewArena(), Entities: v.Elems()}, nil); err != nil {
				t.Fatal(err)
			}
		}
		start := func(r Run) Writer {
			t.Helper()
			w, err := s.Start(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		write(start(Run{}), `[{"_id":"old","by":"before"},{"_id":"both","by":"before"},{"_id":"gone","by":"before"}]`)
		s.Side().Begin("")
		rescan := start(Run{Kind: Full, Beside: true, Serial: serial})
		run := start(Run{})
		write(rescan, `[{"_id":"first","by":"rescan"}]`)
		write(run, `[{"_id":"first","by":"run"},{"_id":"both","by":"run"},{"_id":"new","by":"run"}]`)
		write(rescan, `[{"_id":"both","by":"rescan"},{"_id":"old","by":"rescan"}]`)
		if _, err := rescan.Finish(t.Context(), Finish{}, nil); err != nil {
			t.Fatal(err)
		}
		s.Side().End()
		want := []string{"both run", "first run", "new run", "old rescan"}
		if serial {
			want[0] = "both rescan"
		}
		if got := liveBy(t.Context(), t, st); !slices.Equal(got, want) {
			t.Errorf("serial %v: %v, want %v", serial, got, want)
		}
		write(run, `[{"_id":"old","by":"later"}]`)
		if got := liveBy(t.Context(), t, st); !slices.Contains(got, "old later") {
			t.Errorf("after the rescan: %v", got)
		}
	}
}

// liveBy lists the live entities with who wrote them.
func liveBy(ctx context.Context, t *testing.T, st store.Store) (all []string) {
	t.Helper()
	page, err := st.Read(ctx, "d", store.Query{Since: store.Start}, entity.NewArena())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entities {
		if id, _ := entity.ID(e); !entity.Deleted(e) {
			by, _ := e.Get("by")
			all = append(all, id+" "+by.Text())
		}
	}
	slices.Sort(all)
	return all
}
