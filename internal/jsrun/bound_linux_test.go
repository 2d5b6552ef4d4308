package jsrun

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"
)

// boundEnv is set in the process that TestBound bounds.
const boundEnv = "SLUICE_TEST_BOUND"

// Neither addresses nor, where some were reserved before, what may be written to can
// grow by more than the bound without being seen. A script comes upon the second
// once in some thousands of runs: where Go put the heap decides.
func TestBound(t *testing.T) {
	if os.Getenv(boundEnv) != "" {
		inBounds(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBound$", "-test.v")
	cmd.Env = append(os.Environ(), boundEnv+"=1", "GOMAXPROCS=1")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func inBounds(t *testing.T) {
	const memory = 128 << 20
	if err := confine(memory); err != nil {
		t.Fatal(err)
	}
	if beyond() {
		t.Error("beyond the bound from the beginning")
	}
	const private = syscall.MAP_PRIVATE | syscall.MAP_ANON
	if _, err := syscall.Mmap(-1, 0, memory+reserved+1<<20, syscall.PROT_NONE, private); err == nil {
		t.Error("more addresses than the bound")
	}
	block, err := syscall.Mmap(-1, 0, memory+1<<20, syscall.PROT_NONE, private)
	if err != nil {
		t.Fatal(err)
	}
	// As Go does it: mapped once more where it was reserved.
	_, _, no := syscall.Syscall6(syscall.SYS_MMAP, uintptr(unsafe.Pointer(&block[0])), uintptr(len(block)),
		syscall.PROT_READ|syscall.PROT_WRITE, private|syscall.MAP_FIXED, ^uintptr(0), 0)
	if no == 0 && !beyond() {
		t.Error("more than the bound may be written to, and nobody saw it")
	}
}
