package local

import (
	"testing"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Run("Folder", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{SegmentBytes: 1 << 12}) })
	})
	t.Run("InMemory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return open(t, "", Options{InMemory: true}) })
	})
}

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
