//go:build !linux

package local

import "os"

func growFile(f *os.File, _, to int64) error { return f.Truncate(to) }

func syncFile(f *os.File) error { return f.Sync() }
