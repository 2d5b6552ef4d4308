package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// shapes is a chain of two pipes that copy, filter and add.
const shapes = `[{"_id": "mid", "type": "pipe", "batch_size": %[1]d, "source": {"type": "dataset", "dataset": "in"},
   "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["neq", "_S.n", 3]], ["add", "double", ["plus", "_S.n", "_S.n"]]]}}},
 {"_id": "out", "type": "pipe", "batch_size": %[1]d, "source": {"type": "dataset", "dataset": "mid"},
   "transform": [{"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S._deleted", true], ["add", "was", "here"]]]}}]}]`

// change is one change of the dataset "in": put, or delete if n is negative.
type change struct{ id, n int }

// history is a random history: what changes between one run and the next.
func history(seed uint64, length int) [][]change {
	r := rand.New(rand.NewPCG(seed, 1))
	var steps [][]change
	for range length {
		var cs []change
		for range 1 + r.IntN(8) {
			cs = append(cs, change{r.IntN(12), r.IntN(6) - 1})
		}
		steps = append(steps, cs)
	}
	return steps
}

func (c change) entity() entity.Value {
	m := []entity.Member{
		{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("e%d", c.id))},
		{Key: "n", Value: entity.NewInt(int64(max(c.n, 0)))},
	}
	if c.n < 0 {
		m = append(m, entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)})
	}
	return entity.NewDict(m...)
}

func apply(t *testing.T, st store.Store, cs []change) {
	t.Helper()
	var es []entity.Value
	for _, c := range cs {
		es = append(es, c.entity())
	}
	put(t, st, "in", es, true)
}

func runAll(t *testing.T, e *engine.Engine) {
	t.Helper()
	results, err := e.RunAll(t.Context(), nil, nil)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// live lists the live entities of a dataset, sorted.
func live(t *testing.T, st store.Store, dataset string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(dump(t, st, dataset, false)) {
		if !strings.Contains(line, `"_deleted":true`) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Runs after every change lead to the same as one full run at the end, and as
// a full run on top of them.
func TestIncrementalIsFull(t *testing.T) {
	for seed := range uint64(10) {
		steps := history(seed, 12)
		conf := parse(t, fmt.Sprintf(shapes, 5))
		a, b := memory(t), memory(t)
		ea, eb := open(t, a, conf), open(t, b, conf)
		for _, cs := range steps {
			apply(t, a, cs)
			runAll(t, ea)
			apply(t, b, cs)
		}
		runAll(t, eb)
		bit := live(t, a, "out")
		if whole := live(t, b, "out"); bit != whole {
			t.Errorf("seed %d: step by step\n%sat once\n%s", seed, bit, whole)
		}
		for _, id := range []string{"mid", "out"} {
			p, _ := ea.Pipe(id)
			if stats, err := p.Run(t.Context(), true); err != nil || stats.Changed+stats.Deleted > 0 {
				t.Errorf("seed %d: a full run of %s changed %d and deleted %d: %v", seed, id, stats.Changed, stats.Deleted, err)
			}
		}
	}
}

// The size of batches decides nothing, not even which versions there are.
func TestBatchSize(t *testing.T) {
	for seed := range uint64(5) {
		var want string
		for _, size := range []int{1, 3, 1000} {
			st := memory(t)
			e := open(t, st, parse(t, fmt.Sprintf(shapes, size)))
			for _, cs := range history(seed, 8) {
				apply(t, st, cs)
				runAll(t, e)
			}
			got := dump(t, st, "mid", true) + dump(t, st, "out", true)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("seed %d: with batches of %d\n%swith batches of 1\n%s", seed, size, got, want)
			}
		}
	}
}
