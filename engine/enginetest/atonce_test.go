package enginetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// twos is a dataset sink whose batches are of two entities unless the pipe says
// otherwise, so that few are worth taking several batches at once.
type twos struct {
	sinks.Sink
	sinks.Datasets
	sinks.Loader
	sinks.Sider
	sinks.Breaker
}

func (twos) BatchSize() int { return 2 }

// ofTwos are the standard sets with such a sink.
func ofTwos(t *testing.T) engine.Sets {
	t.Helper()
	var types []sinks.Type
	for _, typ := range sinks.Standard() {
		if typ.Name != "dataset" {
			continue
		}
		build := typ.Build
		typ.Build = func(cfg any, env sinks.Env) (sinks.Sink, diag.List) {
			s, diags := build(cfg, env)
			return twos{s, s.(sinks.Datasets), s.(sinks.Loader), s.(sinks.Sider), s.(sinks.Breaker)}, diags
		}
		types = append(types, typ)
	}
	return sets(t).With(nil, nil, types, nil)
}

// chains are configurations whose pipes may take several batches at once, with
// "batch_size": 2 where %s stands.
var chains = []string{
	`[{"_id": "out", "type": "pipe", %s "source": {"type": "dataset", "dataset": "in", "include_previous_versions": true},
	   "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["neq", "_S.n", 3]]]}}}]`,
	`[{"_id": "mid", "type": "pipe", %[1]s "source": {"type": "dataset", "dataset": "in"}},
	  {"_id": "out", "type": "pipe", %[1]s "source": {"type": "merge_datasets", "datasets": ["none", "mid", "in"]}}]`,
	`[{"_id": "mid", "type": "pipe", %[1]s "source": {"type": "dataset", "dataset": "in"}},
	  {"_id": "out", "type": "pipe", %[1]s "source": {"type": "union_datasets", "datasets": ["mid", "in"], "include_previous_versions": true}}]`,
	`[{"_id": "out", "type": "pipe", %s "source": {"type": "dataset", "dataset": "in", "include_previous_versions": true},
	   "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.n", 3], ["fail!", "three"]]]}},
	   "pump": {"max_write_errors_in_retry_dataset": 100, "max_consecutive_write_errors": 3, "max_retries_per_entity": 1, "rescan_run_count": 4}}]`,
}

// whatRunsDid tells of runs of all pipes how they ended and what they counted.
func whatRunsDid(t *testing.T, e *engine.Engine) (told string) {
	for range 4 {
		results, err := e.RunAll(t.Context(), nil, nil)
		must(t, err)
		for _, r := range results {
			s := r.Stats
			told += fmt.Sprintf("%s: %s, read %d, changed %d, deleted %d, succeeded %d, failed %d, retried %d: %v\n",
				r.Pipe, s.Kind, s.Read, s.Changed, s.Deleted, s.Succeeded, s.Failed, s.Retried, r.Err)
		}
	}
	return told
}

// How many batches a run takes at once decides nothing, neither what is written in
// which order nor what a run says of itself, also where entities fail.
func TestAtOnce(t *testing.T) {
	two := ofTwos(t)
	few, seeds := 0, uint64(15)
	if testing.Short() {
		seeds = 3
	}
	for i, chain := range chains {
		for seed := range seeds {
			var told, stand [2]string
			var commits [2]int64
			for k, size := range []string{`"batch_size": 2,`, ``} {
				st := &countingStore{Store: memory(t)}
				e := openSets(t, st, parse(t, fmt.Sprintf(chain, size)), two)
				for _, cs := range bulks(seed) {
					apply(t, st.Store, cs)
					told[k] += whatRunsDid(t, e)
				}
				stand[k], commits[k] = dump(t, st, "out", true)+live(t, st, pipes.RetryDataset("out")), st.appends.Load()
				e.Close()
			}
			if told[0] != told[1] || stand[0] != stand[1] {
				t.Fatalf("chain %d, seed %d: one at a time\n%s%s\nat once\n%s%s", i, seed, told[0], stand[0], told[1], stand[1])
			}
			if commits[1] < commits[0]*3/4 {
				few++
			}
		}
	}
	if few < 2*int(seeds) {
		t.Errorf("only %d cases made fewer commits", few)
	}
}

// bulks is a history of few steps in which much changes, and some in which little does.
func bulks(seed uint64) (steps [][]change) {
	for i, cs := range history(seed, 40) {
		if i%10 == 0 || i > 36 {
			steps = append(steps, nil)
		}
		steps[len(steps)-1] = append(steps[len(steps)-1], cs...)
	}
	return steps
}

// What is refused when it was taken at once is written all the same.
func TestAtOnceRefused(t *testing.T) {
	two := ofTwos(t)
	refused, seeds := 0, 20
	if testing.Short() {
		seeds = 5
	}
	for _, chain := range chains[:3] {
		for seed := range uint64(seeds) {
			conf := parse(t, fmt.Sprintf(chain, ""))
			calm, base := memory(t), memory(t)
			rough := &flaky{Store: base, r: rand.New(rand.NewPCG(seed, 2))}
			a, b := openSets(t, calm, conf, two), openSets(t, rough, conf, two)
			for _, cs := range bulks(seed) {
				apply(t, calm, cs)
				runAll(t, a)
				apply(t, base, cs)
				runStubbornly(t, b)
			}
			if want, got := live(t, calm, "out"), live(t, base, "out"); got != want {
				t.Errorf("seed %d: with refusals\n%swithout\n%s", seed, got, want)
			}
			refused += rough.refused
		}
	}
	if refused < 10*seeds {
		t.Errorf("only %d batches were refused", refused)
	}
}

// A power cut while much is written at once loses nothing, nor is anything deleted
// that is there.
func TestAtOnceCrash(t *testing.T) {
	two := ofTwos(t)
	cuts := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 11))
		conf := strings.Replace(fmt.Sprintf(picky, 2, 1+r.IntN(5), 1+r.IntN(3)*50, r.IntN(3), 2+r.IntN(3)), `"batch_size": 2, `, "", 1)
		calm, rough := memory(t), memory(t)
		whole := openSets(t, calm, parse(t, conf), two)
		for _, cs := range history(seed, 6) {
			apply(t, calm, cs)
			must(t, stubborn(t)(whole))
			apply(t, rough, cs)
			cuts += surviveWith(t, rough, conf, two, r, stubborn(t))
		}
		for range 6 {
			must(t, stubborn(t)(whole))
			surviveWith(t, rough, conf, two, r, stubborn(t))
		}
		if want, got := settled(t, calm), settled(t, rough); got != want {
			t.Fatalf("seed %d %s: with cuts\n%swithout\n%s", seed, conf, got, want)
		}
	}
	if cuts < 150 {
		t.Errorf("only %d cuts", cuts)
	}
}

// coming is a store into which an entity comes whenever a page of a dataset was read,
// so many times, and reading takes some time.
type coming struct {
	store.Store
	t    *testing.T
	left int
	slow time.Duration
}

func (c *coming) Read(ctx context.Context, dataset string, q store.Query, a *entity.Arena) (store.Page, error) {
	page, err := c.Store.Read(ctx, dataset, q, a)
	if dataset == "in" && c.left > 0 {
		c.left--
		time.Sleep(c.slow)
		put(c.t, c.Store, "in", []entity.Value{idOnly(fmt.Sprint("late", c.left))}, true)
	}
	return page, err
}

// A run that is not old goes on with what has come while it was reading; a full run,
// and one that is, leave it to the next one.
func TestRunLingers(t *testing.T) {
	const conf = `[{"_id": "out", "type": "pipe", "source": {"type": "%s", "%s": %s}}]`
	dataset, merge := fmt.Sprintf(conf, "dataset", "dataset", `"in"`), fmt.Sprintf(conf, "merge_datasets", "datasets", `["none", "in"]`)
	for _, c := range []struct {
		conf string
		full bool
		slow time.Duration
		want int
	}{{dataset, false, time.Millisecond, 6}, {merge, false, time.Millisecond, 6}, {dataset, true, time.Millisecond, 2},
		{dataset, false, lingers + time.Millisecond, 1}, {dataset, false, lingers / 2, 2}} {
		inWorld(t, c.conf, func(t *testing.T, w *world) {
			put(t, w.st, "in", []entity.Value{idOnly("a")}, true)
			late := &coming{Store: w.st, t: t, slow: c.slow}
			w.openOn(c.conf, late)
			p, _ := w.e.Pipe("out")
			_, err := p.Run(t.Context(), false)
			must(t, err)
			put(t, w.st, "in", []entity.Value{idOnly("b")}, true)
			late.left = 5
			stats, err := p.Run(t.Context(), c.full)
			if err != nil || stats.Read != c.want {
				t.Errorf("full %t, %s a page: %d read, want %d: %v", c.full, c.slow, stats.Read, c.want, err)
			}
			for range 6 {
				_, err = p.Run(t.Context(), false)
				must(t, err)
			}
			if got := strings.Count(live(t, w.st, "out"), "\n"); got != 7 {
				t.Errorf("full %t, %s a page: %d arrived", c.full, c.slow, got)
			}
		})
	}
}

// lingers is for how long a run goes on with what comes.
const lingers = 200 * time.Millisecond
