package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// mergeRules are ways to merge the datasets a, b and c, whose entities have a
// number n, lists of numbers k and m, and a list ref of ids.
var mergeRules = []string{
	`"equality_sets": [["a.k", "b.k", "c.k"]]`,
	`"equality_sets": [["a.k", "b.m"], ["b.k", "c.m"]]`,
	`"equality": [["eq", "a._id", "b.ref"], ["eq", ["plus", "c.n", 1], "a.n"]]`,
	`"equality": [["eq", "b.ref", "a._id"], ["eq", "a.k", "a.m"], ["eq", "c._id", "a.ref"]]`,
	`"equality_sets": [["a._id", "b._id", "c._id"]], "equality": [["eq", "a.k", "c.k"]]`,
	`"equality": []`,
}

// sharedIDs is the rule under which several datasets may have the same ids.
const sharedIDs = 4

// merging is the source of a merge, chosen by chance.
func merging(r *rand.Rand) string {
	rules := r.IntN(len(mergeRules))
	identity := []string{"composite", "first"}[r.IntN(2)]
	strategy := []string{"default", "compact", "list"}[r.IntN(3)]
	return mergeSource(rules, identity, strategy, []string{"a", "b", "c"})
}

func mergeSource(rules int, identity, strategy string, order []string) string {
	var datasets []string
	for _, d := range order {
		name := "m" + d
		if rules == sharedIDs {
			name = "s" + d
		}
		datasets = append(datasets, fmt.Sprintf("%q", name+" "+d))
	}
	return fmt.Sprintf(`"source": {"type": "merge", "version": 2, "datasets": [%s], "identity": %q, "strategy": %q, %s}`,
		strings.Join(datasets, ", "), identity, strategy, mergeRules[rules])
}

// mergeScene is random changes of what is merged: the datasets ma, mb and mc,
// whose ids differ, and sa, sb and sc, which share them.
// Wide ones have many entities and few values, so that sets are large.
type mergeScene struct {
	r    *rand.Rand
	wide bool
}

func newMergeScene(seed, stream uint64) mergeScene {
	return mergeScene{rand.New(rand.NewPCG(seed, stream)), seed%5 == 4}
}

func (s mergeScene) numbers() entity.Value {
	most := 7
	if s.wide {
		most = 4
	}
	var all []entity.Value
	for range s.r.IntN(3) {
		all = append(all, entity.NewInt(int64(s.r.IntN(most))))
	}
	if len(all) == 1 && s.r.IntN(2) == 0 {
		return all[0]
	}
	return entity.NewList(all...)
}

func (s mergeScene) entity(prefix, refPrefix string) entity.Value {
	ids := 5
	if s.wide {
		ids = 60
	}
	m := []entity.Member{
		{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("%s%d", prefix, s.r.IntN(ids)))},
		{Key: "n", Value: entity.NewInt(int64(s.r.IntN(4)))},
		{Key: "k", Value: s.numbers()},
		{Key: "m", Value: s.numbers()},
		{Key: "ref", Value: entity.NewString(fmt.Sprintf("%s%d", refPrefix, s.r.IntN(ids+2)))},
	}
	if s.r.IntN(4) == 0 {
		m = append(m, entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)})
	}
	return entity.NewDict(m...)
}

func (s mergeScene) change(t testing.TB, st store.Store) {
	t.Helper()
	for _, d := range []string{"a", "b", "c"} {
		var own, shared []entity.Value
		changes := s.r.IntN(4)
		if s.wide {
			changes *= 10
		}
		for range changes {
			refTo := map[string]string{"a": "c", "b": "a", "c": "a"}[d]
			own, shared = append(own, s.entity(d, refTo)), append(shared, s.entity("x", "x"))
		}
		put(t, st, "m"+d, own, true)
		put(t, st, "s"+d, shared, true)
	}
}

// A set of thousands is merged, falls apart and comes together again.
func TestMergeLargeSets(t *testing.T) {
	const n = 3000
	st := memory(t)
	var all []entity.Value
	for i := range n {
		all = append(all, entity.NewDict(
			entity.Member{Key: entity.IDKey, Value: entity.NewString(fmt.Sprintf("a%d", i))}, entity.Member{Key: "k", Value: entity.NewInt(1)}))
	}
	put(t, st, "ma", all, true)
	e := open(t, st, parse(t, `[{"_id": "out", "type": "pipe", `+mergeSource(0, "first", "compact", []string{"a", "b", "c"})+`}]`))
	for _, c := range []struct {
		k, live int // of the one that holds the set together; what is there then
	}{{1, 1}, {2, n + 1}, {1, 1}} {
		put(t, st, "mb", entities(t, fmt.Sprintf(`{"_id": "b", "k": %d}`, c.k)), true)
		runPipe(t, e, false)
		if info, err := st.Info(t.Context(), "out"); err != nil || info.Live != int64(c.live) {
			t.Errorf("with %d there are %d, want %d: %v", c.k, info.Live, c.live, err)
		}
		remembered(t, st, 0)
	}
}

func mergeSeeds(short, long int) uint64 {
	if testing.Short() {
		return uint64(short+4) / 5 // enough for the race detector
	}
	return uint64(long)
}

// Merging as entities change leads to the same as merging all at once at the
// end, and a full run on top of it changes nothing.
func TestMergeIncrementalIsFull(t *testing.T) {
	t.Parallel()
	for seed := range mergeSeeds(300, 600) {
		r := rand.New(rand.NewPCG(seed, 41))
		conf := parse(t, fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, %s}]`, 1+r.IntN(4), merging(r)))
		bit, whole := memory(t), memory(t)
		a, b := newMergeScene(seed, 42), newMergeScene(seed, 42)
		e := open(t, bit, conf)
		for range 6 {
			a.change(t, bit)
			runPipe(t, e, false)
			b.change(t, whole)
		}
		all := open(t, whole, conf)
		runPipe(t, all, false)
		if got, want := live(t, bit, "out"), live(t, whole, "out"); got != want {
			t.Fatalf("seed %d %s: step by step\n%sat once\n%s", seed, conf.Get("out").Effective.AppendJSON(nil), got, want)
		}
		p, _ := e.Pipe("out")
		if stats, err := p.Run(t.Context(), true); err != nil || stats.Changed+stats.Deleted > 0 {
			t.Fatalf("seed %d: a full run changed %d and deleted %d: %v", seed, stats.Changed, stats.Deleted, err)
		}
		remembered(t, bit, seed)
		e.Close()
		all.Close()
		bit.Close()
		whole.Close()
	}
}

// remembered checks that the source remembers every live entity, and no other.
func remembered(t *testing.T, st store.Store, seed uint64) {
	t.Helper()
	ids := func(dataset string, of func(id string) (string, bool)) map[string]bool {
		all := map[string]bool{}
		for _, e := range entities(t, live(t, st, dataset)) {
			id, _ := entity.ID(e)
			if id, is := of(id); is {
				all[id] = true
			}
		}
		return all
	}
	out := ids("out", func(id string) (string, bool) { return id, true })
	known := ids("system:merge:out", func(id string) (string, bool) {
		_, out, piece := strings.Cut(id, "=")
		return out, piece
	})
	for id := range out {
		if !known[id] {
			t.Fatalf("seed %d: %q is forgotten", seed, id)
		}
	}
	for id := range known {
		if !out[id] {
			t.Fatalf("seed %d: %q is remembered, and is not there", seed, id)
		}
	}
}

// The size of batches decides nothing.
func TestMergeBatchSize(t *testing.T) {
	t.Parallel()
	for seed := range mergeSeeds(60, 400) {
		source := merging(rand.New(rand.NewPCG(seed, 43)))
		want := ""
		for _, size := range []int{1, 3, 1000} {
			st := memory(t)
			s := newMergeScene(seed, 44)
			e := open(t, st, parse(t, fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, %s}]`, size, source)))
			for range 4 {
				s.change(t, st)
				runPipe(t, e, false)
			}
			got := live(t, st, "out")
			if want == "" {
				want = got
			}
			if got != want {
				t.Fatalf("seed %d %s: with batches of %d\n%swith batches of 1\n%s", seed, source, size, got, want)
			}
			e.Close()
			st.Close()
		}
	}
}

// Whatever write a power cut strikes, with and without circuit breakers, in
// full and in other runs, the end is the same as without.
func TestMergeCrash(t *testing.T) {
	t.Parallel()
	cuts := 0
	for seed := range mergeSeeds(60, 400) {
		r := rand.New(rand.NewPCG(seed, 45))
		sink := []string{`"deletion_tracking": true`, `"deletion_tracking": false`, `"circuit_breaker_threshold_count": 1000`, `"circuit_breaker_threshold_count": 3`}[r.IntN(4)]
		conf := fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, "checkpoint_interval": 1, "sink": {%s}, %s}]`, 1+r.IntN(4), sink, merging(r))
		calm, rough := memory(t), memory(t)
		a, b := newMergeScene(seed, 46), newMergeScene(seed, 46)
		if strings.HasSuffix(sink, ": 3") { // it trips every few entities
			a.wide, b.wide = false, false
		}
		whole := open(t, calm, parse(t, conf))
		for step := range 5 {
			a.change(t, calm)
			must(t, untilDone(t, whole))
			b.change(t, rough)
			full := step == 3
			cuts += survive(t, rough, conf, r, func(e *engine.Engine) error {
				if full {
					p, _ := e.Pipe("out")
					if _, err := p.Run(t.Context(), true); err != nil && errors.Is(err, errPower) {
						return err
					}
				}
				return untilDone(t, e)
			})
			if want, got := live(t, calm, "out"), live(t, rough, "out"); got != want {
				t.Fatalf("seed %d step %d %s: with cuts\n%swithout\n%s", seed, step, conf, got, want)
			}
		}
		whole.Close()
		calm.Close()
		rough.Close()
	}
	if cuts < 100 {
		t.Errorf("only %d cuts", cuts)
	}
}

// A batch that fails is delivered entity by entity, and cut short anywhere;
// changes come in between. What is delivered in the end is what should be.
func TestMergeCrashWithFailures(t *testing.T) {
	t.Parallel()
	cuts := 0
	for seed := range mergeSeeds(60, 400) {
		r := rand.New(rand.NewPCG(seed, 47))
		source := mergeSource(r.IntN(len(mergeRules)), []string{"composite", "first"}[r.IntN(2)], "default", []string{"a", "b", "c"})
		conf := func(fails bool) string {
			rule := `["copy", "*"]`
			if fails {
				rule += `, ["if", ["in", 3, ["list", "_S.n"]], ["fail!", "three"]]`
			}
			return fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": 4, %s, "transform": {"type": "dtl", "rules": {"default": [%s]}},
				"pump": {"max_write_errors_in_retry_dataset": 100, "max_retries_per_entity": 1000, "max_consecutive_write_errors": %d}}]`, source, rule, 1+r.IntN(2)*50)
		}
		st, fresh := memory(t), memory(t)
		a, b := newMergeScene(seed, 48), newMergeScene(seed, 48)
		for range 4 {
			a.change(t, st)
			b.change(t, fresh)
			cuts += survive(t, st, conf(true), r, func(e *engine.Engine) error {
				p, _ := e.Pipe("out")
				_, err := p.Run(t.Context(), false)
				if err != nil && !errors.Is(err, errPower) && strings.Contains(err.Error(), "three") {
					return nil // and something else may have changed when it runs again
				}
				return err
			})
		}
		mended := open(t, st, parse(t, conf(false)))
		for range 3 {
			runPipe(t, mended, false)
		}
		e := open(t, fresh, parse(t, conf(false)))
		runPipe(t, e, false)
		if want, got := live(t, fresh, "out"), live(t, st, "out"); got != want {
			t.Fatalf("seed %d %s: with failures\n%swithout\n%s", seed, conf(true), got, want)
		}
		mended.Close()
		e.Close()
		st.Close()
		fresh.Close()
	}
	if cuts < 40 {
		t.Errorf("only %d cuts", cuts)
	}
}

// Compaction at any time, down to one version and no tombstones, decides
// nothing.
func TestMergeCompaction(t *testing.T) {
	t.Parallel()
	removed := int64(0)
	for seed := range mergeSeeds(60, 400) {
		r := rand.New(rand.NewPCG(seed, 49))
		conf := parse(t, fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": 2, %s}]`, merging(r)))
		plain, packed := memory(t), memory(t)
		a, b := newMergeScene(seed, 50), newMergeScene(seed, 50)
		ep, ec := open(t, plain, conf), open(t, packed, conf)
		for range 6 {
			a.change(t, plain)
			runPipe(t, ep, false)
			b.change(t, packed)
			runPipe(t, ec, false)
			if r.IntN(2) == 0 {
				floors, err := ec.Floors(t.Context())
				must(t, err)
				o := store.CompactOptions{Datasets: map[string]store.Retention{}, Floors: floors, Seal: true}
				for _, d := range []string{"ma", "mb", "mc", "sa", "sb", "sc"} {
					o.Datasets[d] = store.Retention{KeepVersions: 1}
				}
				p, _ := ec.Pipe("out")
				for _, own := range p.Own() {
					own.Keep.TTLDeletes = min(own.Keep.TTLDeletes, time.Nanosecond)
					o.Datasets[own.Dataset] = own.Keep
				}
				done, err := packed.Compact(t.Context(), o)
				must(t, err)
				removed += done.Versions
			}
			if got, want := live(t, packed, "out"), live(t, plain, "out"); got != want {
				t.Fatalf("seed %d: compacted\n%snot compacted\n%s", seed, got, want)
			}
		}
		ep.Close()
		ec.Close()
		plain.Close()
		packed.Close()
	}
	if removed < 100 {
		t.Errorf("only %d versions were removed", removed)
	}
}

// A rescan beside incremental runs with other rules, another order and fewer
// datasets than before, while entities change, leads to what a full run does.
func TestMergeBackgroundRescan(t *testing.T) {
	t.Parallel()
	for seed := range mergeSeeds(60, 400) {
		r := rand.New(rand.NewPCG(seed, 51))
		conf := func() string {
			order := [][]string{{"a", "b", "c"}, {"c", "a", "b"}, {"b", "c", "a"}}[r.IntN(3)]
			rules := r.IntN(2)
			return fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": 2, "enable_background_rescan": true, %s}]`,
				mergeSource(rules, []string{"composite", "first"}[r.IntN(2)], "default", order))
		}
		st, fresh := memory(t), memory(t)
		s := newMergeScene(seed, 52)
		for range 3 {
			s.change(t, st)
		}
		e := open(t, st, parse(t, conf()))
		runPipe(t, e, false)
		e.Close()
		other := conf()
		e = open(t, st, parse(t, other))
		p, _ := e.Pipe("out")
		besideMerge(t, p, st, s)
		runPipe(t, e, false)
		for _, d := range []string{"ma", "mb", "mc"} {
			put(t, fresh, d, entities(t, dump(t, st, d, false)), true)
		}
		whole := open(t, fresh, parse(t, other))
		runPipe(t, whole, false)
		if got, want := live(t, st, "out"), live(t, fresh, "out"); got != want {
			t.Fatalf("seed %d %s: beside\n%swhole\n%s", seed, other, got, want)
		}
		remembered(t, st, seed)
		e.Close()
		whole.Close()
		st.Close()
		fresh.Close()
	}
}

func besideMerge(t *testing.T, p *pipes.Pipe, st store.Store, s mergeScene) {
	t.Helper()
	done := make(chan error)
	go func() {
		_, err := p.Rescan(t.Context())
		done <- err
	}()
	for range 4 {
		s.change(t, st)
		if _, err := p.Run(t.Context(), false); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
