package membrane_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The workers of a node end with it, also when it is killed.
func TestWorkersEndWithTheNode(t *testing.T) {
	s := setUp(t)
	s.Start()
	s.register()
	if err := s.deliver("d-1", 42); err != nil {
		t.Fatal(err)
	}
	workers := children(t, s.PID())
	if len(workers) == 0 {
		t.Fatal("there are no workers")
	}
	s.Kill()
	s.until("workers that live on", 0, func() int {
		n := 0
		for _, pid := range workers {
			if cmd, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(cmd), "js-worker") {
				n++
			}
		}
		return n
	})
}

// children are the processes that a process has started.
func children(t *testing.T, pid int) (all []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(pid) {
			all = append(all, strings.Split(path, "/")[2])
		}
	}
	return all
}
