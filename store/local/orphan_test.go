package local

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// TestOrphanedIndex has an index whose pipe is gone, which holds back what came since
// it was last looked at: only for a while. Who asks for it again finds all there is.
func TestOrphanedIndex(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1e9, 0)
	o := Options{Clock: func() time.Time { return now }}
	s := open(t, dir, o)
	storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"x","k":"0"}`)...)
	if err := s.EnsureIndex(t.Context(), "d", storetest.ByKey()); err != nil {
		t.Fatal(err)
	}
	close1(t, s, nil)
	s = open(t, dir, o)
	for i := range 5 {
		storetest.Write(t, s, "d", storetest.Puts(t, fmt.Sprintf(`{"_id":"x","k":"%d"}`, i+1))...)
	}
	compact := func(want int64, indexes int) {
		t.Helper()
		done, err := s.Compact(t.Context(), store.CompactOptions{Seal: true,
			Datasets: map[string]store.Retention{"d": {KeepVersions: 1}}, Floors: map[string]store.Offset{"d": 99}})
		if err != nil || int64(done.Versions) != want {
			t.Errorf("%d versions went, want %d: %v", done.Versions, want, err)
		}
		if info, err := s.Info(t.Context(), "d"); err != nil || len(info.Indexes) != indexes {
			t.Errorf("indexes %v, %v", info.Indexes, err)
		}
	}
	compact(0, 1)
	now = now.Add(orphanAge)
	compact(5, 0)
	if err := s.EnsureIndex(t.Context(), "d", storetest.ByKey()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(orphanAge)
	storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"y","k":"5"}`)...)
	compact(0, 1)
	found, _ := storetest.ReadAll(t, s, "d", store.Query{Since: store.Start, Index: "k", Key: []byte("5")})
	if len(found) != 2 {
		t.Errorf("found %v", found)
	}
}
