package local

import (
	"runtime"
	"testing"
)

func TestProcessors(t *testing.T) {
	n := runtime.GOMAXPROCS(0)
	for env, want := range map[string]int{"": n + spareProcessors, "1": n} {
		t.Setenv("GOMAXPROCS", env)
		if got := Processors(); got != want {
			t.Errorf("with %q in the environment: %d, want %d", env, got, want)
		}
	}
}
