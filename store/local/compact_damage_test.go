package local

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// Each bit that is flipped in a file that compaction wrote is found, and what
// it stands for is refused, not served.
func TestCompactedDamage(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 16 << 10}
	s := open(t, dir, o)
	fill(t, s, 5, 60)
	infos, err := s.Datasets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keep := map[string]store.Retention{}
	for _, i := range infos {
		keep[i.Name] = store.Retention{KeepVersions: 1}
	}
	done, err := s.Compact(t.Context(), store.CompactOptions{Datasets: keep, Seal: true})
	if err != nil || done.Files == 0 {
		t.Fatal(done, err)
	}
	want := storetest.DumpLatest(t, s)
	close1(t, s, nil)
	if _, problems := checked(t, dir); len(problems) > 0 {
		t.Fatal(problems)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "log", "*-*.seg"))
	r := rand.New(rand.NewPCG(2, 2))
	for range 30 {
		file := files[r.IntN(len(files))]
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		broken := slices.Clone(whole)
		at := r.IntN(len(broken))
		broken[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems := checked(t, dir)
		if len(problems) == 0 && !padding(whole, at) {
			t.Errorf("%s, position %d of %d: not found", file, at, len(whole))
		}
		if len(problems) > 0 {
			refused(t, dir, o)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := storetest.DumpLatest(t, open(t, dir, o)); got != want {
		t.Error(firstDifference(got, want))
	}
}

// refused makes the index anew from a damaged log, which must fail.
func refused(t *testing.T, dir string, o Options) {
	t.Helper()
	index, aside := filepath.Join(dir, indexDir), filepath.Join(dir, "aside")
	if err := os.Rename(index, aside); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, o)
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a damaged log was opened: %v", err)
	}
	if err == nil {
		s.Close()
	}
	if err := errors.Join(os.RemoveAll(index), os.Rename(aside, index)); err != nil {
		t.Fatal(err)
	}
}
