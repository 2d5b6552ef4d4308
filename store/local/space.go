package local

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/store"
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
	// openBytes is the room that opening the index takes at most.
	openBytes  = 1 << 20
	probeEvery = 500 * time.Millisecond
)

// keep makes the file. Without room it is not made, which only matters if the
// store is closed before there is some.
func (r *reserve) keep() {
	_ = r.fs.Remove(filepath.Join(r.dir, probeName)) // of a life that ended while it probed
	_ = take(r.fs, filepath.Join(r.dir, reserveName), reserveBytes)
}

// open runs what opens the index. To start on a full disk is to read, at least: what
// Pebble writes then has room in the file. If that is not enough, open fails, since
// Pebble would end the process.
func (r *reserve) open(index func() error) error {
	if r.space() == nil {
		return index()
	}
	if err := errors.Join(r.fs.Remove(filepath.Join(r.dir, reserveName)), r.space()); err != nil {
		return err
	}
	err := index()
	_ = take(r.fs, filepath.Join(r.dir, reserveName), reserveBytes/2) // the log would take it
	return err
}

// space returns why there is no room to open the index; only a full disk is a reason.
func (r *reserve) space() error {
	name := filepath.Join(r.dir, probeName)
	err := take(r.fs, name, openBytes)
	_ = r.fs.Remove(name)
	if err = spaceError(err); errors.Is(err, store.ErrFull) {
		return err
	}
	return nil
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
