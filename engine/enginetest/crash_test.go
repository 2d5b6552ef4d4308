package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// mortal is a store whose power fails at some write: that one is kept or lost
// as chance wants, whole, and nothing works afterwards.
type mortal struct {
	store.Store
	mu   sync.Mutex
	r    *rand.Rand
	left int // writes until the power fails
	dead bool
}

var errPower = errors.New("the power is off")

func (m *mortal) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errPower
	}
	if m.left > 0 {
		m.left--
		return m.Store.Append(ctx, b)
	}
	if m.dead = true; m.r.IntN(2) == 0 {
		return nil, errPower
	}
	if p, err := m.Store.Append(ctx, b); err == nil { // it stands, but nobody hears of it
		p.Wait(ctx)
	}
	return silenced{}, nil
}

type silenced struct{}

func (silenced) Wait(context.Context) (store.Result, error) { return store.Result{}, errPower }

func (m *mortal) Read(ctx context.Context, d string, q store.Query, a *entity.Arena) (store.Page, error) {
	if m.off() {
		return store.Page{}, errPower
	}
	return m.Store.Read(ctx, d, q, a)
}

func (m *mortal) State(ctx context.Context, key string) ([]byte, uint64, error) {
	if m.off() {
		return nil, 0, errPower
	}
	return m.Store.State(ctx, key)
}

func (m *mortal) off() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// picky is a pipe that fails for every entity whose n is 3.
const picky = `[{"_id": "out", "type": "pipe", "batch_size": %d, "checkpoint_interval": %d, "source": {"type": "dataset", "dataset": "in"},
   "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.n", 3], ["fail!", "three"]]]}},
   "pump": {"max_write_errors_in_retry_dataset": 100, "max_consecutive_write_errors": %d, "max_retries_per_entity": %d,
     "dead_letter_dataset": "letters", "track_dead_letters": true, "rescan_run_count": %d}}]`

// survive runs the node until a run comes to its end, through as many power
// cuts as chance wants.
func survive(t *testing.T, base store.Store, conf string, r *rand.Rand, during func(e *engine.Engine) error) (cuts int) {
	t.Helper()
	return surviveWith(t, base, conf, sets(t), r, during)
}

func surviveWith(t *testing.T, base store.Store, conf string, with engine.Sets, r *rand.Rand, during func(e *engine.Engine) error) (cuts int) {
	t.Helper()
	for {
		m := &mortal{Store: base, r: r, left: r.IntN(12)}
		if cuts >= 6 {
			m.left = 1 << 30
		}
		e, err := engine.Open(t.Context(), engine.Options{Config: parse(t, conf), Store: m, Sets: with})
		if err == nil {
			err = during(e)
			e.Close()
		}
		if m.off() {
			cuts++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return cuts
	}
}

// stubborn runs the pipe until a run comes to its end, or the power fails.
func stubborn(t *testing.T) func(e *engine.Engine) error {
	return func(e *engine.Engine) error {
		p, _ := e.Pipe("out")
		for range 100 {
			_, err := p.Run(t.Context(), false)
			if err == nil || errors.Is(err, errPower) {
				return err
			}
			if !strings.Contains(err.Error(), "three") {
				t.Fatal(err)
			}
		}
		return errors.New("it never comes to an end")
	}
}

// settled is all that a run leaves behind which does not depend on how many
// runs there were: the entities, and of those that were given up what they are.
func settled(t *testing.T, st store.Store) string {
	t.Helper()
	var lines []string
	for _, dataset := range []string{"letters", pipes.RetryDataset("out")} {
		for line := range strings.Lines(live(t, st, dataset)) {
			e := entities(t, line)[0]
			of, _ := e.Get("entity")
			dead, _ := e.Get("dead")
			lines = append(lines, fmt.Sprintf("%s %t %s\n", dataset, dead.Bool(), entity.AppendJSON(nil, without(of, entity.TSKey))))
		}
	}
	slices.Sort(lines)
	return live(t, st, "out") + strings.Join(lines, "")
}

// Whatever write a power cut strikes, the node comes to the same entities, the
// same dead letters and the same failed entities as one without cuts.
func TestCrashWithFailures(t *testing.T) {
	cuts := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		conf := fmt.Sprintf(picky, 1+r.IntN(4), 1+r.IntN(3), 1+r.IntN(3)*50, r.IntN(3), 2+r.IntN(3))
		calm, rough := memory(t), memory(t)
		whole := open(t, calm, parse(t, conf))
		for _, cs := range history(seed, 6) {
			apply(t, calm, cs)
			must(t, stubborn(t)(whole))
			apply(t, rough, cs)
			cuts += survive(t, rough, conf, r, stubborn(t))
		}
		for range 6 {
			must(t, stubborn(t)(whole))
			survive(t, rough, conf, r, stubborn(t))
		}
		if want, got := settled(t, calm), settled(t, rough); got != want {
			t.Fatalf("seed %d %s: with cuts\n%swithout\n%s", seed, conf, got, want)
		}
	}
	if cuts < 300 {
		t.Errorf("only %d cuts", cuts)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A full run that power cuts strike goes on, and deletes in the end what the
// source does not have, and nothing else.
func TestCrashInFullRun(t *testing.T) {
	cuts, resumed := 0, 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		conf := fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, "checkpoint_interval": %d,
			"source": {"type": "dataset", "dataset": "in", "include_previous_versions": %t}, "sink": {"suppress_filtered": %t},
			"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["neq", "_S.n", 2]]]}}}]`,
			1+r.IntN(3), 1+r.IntN(3), r.IntN(2) == 0, r.IntN(2) == 0)
		calm, rough := memory(t), memory(t)
		for _, cs := range history(seed, 4) {
			for _, st := range []store.Store{calm, rough} {
				apply(t, st, cs)
			}
		}
		e := open(t, calm, parse(t, conf))
		must(t, stubborn(t)(e))
		cuts += survive(t, rough, conf, r, stubborn(t))
		for _, st := range []store.Store{calm, rough} {
			apply(t, st, history(seed+1000, 1)[0])
			put(t, st, "out", entities(t, `[{"_id": "alien"}, {"_id": "e0", "n": 99}]`), false)
		}
		full := func(e *engine.Engine) error {
			p, _ := e.Pipe("out")
			stats, err := p.Run(t.Context(), true)
			if err == nil && stats.Read < 5 {
				resumed++
			}
			return err
		}
		must(t, full(e))
		cuts += survive(t, rough, conf, r, full)
		if want, got := live(t, calm, "out"), live(t, rough, "out"); got != want {
			t.Fatalf("seed %d %s: with cuts\n%swithout\n%s", seed, conf, got, want)
		}
		if keys, err := rough.States(t.Context(), "seen/"); err != nil || len(keys) > 0 {
			t.Errorf("left over: %v %v", keys, err)
		}
	}
	if cuts < 200 || resumed < 5 {
		t.Errorf("only %d cuts, and %d runs that went on", cuts, resumed)
	}
}

// How many entities a batch has makes no difference to what fails: the same
// versions are written in the same order, and the same entities are given up.
func TestBatchSizeWithFailures(t *testing.T) {
	for seed := range uint64(20) {
		want := ""
		most := 1 + int(seed%3)*50
		for _, size := range []int{1, 3, 1000} {
			st := memory(t)
			e := open(t, st, parse(t, fmt.Sprintf(picky, size, 1, most, 2, 100)))
			for _, cs := range history(seed, 6) {
				apply(t, st, cs)
				must(t, stubborn(t)(e))
			}
			for range 4 {
				must(t, stubborn(t)(e))
			}
			got := dump(t, st, "out", true) + settled(t, st)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("seed %d: with batches of %d\n%swith batches of 1\n%s", seed, size, got, want)
			}
		}
	}
}
