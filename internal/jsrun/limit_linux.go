package jsrun

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
)

// reserved is how much more address space than memory a worker may take: Go asks for
// whole arenas of 64 MiB, and threads and C for stacks that they hardly use.
const reserved = 256 << 20

// confine bounds what the process may write to by memory bytes more than it has
// now. The kernel counts private writable memory, and the next piece after the bound
// ends the process. One piece it does not stop: where addresses were reserved before,
// as Go does, making them writable is not counted until the next. So addresses are
// bounded, too, and one native call that asks for a gigabyte ends the process before
// it has any of it. Nobody can take the bounds back: the hard limits are set, too.
func confine(memory int64) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(memory * 3 / 4) // collect rather than run into the bound
	debug.SetMaxStack(int(memory / 2))
	if err := bound(syscall.RLIMIT_DATA, status, "VmData:", memory); err != nil {
		return err
	}
	return bound(syscall.RLIMIT_AS, status, "VmSize:", memory+reserved)
}

// bound lets what the process has of a kind of memory grow by so many bytes. The
// kind's name is that of the kernel's status text, which counts in KiB.
func bound(resource int, status []byte, name string, more int64) error {
	_, rest, ok := bytes.Cut(status, []byte(name))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return fmt.Errorf("the kernel does not tell how much memory is in use")
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return err
	}
	most := uint64(kib<<10 + more)
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: most, Max: most})
}

// beyond tells whether the process has gone beyond its bound and nothing has stopped
// it yet: it gets no other page.
func beyond() bool {
	page, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return true
	}
	return syscall.Munmap(page) != nil
}
