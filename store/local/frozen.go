package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// frozenFS is for a data folder that may be read but not written, on a read-only file
// system or of another user. What a store that is open for reading only would put in
// order is left as it is.
type frozenFS struct{ osFS }

// frozen tells whether nothing can be written to a folder.
func frozen(dir string) bool {
	for _, name := range []string{lockName, formatName} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return denied(err)
		}
		f.Close()
	}
	f, err := os.CreateTemp(dir, "WRITABLE-")
	if err != nil {
		return denied(err)
	}
	f.Close()
	_ = os.Remove(f.Name()) // it is empty
	return false
}

func denied(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func (frozenFS) MkdirAll(string) error       { return nil }
func (frozenFS) Create(string) (File, error) { return nil, errReadOnly }
func (frozenFS) Rename(string, string) error { return errReadOnly }
func (frozenFS) Remove(string) error         { return nil }
func (frozenFS) SyncDir(string) error        { return nil }

func (frozenFS) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return frozenFile{osFile{f}}, nil
}

// Lock keeps those out who would write.
func (frozenFS) Lock(name string) (io.Closer, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	if err != nil {
		return nil, err
	}
	if err := shareFile(f); err != nil {
		return nil, errors.Join(lockedError(err), f.Close())
	}
	return f, nil
}

// frozenFile is a file that is read only.
type frozenFile struct{ osFile }

func (frozenFile) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }
func (frozenFile) Truncate(int64) error               { return nil }
func (frozenFile) Grow(int64) error                   { return errReadOnly }
func (frozenFile) Sync() error                        { return nil }

// settleFS takes a folder that cannot be written as it is, if reading is all that is
// wanted.
func (s *Store) settleFS() {
	if s.o.ReadOnly && s.o.FS == FS(osFS{}) && s.o.IndexFS == vfs.Default && frozen(s.dir) {
		s.o.FS = frozenFS{}
	}
}

// copyIndex has Pebble work on a copy of an index that it cannot write to: to open one
// means to write, and it may be behind the log.
func (s *Store) copyIndex() (err error) {
	if s.o.FS == FS(frozenFS{}) {
		s.indexCopy, err = copiedIndex(s.dir)
	}
	return err
}

func copiedIndex(dir string) (string, error) {
	to, err := os.MkdirTemp("", "sluice-index-")
	if err != nil {
		return "", err
	}
	from := filepath.Join(dir, indexDir)
	if _, err = os.Stat(from); err == nil {
		err = os.CopyFS(to, os.DirFS(from))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(to))
	}
	return to, err
}

func (s *Store) dropCopy() error {
	if s.indexCopy == "" {
		return nil
	}
	return os.RemoveAll(s.indexCopy)
}
