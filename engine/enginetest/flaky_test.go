package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// flaky is a store that refuses batches of entities now and then, some when
// they are handed over and some only when they are waited for.
type flaky struct {
	store.Store
	r       *rand.Rand
	refused int
}

var errFlaky = errors.New("refused by chance")

func (f *flaky) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if len(b.Writes) == 0 || b.Writes[0].Dataset != "mid" && b.Writes[0].Dataset != "out" {
		return f.Store.Append(ctx, b)
	}
	switch f.r.IntN(5) {
	case 0:
		f.refused++
		return nil, errFlaky
	case 1:
		f.refused++
		return lost{}, nil
	}
	return f.Store.Append(ctx, b)
}

// lost is a batch that was handed over and refused later.
type lost struct{}

func (lost) Wait(context.Context) (store.Result, error) { return store.Result{}, errFlaky }

// A pipe whose batches are refused at random, whatever is on its way behind
// them, comes to the same versions as one whose are not.
func TestRefusedBatches(t *testing.T) {
	refused := 0
	for seed := range uint64(60) {
		conf := parse(t, fmt.Sprintf(shapes, 2))
		calm, base := memory(t), memory(t)
		rough := &flaky{Store: base, r: rand.New(rand.NewPCG(seed, 2))}
		a, b := open(t, calm, conf), open(t, rough, conf)
		for _, cs := range history(seed, 6) {
			apply(t, calm, cs)
			runAll(t, a)
			apply(t, base, cs)
			runStubbornly(t, b)
		}
		want, got := dump(t, calm, "mid", true)+dump(t, calm, "out", true), dump(t, base, "mid", true)+dump(t, base, "out", true)
		if got != want {
			t.Errorf("seed %d: with refusals\n%swithout\n%s", seed, got, want)
		}
		refused += rough.refused
	}
	if refused < 500 {
		t.Errorf("only %d batches were refused", refused)
	}
}

// runStubbornly runs until no pipe fails any more.
func runStubbornly(t *testing.T, e *engine.Engine) {
	t.Helper()
	for range 100 {
		results, err := e.RunAll(t.Context(), nil, nil)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errFlaky) {
			t.Fatal(err)
		}
	}
	t.Fatal("it never comes to an end")
}

// losing is a store that loses the n-th batch of entities for "out" after it was
// handed over.
type losing struct {
	store.Store
	n int
}

func (o *losing) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if len(b.Writes) > 0 && b.Writes[0].Dataset == "out" {
		if o.n--; o.n == 0 {
			return lost{}, nil
		}
	}
	return o.Store.Append(ctx, b)
}

// A batch that was made while the one before was on its way is made anew if that
// one has to be: the transforms have used their memory for it. They do so on
// several cores, which takes batches of some size.
func TestBatchIsRemadeAfterRetry(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for n := 1; n <= 3; n++ {
		st := memory(t)
		var in []entity.Value
		for i := range 400 {
			in = append(in, entities(t, fmt.Sprintf(`{"_id": "%d", "text": "number %d"}`, i, i))...)
		}
		put(t, st, "in", in, true)
		e := open(t, &losing{st, n}, parse(t, `[{"_id": "out", "type": "pipe", "batch_size": 100, "source": {"type": "dataset", "dataset": "in"},
			"transform": {"type": "dtl", "rules": {"default": [["copy", "_id"], ["add", "says", ["concat", "_S.text", " of ", "_S._id"]], ["add", "all", ["dict", "of", "_S.text"]]]}}}]`))
		runAll(t, e)
		for i, line := range strings.Split(strings.TrimSpace(dump(t, st, "out", true)), "\n") {
			if want := fmt.Sprintf(`{"_id":"%d","says":"number %d of %d","all":{"of":"number %d"}}`, i, i, i, i); line != want {
				t.Fatalf("batch %d was lost once: entity %d is %s, want %s", n, i, line, want)
			}
		}
	}
}
