//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestMain is the command itself in the process that the test starts.
func TestMain(m *testing.M) {
	if os.Getenv("SLUICE_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// Reading a named pipe that nobody writes heeds no context. Two signals end it. They
// are not interrupts: a shell has what it runs in the background ignore those.
func TestSecondSignal(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo.json")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "validate", fifo)
	cmd.Env = append(os.Environ(), "SLUICE_TEST_MAIN=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	writer := reader(t, fifo)
	defer syscall.Close(writer)
	late := time.After(time.Minute)
	for {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		select {
		case <-ended:
			return
		case <-late:
			t.Fatal("it goes on")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// reader waits until somebody reads the named pipe, which is then open for writing.
func reader(t *testing.T, fifo string) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if w, err := syscall.Open(fifo, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			return w
		}
	}
	t.Fatal("nobody reads")
	return 0
}
