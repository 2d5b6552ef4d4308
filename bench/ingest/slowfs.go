package main

import (
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/store/local"
)

// slowFS is a file system whose flushes may take longer, and are counted.
type slowFS struct {
	local.FS
	latency time.Duration
	flushes *flushes
}

// flushes counts the flushes of the log and the time they took.
type flushes struct{ count, nanos atomic.Int64 }

func (f *flushes) mean() time.Duration {
	return time.Duration(f.nanos.Load() / max(f.count.Load(), 1))
}

func (s slowFS) Create(name string) (local.File, error) { return s.slow(s.FS.Create(name)) }
func (s slowFS) Open(name string) (local.File, error)   { return s.slow(s.FS.Open(name)) }

func (s slowFS) slow(f local.File, err error) (local.File, error) {
	if err != nil {
		return nil, err
	}
	return slowFile{f, s}, nil
}

type slowFile struct {
	local.File
	fs slowFS
}

// Sync implements local.File.
func (f slowFile) Sync() error {
	start := time.Now()
	if f.fs.latency > 0 {
		if err := block(f.fs.latency); err != nil {
			return err
		}
	}
	err := f.File.Sync()
	f.fs.flushes.count.Add(1)
	f.fs.flushes.nanos.Add(int64(time.Since(start)))
	return err
}
