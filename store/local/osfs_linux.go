package local

import (
	"errors"
	"os"
	"syscall"
)

// growFile reserves blocks, so that a full disk shows before a write and
// fdatasync has little to say about the file.
func growFile(f *os.File, from, to int64) error {
	err := retry(func() error { return syscall.Fallocate(int(f.Fd()), 0, from, to-from) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return f.Truncate(to)
	}
	return err
}

func syncFile(f *os.File) error {
	return retry(func() error { return syscall.Fdatasync(int(f.Fd())) })
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
