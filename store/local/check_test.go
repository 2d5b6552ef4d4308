package local

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// checked returns the problems of a folder.
func checked(t *testing.T, dir string) (c Checked, problems []string) {
	t.Helper()
	c, err := Check(t.Context(), dir, func(p string) { problems = append(problems, p) })
	if err != nil {
		t.Fatal(err)
	}
	return c, problems
}

// A sound folder has no problem, after a clean close and after a kill; each bit
// that is flipped in its log is found, or the log ends before it as after a
// crash.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentBytes: 16 << 10})
	fill(t, s, 5, 60)
	if _, err := Check(t.Context(), dir, nil); err == nil {
		t.Error("a folder in use was checked")
	}
	close1(t, s, nil)
	c, problems := checked(t, dir)
	if len(problems) > 0 || c.Versions == 0 || c.Rows == 0 || c.Segments < 2 {
		t.Fatal(c, problems)
	}
	if again, _ := checked(t, dir); again != c {
		t.Errorf("checked %+v, and then %+v", c, again)
	}
	r := rand.New(rand.NewPCG(1, 1))
	segments, _ := filepath.Glob(filepath.Join(dir, "log", "*.seg"))
	for range 40 {
		file := segments[r.IntN(len(segments))]
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
		if _, problems := checked(t, dir); len(problems) == 0 && !padding(whole, at) {
			t.Errorf("%s, position %d of %d: not found", file, at, len(whole))
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// padding tells whether a position lies in what no sum covers: the zeros that
// fill a frame up, and the last frame, which only says that the store was
// closed.
func padding(file []byte, at int) bool {
	return file[at] == 0 && at%8 != 0 && strings.Trim(string(file[at:(at+8)&^7]), "\x00") == "" || at >= len(file)-frameHeadSize
}

// An index that does not follow from the log is told; the log stays good.
func TestCheckIndex(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	fill(t, s, 3, 30)
	for _, spoil := range []func() error{
		func() error { return s.db.Set([]byte("l\x00\x00\x00\x01zzz"), []byte("x"), pebble.NoSync) },
		func() error { return s.db.Delete(offsetKey(nil, keySection, 1, 0), pebble.NoSync) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
	}
	close1(t, s, nil)
	_, problems := checked(t, dir)
	if len(problems) != 2 || !strings.Contains(problems[0], "does not follow from the log") || !strings.Contains(problems[1], "lacks the row") {
		t.Error(problems)
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	if _, problems := checked(t, dir); len(problems) != 1 || !strings.Contains(problems[0], "made anew at the next start") {
		t.Error(problems)
	}
	if _, err := Check(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "no data folder") {
		t.Error(err)
	}
}
