package jsrun

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
)

// confine bounds what the process may write to by memory bytes more than it has
// now. The kernel counts private writable memory, so that one native call that
// asks for a gigabyte ends the process before it has any of it. Nobody can take
// the bound back: the hard limit is set, too.
func confine(memory int64) error {
	have, err := dataSize()
	if err != nil {
		return err
	}
	most := uint64(have + memory)
	debug.SetMemoryLimit(memory * 3 / 4) // collect rather than run into the bound
	debug.SetMaxStack(int(memory / 2))
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: most, Max: most})
}

// dataSize is how much private writable memory the process has.
func dataSize() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmData:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("the kernel does not tell how much memory is in use")
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err
}
