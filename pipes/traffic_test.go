package pipes

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// waiting counts how long a pump steps aside, on a clock of its own; after each
// look, then is called.
func waiting(t *testing.T, tr *Traffic, then func()) (waited time.Duration) {
	t.Helper()
	tr.yield(t.Context(), leastAside, func(ctx context.Context, d time.Duration) error {
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
	if d := waiting(t, tr, nothing); d != leastAside {
		t.Errorf("with much traffic that does not end a pump waits %s", d)
	}
	once := sync.OnceFunc(tr.leave)
	pass := func() { // at each look few are inside
		once()
		tr.entered.Add(muchTraffic)
	}
	if d := waiting(t, tr, pass); d != leastAside {
		t.Errorf("while many pass through a pump waits %s", d)
	}
	tr.enter()
	if d := waiting(t, tr, tr.leave); d != look {
		t.Errorf("when the traffic ends a pump has waited %s", d)
	}
}

// What pumps do while much is being posted takes a fifth of their time, but they never
// wait for long.
func TestPumpsTakeTurns(t *testing.T) {
	tr, now, turns := new(Traffic), time.Now(), new(turns)
	env := &Env{Traffic: tr, Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error {
		now = now.Add(d)
		return nil
	}}
	for range muchTraffic {
		tr.enter()
	}
	for i, c := range []struct{ worked, waits time.Duration }{
		{0, leastAside}, {time.Millisecond, leastAside}, {5 * time.Millisecond, 20 * time.Millisecond}, {time.Second, mostAside}, {0, leastAside},
	} {
		now = now.Add(c.worked)
		begun := now
		turns.take(t.Context(), env, leastAside)
		if waited := now.Sub(begun); waited != c.waits {
			t.Errorf("turn %d, after %s: waits %s, want %s", i, c.worked, waited, c.waits)
		}
	}
	var none *Traffic
	none.enter()
	env.Traffic = none
	begun := now
	if turns.take(t.Context(), env, leastAside); now != begun {
		t.Error("without anything counted a pump waits")
	}
}

func TestStoppedPumpDoesNotStepAside(t *testing.T) {
	tr, looks := new(Traffic), 0
	for range muchTraffic {
		tr.enter()
	}
	tr.yield(t.Context(), leastAside, func(context.Context, time.Duration) error {
		looks++
		return errors.New("stopped")
	})
	if looks != 1 {
		t.Errorf("it looked %d times", looks)
	}
}
