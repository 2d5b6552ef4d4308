package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// once is untilDone for survive.
func once(t *testing.T) func(e *engine.Engine) error {
	return func(e *engine.Engine) error { return untilDone(t, e) }
}

// untilDone runs the pipe, and commits what a circuit breaker holds back, until
// a run comes to its end.
func untilDone(t *testing.T, e *engine.Engine) error {
	t.Helper()
	p, _ := e.Pipe("out")
	for range 100 {
		_, err := p.Run(t.Context(), false)
		var wait *pipes.WaitError
		if errors.Is(err, sinks.ErrTripped) || errors.As(err, &wait) && wait.Tripped {
			err = e.ResolveTrip(t.Context(), "out", true)
			if err == nil {
				continue
			}
		}
		return err
	}
	return errors.New("it never comes to an end")
}

// Whatever write a power cut strikes, changes elsewhere reach who they concern,
// and what a circuit breaker held back is in the dataset once, when committed.
func TestCrashWithTrackingAndBreakers(t *testing.T) {
	histories := uint64(15)
	if testing.Short() {
		histories = 4
	}
	cuts := 0
	for shape, pipe := range joined {
		for seed := range histories {
			r := rand.New(rand.NewPCG(seed, 21))
			sink := []string{`"deletion_tracking": true`, `"circuit_breaker_threshold_count": 1000`, `"circuit_breaker_threshold_count": 2`}[r.IntN(3)]
			conf := fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, "sink": {%s}, %s}]`, 1+r.IntN(4), sink, pipe)
			calm, rough := memory(t), memory(t)
			a, b := scene{rand.New(rand.NewPCG(seed, 22))}, scene{rand.New(rand.NewPCG(seed, 22))}
			whole := open(t, calm, parse(t, conf))
			for range 5 {
				a.change(t, calm)
				must(t, untilDone(t, whole))
				b.change(t, rough)
				cuts += survive(t, rough, conf, r, once(t))
				if want, got := live(t, calm, "out"), live(t, rough, "out"); got != want {
					t.Fatalf("shape %d, seed %d, %s: with cuts\n%swithout\n%s", shape, seed, sink, got, want)
				}
			}
			whole.Close()
		}
	}
	if cuts < 100 && !testing.Short() {
		t.Errorf("only %d cuts", cuts)
	}
}

// A rescan in the background that power cuts strike begins anew, and leads to
// the same as a full run.
func TestCrashInBackgroundRescan(t *testing.T) {
	cuts := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 31))
		calm, rough := memory(t), memory(t)
		for _, st := range []store.Store{calm, rough} {
			s := scene{rand.New(rand.NewPCG(seed, 32))}
			for range 4 {
				s.change(t, st)
			}
			e := open(t, st, parse(t, shaped("3", "")))
			runPipe(t, e, false)
			e.Close()
			put(t, st, "out", []entity.Value{entity.NewDict(entity.Member{Key: entity.IDKey, Value: entity.NewString("alien")})}, false)
		}
		e := open(t, calm, parse(t, shaped("1", "")))
		runPipe(t, e, true)
		cuts += survive(t, rough, shaped("1", ""), r, func(e *engine.Engine) error {
			p, _ := e.Pipe("out")
			_, err := p.Rescan(t.Context())
			return err
		})
		if want, got := live(t, calm, "out"), live(t, rough, "out"); got != want {
			t.Fatalf("seed %d: with cuts\n%swithout\n%s", seed, got, want)
		}
	}
	if cuts == 0 {
		t.Error("no cuts")
	}
}
