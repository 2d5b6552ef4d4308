package local

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/store"
)

// A backup is a tar file of the FORMAT file and of the log up to a moment. The
// log is only ever added to, so that its beginning is whole while others write.
// The index is made anew when the backup is restored, which proves every sum.

// Backup implements store.Backer.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.compacting.Lock() // files stay what they are
	defer s.compacting.Unlock()
	s.applyMu.Lock()
	end := s.meta.at
	s.applyMu.Unlock()
	t := tar.NewWriter(w)
	if err := add(t, formatName, int64(len(s.format.text())), strings.NewReader(s.format.text())); err != nil {
		return err
	}
	for n := s.log.firstSeg; n <= max(end.seg, s.log.firstSeg); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.backSegment(ctx, t, s.log.at(n), end); err != nil {
			return fmt.Errorf("%s: %w", s.log.path(s.log.at(n)), err)
		}
	}
	return t.Close()
}

func (s *Store) backSegment(ctx context.Context, t *tar.Writer, n uint32, end position) error {
	f := s.log.file(n)
	size, err := f.Size()
	if err != nil {
		return err
	}
	switch n {
	case end.seg:
		size = int64(end.pos)
	case s.log.firstSeg:
		if end.seg == 0 { // nothing was ever written
			size = segmentHeadSize
		}
	}
	return add(t, path.Join(logDir, segmentName(n)), size, &untilDone{ctx, io.NewSectionReader(f, 0, size)})
}

func add(t *tar.Writer, name string, size int64, content io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o640}); err != nil {
		return err
	}
	_, err := io.CopyN(t, content, size)
	return err
}

// untilDone is a reader that ends with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u *untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}

// Restore makes the data folder dir from a backup. The folder must not exist,
// or be empty; it is there whole or not at all. Every sum is proven, and the
// datasets get new generations, so that their readers notice.
func Restore(ctx context.Context, r io.Reader, dir string) error {
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return fmt.Errorf("%s is not empty; a backup is restored into a folder of its own", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft := filepath.Clean(dir) + ".restoring"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	err := unpack(ctx, r, draft)
	if err == nil {
		err = prove(ctx, draft)
	}
	if err == nil {
		err = place(draft, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("restoring %s: %w", dir, err), os.RemoveAll(draft))
	}
	return nil
}

// unpack writes the files of a backup, and a FORMAT file with new generations.
func unpack(ctx context.Context, r io.Reader, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, logDir), 0o750); err != nil {
		return err
	}
	t := tar.NewReader(r)
	found := false
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("this is no whole backup: %w", err)
		}
		switch {
		case h.Name == formatName:
			found, err = true, unpackFormat(t, dir)
		case path.Dir(h.Name) == logDir && strings.HasSuffix(h.Name, segmentSuffix) && h.Typeflag == tar.TypeReg:
			err = unpackFile(&untilDone{ctx, t}, filepath.Join(dir, logDir, path.Base(h.Name)))
		default:
			err = fmt.Errorf("this is no backup of a data folder: it holds %q", h.Name)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("this is no backup of a data folder: it has no %s", formatName)
	}
	return osFS{}.SyncDir(filepath.Join(dir, logDir))
}

func unpackFormat(r io.Reader, dir string) error {
	text, err := io.ReadAll(io.LimitReader(r, 256))
	if err != nil {
		return err
	}
	f, err := parseFormat("the backup's "+formatName, string(text))
	if err != nil {
		return err
	}
	if _, err := rand.Read(f.restored[:]); err != nil {
		return err
	}
	return writeWhole(osFS{}, dir, formatName, []byte(f.text()))
}

func unpackFile(r io.Reader, name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(spaceError(err), f.Close())
}

// prove opens the folder once, which reads all of the log and makes the index,
// and notes what the store holds now, for readers who have read more.
func prove(ctx context.Context, dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	return errors.Join(s.noteRestored(ctx), s.Close())
}

func (s *Store) noteRestored(ctx context.Context) error {
	infos, err := s.Datasets(ctx)
	if err != nil {
		return err
	}
	r := store.Restored{UUID: formatUUID(asUUID(s.restored)), Last: map[string]store.Offset{}}
	for _, i := range infos {
		r.Last[i.Generation] = i.Last
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	p, err := s.Append(ctx, &store.Batch{State: []store.StateWrite{{Key: store.RestoredKey, Value: text, IfRev: store.AnyRev}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

func place(draft, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(draft, dir); err != nil {
		return err
	}
	return osFS{}.SyncDir(filepath.Dir(filepath.Clean(dir)))
}
