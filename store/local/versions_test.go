package local

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

func TestVersions(t *testing.T) {
	s := open(t, "", Options{InMemory: true})
	storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"a","x":1}`, `{"_id":"b"}`, `{"_id":"a","_deleted":true}`)...)
	var got []string
	next, end, err := s.Versions(t.Context(), "d", store.Query{Since: store.Start, History: true}, nil, func(v *Version) error {
		got = append(got, fmt.Sprintf("%d<%d %s %v %s", v.Offset, v.Previous, v.ID, v.Deleted, v.JSON))
		return nil
	})
	want := `0<-1 a false {"_id":"a","x":1}|1<-1 b false {"_id":"b"}|2<0 a true {"_id":"a","_deleted":true}`
	if strings.Join(got, "|") != want || next != 2 || !end || err != nil {
		t.Error(got, next, end, err)
	}
	stop := errors.New("enough")
	if _, _, err := s.Versions(t.Context(), "d", store.Query{Since: store.Start}, nil, func(*Version) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestLargePages reads entities that do not fit one page.
func TestLargePages(t *testing.T) {
	s := open(t, "", Options{InMemory: true})
	for i := range 6 {
		text := fmt.Sprintf(`{"_id":"%d","x":"%s"}`, i, strings.Repeat("x", 5<<20))
		storetest.Write(t, s, "d", storetest.Puts(t, text)...)
	}
	for _, q := range []store.Query{{Since: store.Start}, {Since: store.Start, Reverse: true}} {
		page, err := s.Read(t.Context(), "d", q, entity.NewArena())
		if err != nil || len(page.Entities) != 4 || page.End {
			t.Fatalf("first page: %d entities, end %v, %v", len(page.Entities), page.End, err)
		}
		all, _ := storetest.ReadAll(t, s, "d", q)
		if len(all) != 6 {
			t.Errorf("%d entities", len(all))
		}
	}
}
