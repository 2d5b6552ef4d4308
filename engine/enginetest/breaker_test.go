package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// guarded is a pipe from "in" to "out" with a circuit breaker.
func guarded(limits string) string {
	return `[{"_id": "out", "type": "pipe", "batch_size": 3, "source": {"type": "dataset", "dataset": "in"},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.n", -1], ["trip!", "minus one"]], ["filter", ["neq", "_S.n", 0]]]}},
		"sink": {"dataset": "out", ` + limits + `}}]`
}

// numbered are entities from to to, each with n.
func numbered(from, to, n int) []entity.Value {
	var es []entity.Value
	for i := from; i <= to; i++ {
		es = append(es, entity.NewDict(entity.Member{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("e%02d", i))},
			entity.Member{Key: "n", Value: entity.NewInt(int64(n))}))
	}
	return es
}

func TestBreaker(t *testing.T) {
	for _, c := range []struct {
		name, limits string
		change       []entity.Value
		full         bool
		changes      int // that the trip tells of; 0 is no trip
	}{
		{"within the count", `"circuit_breaker_threshold_count": 5`, numbered(1, 5, 2), false, 0},
		{"over the count", `"circuit_breaker_threshold_count": 5`, numbered(1, 6, 2), false, 6},
		{"over by a batch", `"circuit_breaker_threshold_count": 4`, numbered(1, 10, 2), false, 6},
		{"within the factor", `"circuit_breaker_threshold_factor": 0.5`, numbered(1, 5, 2), false, 0},
		{"over the factor", `"circuit_breaker_threshold_factor": 0.5`, numbered(1, 6, 2), false, 6},
		{"the larger limit counts", `"circuit_breaker_threshold_factor": 0.1, "circuit_breaker_threshold_count": 6`, numbered(1, 6, 2), false, 0},
		{"what is the same is no change", `"circuit_breaker_threshold_count": 0`, numbered(1, 10, 1), true, 0},
		{"new ones count", `"circuit_breaker_threshold_count": 0`, numbered(11, 11, 1), false, 1},
		{"filtered ones count", `"circuit_breaker_threshold_count": 2`, numbered(1, 3, 0), false, 3},
		{"no limit", `"circuit_breaker_threshold_count": null`, numbered(1, 10, 2), false, 0},
		{"deletions of a full run", `"circuit_breaker_threshold_count": 1`, numbered(1, 4, 0), true, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, publish := range []bool{true, false} {
				trial(t, guarded(c.limits), c.change, c.full, c.changes, publish)
			}
		})
	}
}

// trial runs a change of ten entities against a breaker, and ends its trip.
func trial(t *testing.T, conf string, change []entity.Value, full bool, changes int, publish bool) {
	t.Helper()
	st, free := memory(t), memory(t)
	e, other := open(t, st, parse(t, conf)), open(t, free, parse(t, guarded(`"deletion_tracking": true`)))
	for _, into := range []store.Store{st, free} {
		put(t, into, "in", numbered(1, 10, 1), true)
	}
	runPipe(t, e, false)
	runPipe(t, other, false)
	before := dump(t, st, "out", true)
	for _, into := range []store.Store{st, free} {
		put(t, into, "in", change, true)
	}
	runPipe(t, other, full)
	p, _ := e.Pipe("out")
	stats, err := p.Run(t.Context(), full)
	if changes == 0 {
		if err != nil || dump(t, st, "out", true) != dump(t, free, "out", true) {
			t.Fatalf("%v\n%swithout a breaker\n%s", err, dump(t, st, "out", true), dump(t, free, "out", true))
		}
		return
	}
	if !errors.Is(err, sinks.ErrTripped) || dump(t, st, "out", true) != before {
		t.Fatalf("%v, %+v\n%s", err, stats, dump(t, st, "out", true))
	}
	tripped(t, e, int64(changes))
	if err := e.ResolveTrip(t.Context(), "out", publish); err != nil {
		t.Fatal(err)
	}
	if after := dump(t, st, "out", true); publish == (after == before) {
		t.Errorf("committed %v, and it holds\n%s", publish, after)
	}
	if err := e.ResolveTrip(t.Context(), "out", publish); !errors.Is(err, sinks.ErrNotTripped) {
		t.Errorf("resolved twice: %v", err)
	}
	if !publish {
		return
	}
	// Committed a few times, everything is there: each run goes on.
	for range 10 {
		if _, err = p.Run(t.Context(), full); err == nil {
			break
		}
		if err := e.ResolveTrip(t.Context(), "out", true); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil || live(t, st, "out") != live(t, free, "out") {
		t.Errorf("%v: %swithout a breaker\n%s", err, live(t, st, "out"), live(t, free, "out"))
	}
}

// tripped checks what operators are told.
func tripped(t *testing.T, e *engine.Engine, changes int64) {
	t.Helper()
	trip, err := e.Trip(t.Context(), "out")
	if err != nil || trip == nil || trip.Changes != changes || trip.Pipe != "out" || trip.At.IsZero() {
		t.Fatalf("the trip is %+v: %v", trip, err)
	}
	p, _ := e.Pipe("out")
	var wait *pipes.WaitError
	if _, err := p.Run(t.Context(), false); !errors.As(err, &wait) || !wait.Tripped || !strings.Contains(err.Error(), "commit or roll back") {
		t.Errorf("a run after the trip: %v", err)
	}
	s, err := e.Status(t.Context(), "out")
	if err != nil || s.Why.Code == engine.Running {
		t.Errorf("the status is %+v: %v", s.Why, err)
	}
}

// A breaker is not armed before the dataset is populated: the first run may
// write as much as there is.
func TestBreakerFirstRun(t *testing.T) {
	st := memory(t)
	put(t, st, "in", numbered(1, 10, 1), true)
	runPipe(t, open(t, st, parse(t, guarded(`"circuit_breaker_threshold_count": 1`))), false)
	if n := strings.Count(live(t, st, "out"), "\n"); n != 10 {
		t.Errorf("%d entities", n)
	}
}

// A rule can trip the breaker, whatever the limit.
func TestTripByRule(t *testing.T) {
	for _, limits := range []string{`"circuit_breaker_threshold_count": 100`, `"deletion_tracking": true`} {
		st := memory(t)
		put(t, st, "in", numbered(1, 10, 1), true)
		e := open(t, st, parse(t, guarded(limits)))
		runPipe(t, e, false)
		put(t, st, "in", append(numbered(1, 3, 2), numbered(4, 4, -1)...), true)
		p, _ := e.Pipe("out")
		_, err := p.Run(t.Context(), false)
		if err == nil || !strings.Contains(err.Error(), "minus one") {
			t.Fatal(err)
		}
		trip, err := e.Trip(t.Context(), "out")
		if err != nil || trip == nil || !strings.Contains(trip.Why(), "minus one") {
			t.Fatalf("%+v: %v", trip, err)
		}
		if err := e.ResolveTrip(t.Context(), "out", true); err != nil || strings.Count(live(t, st, "out"), `"n":2`) != 3 {
			t.Errorf("%v\n%s", err, live(t, st, "out"))
		}
	}
}

// A breaker that never trips changes nothing: the same versions are stored as
// without one, over random histories.
func TestBreakerIsTransparent(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		with, without := memory(t), memory(t)
		ew, eo := open(t, with, parse(t, guarded(`"circuit_breaker_threshold_count": 1000`))), open(t, without, parse(t, guarded(`"deletion_tracking": true`)))
		for range 6 {
			var es []entity.Value
			for range r.IntN(6) {
				es = append(es, numbered(r.IntN(5), 5, r.IntN(3))...)
			}
			full := r.IntN(3) == 0
			for _, at := range []struct {
				st store.Store
				e  *engine.Engine
			}{{with, ew}, {without, eo}} {
				put(t, at.st, "in", es, true)
				runPipe(t, at.e, full)
			}
		}
		if a, b := dump(t, with, "out", true), dump(t, without, "out", true); a != b {
			t.Fatalf("seed %d: with\n%swithout\n%s", seed, a, b)
		}
		if _, err := with.Info(t.Context(), sinks.Uncommitted("out")); !errors.Is(err, store.ErrNoDataset) {
			t.Errorf("seed %d: something is left behind: %v", seed, err)
		}
		ew.Close()
		eo.Close()
	}
}

// Nothing is reposted while the breaker is tripped.
func TestTrippedReposts(t *testing.T) {
	st := memory(t)
	conf := strings.Replace(guarded(`"circuit_breaker_threshold_count": 2`), `"batch_size"`, `"pump": {"max_write_errors_in_retry_dataset": 9}, "batch_size"`, 1)
	put(t, st, "in", numbered(1, 2, 1), true)
	e := open(t, st, parse(t, conf))
	runPipe(t, e, false)
	put(t, st, "in", numbered(3, 9, 1), true)
	p, _ := e.Pipe("out")
	if _, err := p.Run(t.Context(), false); !errors.Is(err, sinks.ErrTripped) {
		t.Fatal(err)
	}
	var wait *pipes.WaitError
	if _, err := e.Repost(t.Context(), "out", nil); !errors.As(err, &wait) {
		t.Errorf("reposted: %v", err)
	}
	check(t, e.ResolveTrip(t.Context(), "out", false))
	if _, err := e.Repost(t.Context(), "out", nil); err != nil {
		t.Error(err)
	}
}
