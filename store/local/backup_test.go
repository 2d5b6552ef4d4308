package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// backedUp returns a backup of the store.
func backedUp(t *testing.T, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// restored opens what a backup makes.
func restored(t *testing.T, backup []byte) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := Restore(t.Context(), bytes.NewReader(backup), dir); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{})
	checkRestored(t, s)
	return s
}

// checkRestored looks whether a store knows what it held when it was restored,
// and has it forget that: then it is the original.
func checkRestored(t *testing.T, s *Store) {
	t.Helper()
	from, err := store.RestoredFrom(t.Context(), s)
	if err != nil || from == nil || from.UUID == "" {
		t.Fatal(from, err)
	}
	infos, err := s.Datasets(t.Context())
	for _, i := range infos {
		if last, ok := from.Last[i.Generation]; err != nil || !ok || last != i.Last {
			t.Fatalf("dataset %q: restored up to %d, %v; it holds %d (%v)", i.Name, last, ok, i.Last, err)
		}
	}
	p, err := s.Append(t.Context(), &store.Batch{State: []store.StateWrite{{Key: store.RestoredKey, IfRev: store.AnyRev}}})
	if err == nil {
		_, err = p.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A restored backup is the original, but for the generations, also of what was
// restored before.
func TestBackupIsTheOriginal(t *testing.T) {
	for seed := range uint64(6) {
		s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
		m := fill(t, s, seed, 30)
		before, err := s.Datasets(t.Context())
		r := restored(t, backedUp(t, s))
		m.Check(t, r)
		after, err2 := r.Datasets(t.Context())
		for i := range before {
			if before[i].Generation == after[i].Generation || before[i].Last != after[i].Last || before[i].Live != after[i].Live {
				t.Errorf("seed %d: %+v became %+v", seed, before[i], after[i])
			}
		}
		again := restored(t, backedUp(t, r))
		m.Check(t, again)
		third, err3 := again.Datasets(t.Context())
		if third[0].Generation == after[0].Generation || third[0].Generation == before[0].Generation {
			t.Errorf("seed %d: the generation %s came again", seed, third[0].Generation)
		}
		gen, _, err4 := again.Head(t.Context(), third[0].Name)
		if formatUUID(gen) != third[0].Generation {
			t.Errorf("the head says %s, the dataset %s", formatUUID(gen), third[0].Generation)
		}
		for _, st := range []*Store{s, r, again} {
			close1(t, st, errors.Join(err, err2, err3, err4))
		}
	}
}

// A backup that is made while others write holds each batch whole or not at
// all, and all that was committed before.
func TestBackupWhileWriting(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 16 << 10})
	for _, d := range []string{"a", "b"} {
		if _, err := s.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	put := func(i int) error {
		e := entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString(fmt.Sprint(i))}, entity.Member{Key: "text", Value: entity.NewString(strings.Repeat("x", 200))})
		ops := []store.Op{{Kind: store.Put, Entity: e}}
		p, err := s.Append(t.Context(), &store.Batch{Writes: []store.Write{{Dataset: "a", Ops: ops}, {Dataset: "b", Ops: ops}}})
		if err == nil {
			_, err = p.Wait(t.Context())
		}
		return err
	}
	var backups [][]byte
	var written []int
	var writer sync.WaitGroup
	progress, stop := make(chan int), make(chan struct{})
	writer.Go(func() {
		defer close(progress)
		for i := 0; ; i++ {
			if err := put(i); err != nil {
				t.Error(err)
				return
			}
			select {
			case progress <- i + 1:
			case <-stop:
				return
			}
		}
	})
	for range 12 {
		for range 40 {
			<-progress
		}
		written = append(written, <-progress)
		backups = append(backups, backedUp(t, s))
	}
	close(stop)
	writer.Wait()
	for i, b := range backups {
		r := restored(t, b)
		x, err := r.Info(t.Context(), "a")
		y, err2 := r.Info(t.Context(), "b")
		if err != nil || err2 != nil || x.Versions != y.Versions || x.Versions < int64(written[i]) {
			t.Errorf("backup %d has %d and %d versions of %d: %v %v", i, x.Versions, y.Versions, written[i], err, err2)
		}
		close1(t, r, nil)
	}
	close1(t, s, nil)
}

// What is no whole backup is refused, and leaves nothing behind.
func TestBadBackups(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
	fill(t, s, 1, 20)
	good := backedUp(t, s)
	close1(t, s, nil)
	flip := bytes.Clone(good)
	flip[len(flip)/2] ^= 1
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir, want string
		data      []byte
	}{
		"empty":       {"", "no backup of a data folder", nil},
		"no tar":      {"", "no whole backup", []byte(strings.Repeat("hello ", 200))},
		"cut":         {"", "unexpected EOF", good[:len(good)/2]},
		"bit flipped": {"", "checksum", flip},
		"not empty":   {full, "is not empty", good},
	} {
		dir := c.dir
		if dir == "" {
			dir = filepath.Join(t.TempDir(), "data")
		}
		err := Restore(t.Context(), bytes.NewReader(c.data), dir)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir + ".restoring"); err == nil {
			t.Errorf("%s leaves a draft", name)
		}
		if _, err := os.Stat(dir); err == nil && c.dir == "" {
			t.Errorf("%s leaves a folder", name)
		}
	}
	if err := s.Backup(t.Context(), io.Discard); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a closed store: %v", err)
	}
}
