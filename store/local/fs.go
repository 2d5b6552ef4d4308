package local

import "io"

// FS is what the log asks of a file system. The one of the machine is the
// default; tests hand in others that fail and forget.
type FS interface {
	// MkdirAll makes a folder with its parents unless it exists.
	MkdirAll(dir string) error
	// Create makes an empty file in the place of whatever has the name.
	Create(name string) (File, error)
	// Open opens a file for reading and writing.
	Open(name string) (File, error)
	// List returns the names in a folder, sorted.
	List(dir string) ([]string, error)
	// Rename moves a file over whatever has the new name.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes creations, renames and removals in a folder durable.
	SyncDir(dir string) error
	// Lock takes a file for this process alone; ErrLocked if another has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Truncate makes the file end at size.
	Truncate(size int64) error
	// Grow reserves room up to size, which becomes the file's length; what is
	// new reads as zeros.
	Grow(size int64) error
	// Sync returns once the content and the length are durable.
	Sync() error
}
