package enginetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluiceio/sluice/engine"
)

// severalSources read the datasets sa, sb and sc, which share ids.
var severalSources = []string{
	`"type": "merge_datasets"`,
	`"type": "merge_datasets", "strategy": "all"`,
	`"type": "union_datasets"`,
	`"type": "union_datasets", "include_previous_versions": true`,
	`"type": "diff_datasets"`,
	`"type": "diff_datasets", "ignore_deletes": true, "treat_lists_as_sets": true`,
	`"type": "diff_datasets", "whitelist": ["n", "k"], "blacklist": ["k"]`,
	`"type": "diff_datasets", "ignore_deletes": true, "blacklist": ["k", "m"]`,
}

func severalConf(source string, batch int) string {
	return fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, "source": {%s, "datasets": ["sa", "sb", "sc"]},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "sa", "_S.sa.n"], ["add", "sb", "_S.sb.n"], ["add", "sc", "_S.sc.n"]]}}}]`, batch, source)
}

// What several datasets come to as they change is what they come to at once, in
// batches of any size, and through power cuts.
func TestSeveralDatasets(t *testing.T) {
	t.Parallel()
	cuts := 0
	for seed := range mergeSeeds(100, 600) {
		r := rand.New(rand.NewPCG(seed, 61))
		source := severalSources[seed%uint64(len(severalSources))]
		bit, rough, whole := memory(t), memory(t), memory(t)
		a, b, c := newMergeScene(seed, 62), newMergeScene(seed, 62), newMergeScene(seed, 62)
		step := open(t, bit, parse(t, severalConf(source, 1+r.IntN(3))))
		for range 5 {
			a.change(t, bit)
			runPipe(t, step, false)
			b.change(t, rough)
			cuts += survive(t, rough, severalConf(source, 1+r.IntN(3)), r, func(e *engine.Engine) error { return untilDone(t, e) })
			c.change(t, whole)
		}
		atOnce := open(t, whole, parse(t, severalConf(source, 1000)))
		runPipe(t, atOnce, false)
		want := live(t, whole, "out")
		if got := live(t, bit, "out"); got != want {
			t.Fatalf("seed %d %s: step by step\n%sat once\n%s", seed, source, got, want)
		}
		if got := live(t, rough, "out"); got != want {
			t.Fatalf("seed %d %s: with cuts\n%sat once\n%s", seed, source, got, want)
		}
		runPipe(t, step, true)
		if got := live(t, bit, "out"); got != want {
			t.Fatalf("seed %d %s: after a full run\n%sat once\n%s", seed, source, got, want)
		}
		step.Close()
		atOnce.Close()
		bit.Close()
		rough.Close()
		whole.Close()
	}
	if cuts < 50 {
		t.Errorf("only %d cuts", cuts)
	}
}
