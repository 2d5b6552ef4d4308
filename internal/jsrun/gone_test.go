package jsrun

import (
	"errors"
	"os"
	"runtime"
	"testing"
)

const answering = `(function(module, exports) { exports.default = () => 42 })`

// Workers that the system took away while they were idle cost no call anything.
func TestWorkersTakenAway(t *testing.T) {
	p := NewPool(Options{Workers: 2})
	defer p.Close()
	for range 3 {
		if r, err := p.Call(t.Context(), Call{For: "a", Script: answering, Args: []byte("{}")}); err != nil || string(r.Value) != "42" {
			t.Fatalf("%s %v", r.Value, err)
		}
		p.mu.Lock()
		for _, w := range p.mu.idle {
			if err := w.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			if _, err := w.cmd.Process.Wait(); err != nil {
				t.Error(err)
			}
		}
		p.mu.Unlock()
	}
	var e *ExceededError
	if _, err := p.Call(t.Context(), Call{For: "a", Script: `(function(module, exports) { exports.default = () => 'x'.repeat(1e9).length })`, Args: []byte("{}")}); !errors.As(err, &e) || e.What != Memory {
		t.Errorf("what takes too much: %v", err)
	}
}

// When the program's file is replaced or removed, as an update does, workers are
// started all the same, and of this version.
func TestProgramReplaced(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere nothing leads to a program whose file is gone")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := program(self); got != self {
		t.Errorf("the program is %s", got)
	}
	p := NewPool(Options{})
	defer p.Close()
	if err := os.Rename(self, self+".moved"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Rename(self+".moved", self); err != nil {
			t.Error(err)
		}
	}()
	for range 2 {
		if r, err := p.Call(t.Context(), Call{For: "a", Script: answering, Args: []byte("{}")}); err != nil || string(r.Value) != "42" {
			t.Errorf("%s %v", r.Value, err)
		}
		if err := os.WriteFile(self, []byte("#!/bin/false\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, w := range p.mu.idle {
			w.end()
		}
		p.mu.idle = nil
	}
}
