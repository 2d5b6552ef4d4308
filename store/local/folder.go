package local

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sluiceio/sluice/store"
)

// formatVersion is the version of everything below the data folder. A store
// of another version is refused, never guessed at, except that what has the one
// before can be read: it was written when no two frames were on their way at once.
const (
	formatVersion  = 3
	formerVersion  = 2
	segmentVersion = 2
)

const (
	lockName   = "LOCK"
	formatName = "FORMAT"
	logDir     = "log"
	indexDir   = "index"
	tmpSuffix  = ".tmp"
)

func lockedError(cause error) error {
	if errors.Is(cause, syscall.EWOULDBLOCK) {
		return store.ErrLocked
	}
	return fmt.Errorf("the data folder cannot be locked: %w", cause)
}

// format is what the FORMAT file says.
type format struct {
	id [16]byte // of the log; every sum is seeded with it
	// restored is mixed into the generations of datasets: zero, or anew
	// whenever the store was restored from a backup.
	restored [16]byte
	former   bool // the file is of the version before
}

// openFormat reads the FORMAT file, or makes it in a folder that has no log
// yet.
func openFormat(fsys FS, dir string) (format, error) {
	name := filepath.Join(dir, formatName)
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return createFormat(fsys, dir)
	}
	if err != nil {
		return format{}, err
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, _ := f.ReadAt(buf, 0)
	return parseFormat(name, string(buf[:n]))
}

func parseFormat(name, text string) (f format, err error) {
	fields := strings.Fields(text)
	if len(fields) < 3 || len(fields) > 4 || fields[0] != "sluice-store" {
		return f, fmt.Errorf("%s is not the format file of a data folder", name)
	}
	v, err := strconv.Atoi(fields[1])
	if f.former = v == formerVersion; err != nil || v != formatVersion && !f.former {
		return f, fmt.Errorf("%s: the data is in format %s, this version of sluice reads and writes format %d",
			name, fields[1], formatVersion)
	}
	for i, into := range []*[16]byte{&f.id, &f.restored}[:len(fields)-2] {
		raw, err := hex.DecodeString(fields[2+i])
		if err != nil || len(raw) != len(into) {
			return f, fmt.Errorf("%s is damaged: %q is no identity", name, fields[2+i])
		}
		*into = [16]byte(raw)
	}
	return f, nil
}

// renew makes the FORMAT file of an older folder say what is written from now on.
func (f *format) renew(fsys FS, dir string) error {
	if !f.former {
		return nil
	}
	f.former = false
	return writeWhole(fsys, dir, formatName, []byte(f.text()))
}

// text is the content of the FORMAT file.
func (f format) text() string {
	s := fmt.Sprintf("sluice-store %d\n%x\n", formatVersion, f.id)
	if f.restored != [16]byte{} {
		s += fmt.Sprintf("%x\n", f.restored)
	}
	return s
}

// generation is a dataset's generation as readers see it.
func (f format) generation(made [16]byte) [16]byte {
	if f.restored == [16]byte{} {
		return made
	}
	for i := range made {
		made[i] ^= f.restored[i]
	}
	return asUUID(made)
}

func createFormat(fsys FS, dir string) (made format, err error) {
	names, err := fsys.List(filepath.Join(dir, logDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	for _, n := range names {
		if strings.HasSuffix(n, segmentSuffix) {
			return made, fmt.Errorf("data folder %s has a log but no %s file", dir, formatName)
		}
	}
	if _, err := rand.Read(made.id[:]); err != nil {
		return made, err
	}
	return made, writeWhole(fsys, dir, formatName, []byte(made.text()))
}

// writeWhole makes a file that is there with its content or not at all.
func writeWhole(fsys FS, dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	f, err := fsys.Create(path + tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(path+tmpSuffix, path); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// newGeneration returns a random UUID.
func newGeneration() (id [16]byte, err error) {
	_, err = rand.Read(id[:])
	return asUUID(id), err
}

// asUUID sets the bits that say that a UUID is random.
func asUUID(id [16]byte) [16]byte {
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// formatUUID returns the 36 characters of a UUID.
func formatUUID(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// spaceError turns the system's word for a full disk into the store's.
func spaceError(err error) error {
	if !errors.Is(err, store.ErrFull) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
