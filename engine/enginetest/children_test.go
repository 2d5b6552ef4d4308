package enginetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// However children come, go and move between parents, there are those that a parent
// has, and no others.
func TestChildrenAreThoseOfParents(t *testing.T) {
	const conf = `[{"_id": "par", "type": "pipe", "batch_size": %[1]d, "source": {"type": "dataset", "dataset": "in"},
		"transform": {"type": "dtl", "rules": {"default": [["filter", ["neq", "_S.n", 3]], ["copy", ["list", "_id", "n"]], ["create-child", "_S.has"]]}}},
		{"_id": "kids", "type": "pipe", "batch_size": %[1]d, "source": {"type": "dataset", "dataset": "par"%[2]s}, "transform": {"type": "emit_children"}}]`
	for seed := range mergeSeeds(60, 600) {
		r := rand.New(rand.NewPCG(seed, 7))
		more := ""
		if seed%3 == 2 {
			more = `, "include_previous_versions": true`
		}
		st := memory(t)
		e := open(t, st, parse(t, fmt.Sprintf(conf, 1+r.IntN(4), more)))
		parents := map[string][]string{}
		for step := range 8 {
			for range 1 + r.IntN(5) {
				id, n := fmt.Sprintf("p%d", r.IntN(4)), r.IntN(4)
				var kids []string
				for range r.IntN(4) {
					kids = append(kids, fmt.Sprintf("c%d", r.IntN(6)))
				}
				slices.Sort(kids)
				kids = slices.Compact(kids)
				deleted := r.IntN(5) == 0
				var has []string
				for _, k := range kids {
					has = append(has, fmt.Sprintf(`{"_id": %q}`, k))
				}
				put(t, st, "in", entities(t, fmt.Sprintf(`{"_id": %q, "n": %d, "_deleted": %t, "has": [%s]}`, id, n, deleted, strings.Join(has, ", "))), true)
				if parents[id] = kids; deleted || n == 3 {
					parents[id] = nil
				}
			}
			pipes := []string{"par", "kids"}
			if r.IntN(3) == 0 {
				pipes = pipes[:1]
			}
			for _, id := range pipes {
				runNamed(t, e, id)
			}
			if len(pipes) < 2 {
				continue
			}
			p, _ := e.Pipe("kids")
			check := func(when string) {
				all := map[string]bool{}
				for _, kids := range parents {
					for _, k := range kids {
						all[fmt.Sprintf("{\"_id\":%q}\n", k)] = true
					}
				}
				want := strings.Join(slices.Sorted(maps.Keys(all)), "")
				if got := live(t, st, "kids"); got != want {
					t.Fatalf("seed %d, step %d, %s:\n%swant\n%sparents\n%s", seed, step, when, got, want, dump(t, st, "par", false))
				}
			}
			check("followed")
			if r.IntN(3) == 0 {
				if _, err := p.Run(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				check("read again")
			}
		}
		e.Close()
	}
}
