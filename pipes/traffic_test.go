package pipes

import (
	"context"
	"errors"
	"testing"
	"time"
)

// waiting counts how long a pump steps aside, on a clock of its own; after each
// look, then is called.
func waiting(t *testing.T, tr *Traffic, then func()) (waited time.Duration) {
	t.Helper()
	tr.yield(t.Context(), func(ctx context.Context, d time.Duration) error {
		waited += d
		then()
		return ctx.Err()
	})
	return waited
}

func TestPumpsStepAside(t *testing.T) {
	tr, nothing := new(Traffic), func() {}
	for range muchTraffic - 1 {
		tr.enter()
	}
	if d := waiting(t, tr, nothing); d != 0 {
		t.Errorf("with little traffic a pump waits %s", d)
	}
	tr.enter()
	if d := waiting(t, tr, nothing); d != aside {
		t.Errorf("with much traffic that does not end a pump waits %s", d)
	}
	if d := waiting(t, tr, tr.leave); d != look {
		t.Errorf("when the traffic ends a pump has waited %s", d)
	}
	var none *Traffic
	none.enter()
	if d := waiting(t, none, nothing); d != 0 {
		t.Errorf("without anything counted a pump waits %s", d)
	}
}

func TestStoppedPumpDoesNotStepAside(t *testing.T) {
	tr, looks := new(Traffic), 0
	for range muchTraffic {
		tr.enter()
	}
	tr.yield(t.Context(), func(context.Context, time.Duration) error {
		looks++
		return errors.New("stopped")
	})
	if looks != 1 {
		t.Errorf("it looked %d times", looks)
	}
}
