package dtl

import (
	"maps"
	"sync"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Joins collects what hops have found: rows in all, entities for one source entity
// at the most, and of those with a "trace" what each join found at the most, by
// trace and alias. Several runs may tell it at once.
type Joins struct {
	mu         sync.Mutex
	most       map[string]map[string]int
	rows, peak int
}

// Found returns how many rows hops have made, and how many entities they found for
// one source entity at the most.
func (j *Joins) Found() (rows, peak int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rows, j.peak
}

// hopped is what the hops of one source entity have found.
type hopped struct{ rows, entities int }

// tell adds what was found for a source entity.
func (h *hopped) tell(j *Joins) {
	if *h == (hopped{}) {
		return
	}
	if j != nil {
		j.mu.Lock()
		j.rows, j.peak = j.rows+h.rows, max(j.peak, h.entities)
		j.mu.Unlock()
	}
	*h = hopped{}
}

// Most returns a copy of what was collected.
func (j *Joins) Most() map[string]map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make(map[string]map[string]int, len(j.most))
	for name, m := range j.most {
		all[name] = maps.Clone(m)
	}
	return all
}

func (j *Joins) saw(t joinTrace, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.most == nil {
		j.most = map[string]map[string]int{}
	}
	if j.most[t.name] == nil {
		j.most[t.name] = map[string]int{}
	}
	j.most[t.name][t.alias] = max(n, j.most[t.name][t.alias])
}

// Observe makes the run tell j of its joins.
func (r *Run) Observe(j *Joins) {
	r.c.joins = j
	if j != nil {
		r.c.most = make([]int, r.p.size.traces)
	}
}

// joinTrace is one join that is traced.
type joinTrace struct {
	name, alias string
	slot        int // of what this run has seen; -1 if it is not traced
}

// count notes how many entities a join has found.
func (c *Ctx) count(t joinTrace, n int) {
	if t.slot < 0 || c.joins == nil || n <= c.most[t.slot] {
		return
	}
	c.most[t.slot] = n
	c.joins.saw(t, n)
}

// hopsTrace reads "trace", which stands in the last dict of a chain and counts
// the joins of all.
func (b *Builder) hopsTrace(specs []*jsonpos.Node) string {
	last := specs[len(specs)-1].Get("trace")
	for _, n := range specs[:len(specs)-1] {
		if t := n.Get("trace"); t != nil {
			b.Errorf(t, "dtl/hops", "", `only the last dict of a chain may have "trace"`)
		}
	}
	if last == nil || last.Kind == jsonpos.Null {
		return ""
	}
	if last.Kind != jsonpos.String || last.Text == "" {
		b.Errorf(last, "dtl/hops", `for example "trace": "orders"`, `"trace" is a name for what is counted, found a %s`, last.Kind)
		return ""
	}
	if b.traced[last.Text] {
		b.Warnf(last, "dtl/hops-trace", "give each hops a name of its own", "another hops is traced as %q, too: what they find is counted together", last.Text)
	}
	if b.traced == nil {
		b.traced = map[string]bool{}
	}
	b.traced[last.Text] = true
	return last.Text
}

// traceOf reserves a place to count a join in.
func (b *Builder) traceOf(alias string) joinTrace {
	if b.trace == "" {
		return joinTrace{slot: -1}
	}
	b.traces++
	return joinTrace{b.trace, alias, b.traces - 1}
}
