//go:build !unix

package local

import "os"

// lockFile cannot tell on this system: Pebble's own lock on the index still
// keeps a second process out.
func lockFile(*os.File) error { return nil }

func shareFile(*os.File) error { return nil }
