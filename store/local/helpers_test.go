package local

import (
	"sync/atomic"
)

// countingFS counts syncs, and holds them up while it is closed.
type countingFS struct {
	FS
	syncs  atomic.Int64
	closed atomic.Bool
	gate   chan struct{}
}

func (c *countingFS) Open(name string) (File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return countingFile{f, c}, nil
}

type countingFile struct {
	File
	fs *countingFS
}

func (f countingFile) Sync() error {
	f.fs.syncs.Add(1)
	if f.fs.closed.Load() {
		<-f.fs.gate
	}
	return f.File.Sync()
}
