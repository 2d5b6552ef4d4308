package jsrun

import (
	"os"
	"testing"
	"time"
)

// When the program's file is replaced or removed, as an update does, workers are
// started all the same, and of this version.
func TestProgramReplaced(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := program(self); got != self {
		t.Errorf("the program is %s", got)
	}
	p := NewPool(Options{Time: time.Minute})
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
