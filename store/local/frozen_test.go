package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/storetest"
)

// contents are the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			all[path] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFrozenFolder reads a folder in which nothing can be written, also one whose node
// has crashed, so that its index is behind the log. It stays as it is.
func TestFrozenFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	s := open(t, dir, Options{})
	storetest.Write(t, s, "d", storetest.Puts(t, `{"_id":"a","k":"1"}`, `{"_id":"b","k":"2"}`)...)
	crashed := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	close1(t, s, nil)
	for _, dir := range []string{dir, crashed} {
		before := contents(t, dir)
		s := open(t, dir, Options{ReadOnly: true, FS: frozenFS{}})
		if found, _ := storetest.ReadAll(t, s, "d", store.Query{Since: store.Start}); len(found) != 2 {
			t.Errorf("found %v", found)
		}
		if _, err := s.Create(t.Context(), "e"); !errors.Is(err, errReadOnly) {
			t.Error(err)
		}
		close1(t, s, nil)
		if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Error("left behind: ", left, err)
	}
}

// TestFrozenIsFound asks folders whether they can be written, as somebody who may not
// write everywhere.
func TestFrozenIsFound(t *testing.T) {
	dir := t.TempDir()
	close1(t, open(t, dir, Options{}), nil)
	asNobody(t, dir)
	if frozen(dir) {
		t.Error("a folder that can be written is not")
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	if !frozen(dir) {
		t.Error("a folder that cannot be written can")
	}
	s := open(t, dir, Options{ReadOnly: true})
	close1(t, s, nil)
	if _, err := Check(t.Context(), dir, func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}

// TestFrozenIsShared has several look into a folder at once, and none while a node
// writes there.
func TestFrozenIsShared(t *testing.T) {
	dir := t.TempDir()
	close1(t, open(t, dir, Options{}), nil)
	frozen := Options{ReadOnly: true, FS: frozenFS{}}
	one, two := open(t, dir, frozen), open(t, dir, frozen)
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrLocked) {
		t.Error(err)
	}
	close1(t, one, nil)
	close1(t, two, nil)
	s := open(t, dir, Options{})
	defer close1(t, s, nil)
	if _, err := Open(dir, frozen); !errors.Is(err, store.ErrLocked) {
		t.Error(err)
	}
}
