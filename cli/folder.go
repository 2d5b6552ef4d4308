package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// made tells whether a node has ever run on a data folder.
func made(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "FORMAT"))
	return !errors.Is(err, os.ErrNotExist)
}

// noFolder is the mistake of naming a folder on which no node has run.
func noFolder(dir string) error {
	return usage("%s is no data folder: no node has run on it; name the folder of a node, or its data folder by --data", dir)
}

// reach opens a data folder unless there is a node to ask: the one that was named, or
// the one that serves the folder.
func reach(node, dir string, readOnly bool) (st *local.Store, address string, err error) {
	if node != "" {
		return nil, node, nil
	}
	return openFolder(dir, readOnly)
}

// openFolder opens a data folder on which a node has run. If one is serving it, the
// store is nil and node the address of that one.
func openFolder(dir string, readOnly bool) (st *local.Store, node string, err error) {
	if !made(dir) {
		return nil, "", noFolder(dir)
	}
	st, err = local.Open(dir, local.Options{ReadOnly: readOnly})
	if errors.Is(err, store.ErrLocked) {
		node, err = serving(dir)
		return nil, node, err
	}
	if err != nil {
		return nil, "", cannotOpen(err)
	}
	return st, "", nil
}

// cannotOpen is a data folder that cannot be opened, with what to do if it is only that
// somebody else may.
func cannotOpen(err error) error {
	help := ""
	switch {
	case errors.Is(err, syscall.EROFS):
		help = "; the file system is read-only, where datasets ls, cat, get and check work: mount it for writing, or copy the folder"
	case errors.Is(err, fs.ErrPermission):
		help = "; this user may not: run it as the user that the node runs as, or let this one read the folder, which is enough for datasets ls, cat, get and check"
	}
	return usage("cannot open the data folder: %w%s", err, help)
}
