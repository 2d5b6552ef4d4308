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
// of another version is refused, never guessed at.
const formatVersion = 1

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

// openFormat reads the FORMAT file and returns the identity of the store, or
// makes both in a folder that has no log yet.
func openFormat(fsys FS, dir string) ([16]byte, error) {
	name := filepath.Join(dir, formatName)
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return createFormat(fsys, dir)
	}
	if err != nil {
		return [16]byte{}, err
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, _ := f.ReadAt(buf, 0)
	return parseFormat(name, string(buf[:n]))
}

func parseFormat(name, text string) (id [16]byte, err error) {
	fields := strings.Fields(text)
	if len(fields) != 3 || fields[0] != "sluice-store" {
		return id, fmt.Errorf("%s is not the format file of a data folder", name)
	}
	if v, err := strconv.Atoi(fields[1]); err != nil || v != formatVersion {
		return id, fmt.Errorf("%s: the data is in format %s, this version of sluice reads and writes format %d",
			name, fields[1], formatVersion)
	}
	raw, err := hex.DecodeString(fields[2])
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%s is damaged: %q is no identity", name, fields[2])
	}
	return [16]byte(raw), nil
}

func createFormat(fsys FS, dir string) (id [16]byte, err error) {
	names, err := fsys.List(filepath.Join(dir, logDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	for _, n := range names {
		if strings.HasSuffix(n, segmentSuffix) {
			return id, fmt.Errorf("data folder %s has a log but no %s file", dir, formatName)
		}
	}
	if _, err := rand.Read(id[:]); err != nil {
		return id, err
	}
	text := fmt.Sprintf("sluice-store %d\n%x\n", formatVersion, id)
	return id, writeWhole(fsys, dir, formatName, []byte(text))
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
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id, err
}

// formatUUID returns the 36 characters of a UUID.
func formatUUID(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// spaceError turns the system's word for a full disk into the store's.
func spaceError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
