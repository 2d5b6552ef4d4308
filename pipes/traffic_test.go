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
	tr.yield(t.Context(), inTraffic.least, func(ctx context.Context, d time.Duration) error {
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
	if d := waiting(t, tr, nothing); d != inTraffic.least {
		t.Errorf("with much traffic that does not end a pump waits %s", d)
	}
	once := sync.OnceFunc(tr.leave)
	pass := func() { // at each look few are inside
		once()
		tr.entered.Add(muchTraffic)
	}
	if d := waiting(t, tr, pass); d != inTraffic.least {
		t.Errorf("while many pass through a pump waits %s", d)
	}
	tr.enter()
	if d := waiting(t, tr, tr.leave); d != look {
		t.Errorf("when the traffic ends a pump has waited %s", d)
	}
}

// What pumps do beside requests takes a twentieth of their time while a burst is taken
// in, and a fifth when it does not end; they never wait for long.
func TestPumpsTakeTurns(t *testing.T) {
	tr, now, turns := new(Traffic), time.Now(), new(turns)
	env := &Env{Traffic: tr, Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error {
		now = now.Add(d)
		return nil
	}}
	for range muchTraffic {
		tr.enter()
	}
	const ms = time.Millisecond
	for i, c := range []struct {
		worked  time.Duration
		several bool
		waits   time.Duration
	}{
		{0, false, 10 * ms}, {2 * ms, false, 38 * ms}, {200 * ms, false, 500 * ms}, {0, true, 250 * ms}, {20 * ms, true, 380 * ms},
		{200 * ms, true, 500 * ms}, // with which two seconds are over
		{0, true, 30 * ms}, {10 * ms, true, 40 * ms}, {5 * ms, false, 20 * ms}, {0, false, 10 * ms}, {200 * ms, false, 100 * ms},
		{600 * ms, true, 500 * ms}, // much came before, and comes now: nobody has seen that it did in between
	} {
		now = now.Add(c.worked)
		begun := now
		turns.take(t.Context(), env, c.several)
		if waited := now.Sub(begun); waited != c.waits {
			t.Errorf("turn %d, after %s: waits %s, want %s", i, c.worked, waited, c.waits)
		}
	}
	var none *Traffic
	none.enter()
	env.Traffic = none
	begun := now
	if turns.take(t.Context(), env, true); now != begun {
		t.Error("without anything counted a pump waits")
	}
}

func TestStoppedPumpDoesNotStepAside(t *testing.T) {
	tr, looks := new(Traffic), 0
	for range muchTraffic {
		tr.enter()
	}
	tr.yield(t.Context(), inTraffic.least, func(context.Context, time.Duration) error {
		looks++
		return errors.New("stopped")
	})
	if looks != 1 {
		t.Errorf("it looked %d times", looks)
	}
}
