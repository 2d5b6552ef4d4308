package local

import (
	"path/filepath"
	"sync/atomic"
	"time"
)

// reserve handles a full disk on behalf of the index. Pebble cannot go on
// without what it wanted to write, so it is made to wait until there is room
// again; readers do not notice. At closing there is no time to wait: then a
// file kept for the purpose gives its room back, which is enough to end in
// good order.
type reserve struct {
	fs   FS
	dir  string
	stop <-chan struct{}
	full atomic.Bool // somebody waits for room
}

const (
	reserveName  = "RESERVE"
	reserveBytes = 8 << 20
	probeName    = "PROBE"
	// probeBytes is the room that must be there before the index goes on: more
	// than it writes in one go.
	probeBytes = 2 * indexMemTable
	probeEvery = 500 * time.Millisecond
)

// keep makes the file. Without room it is not made, which only matters if the
// store is closed before there is some.
func (r *reserve) keep() {
	_ = r.fs.Remove(filepath.Join(r.dir, probeName)) // of a life that ended while it probed
	_ = take(r.fs, filepath.Join(r.dir, reserveName), reserveBytes)
}

// wait returns once there is room, or when the store closes.
func (r *reserve) wait() {
	r.full.Store(true)
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for !r.roomy() {
		select {
		case <-tick.C:
		case <-r.stop:
			_ = r.fs.Remove(filepath.Join(r.dir, reserveName))
			return
		}
	}
	r.full.Store(false)
}

func (r *reserve) roomy() bool {
	name := filepath.Join(r.dir, probeName)
	err := take(r.fs, name, probeBytes)
	_ = r.fs.Remove(name)
	return err == nil
}

// take makes a file that occupies size bytes.
func take(fs FS, name string, size int64) error {
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	err = f.Grow(size)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
