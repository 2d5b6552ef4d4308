package jsrun

import (
	"errors"
	"testing"
	"time"
)

const answering = `(function(module, exports) { exports.default = () => 42 })`

// Workers that the system took away while they were idle cost no call anything.
func TestWorkersTakenAway(t *testing.T) {
	p := NewPool(Options{Workers: 2, Time: time.Minute})
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
