package dtl

import (
	"fmt"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/textdist"
)

func suggestion(word string, known []string) string {
	if near := textdist.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// run appends to out what one HOPS_SPEC returns for a source.
func (s *hopsSpec) run(c *Ctx, source entity.Value, out []entity.Value) []entity.Value {
	if !s.recurse {
		return s.once(c, source, out)
	}
	seen := map[string]bool{}
	id, _ := entity.ID(source)
	seen[id] = true
	if !s.excludeRoot {
		out = append(out, source)
	}
	level := []entity.Value{source}
	for depth := 0; len(level) > 0 && (s.maxDepth < 0 || depth < s.maxDepth) && c.err == nil; depth++ {
		var next []entity.Value
		for _, e := range level {
			for _, found := range s.once(c, e, nil) {
				id, _ := entity.ID(found)
				if !seen[id] {
					seen[id] = true
					next = append(next, found)
				}
			}
		}
		out = append(out, next...)
		level = next
		if !c.Room(len(out)) {
			break
		}
	}
	return out
}

// once appends the rows for one source.
func (s *hopsSpec) once(c *Ctx, source entity.Value, out []entity.Value) []entity.Value {
	outer := c.frame
	fr := *outer
	fr.source = source
	c.frame = &fr
	if allTrue(c, s.first) {
		out = s.bind(c, 0, out)
	}
	c.frame = outer
	return out
}

// bind goes through the entities the i-th hop finds, and binds the rest below
// each.
func (s *hopsSpec) bind(c *Ctx, i int, out []entity.Value) []entity.Value {
	if i == len(s.plan) {
		return s.row(c, out)
	}
	h := &s.plan[i]
	found := h.find(c)
	c.hopped.entities += len(found)
	c.count(h.trace, len(found))
	for _, e := range found {
		if !c.Step() {
			break
		}
		c.alias[h.slot] = e
		if (h.subset == nil || h.subset.Matches(e)) && allTrue(c, h.filters) {
			out = s.bind(c, i+1, out)
		}
	}
	return out
}

// row projects what is bound now.
func (s *hopsSpec) row(c *Ctx, out []entity.Value) []entity.Value {
	c.hopped.rows++
	switch {
	case s.template != nil:
		EachElem(s.template(c), func(v entity.Value) bool {
			out = append(out, v)
			return true
		})
	case s.slots != nil:
		for _, slot := range s.slots {
			out = append(out, c.alias[slot])
		}
	default:
		out = append(out, c.alias[s.last])
	}
	return out
}

func allTrue(c *Ctx, conds []Eval) bool {
	for _, cond := range conds {
		if !Truthy(cond(c)) {
			return false
		}
	}
	return true
}

// find returns the live entities that the hop's keys lead to, each once, in
// order of _id.
func (h *hop) find(c *Ctx) []entity.Value {
	ds, err := c.host.Dataset(h.dataset)
	if err != nil {
		c.FailCause("dtl/hops-dataset", "cannot hop to "+h.dataset, err)
		return nil
	}
	keys := h.keys(c)
	if keys.Kind() != entity.List || keys.Len() == 1 {
		if found, ok := c.memos[h.memo].find(c, h, ds, First(keys)); ok {
			return found
		}
	}
	return h.read(c, ds, keys, c.arena)
}

// read finds entities in the dataset; they live in the arena a.
func (h *hop) read(c *Ctx, ds Dataset, keys entity.Value, a *entity.Arena) (found []entity.Value) {
	var err error
	if h.index == nil {
		found, err = getByID(c, ds, keys, a)
	} else {
		err = ds.Find(c.ctx, h.index, indexKeys(keys), a, func(e entity.Value) bool {
			found = append(found, e)
			return c.foundRoom(h.dataset, len(found))
		})
	}
	if err != nil {
		c.FailCause("dtl/hops-read", "cannot read "+h.dataset, err)
	}
	return found
}

func indexKeys(v entity.Value) [][]byte {
	var keys [][]byte
	EachElem(v, func(v entity.Value) bool {
		if !v.IsNull() {
			keys = append(keys, AppendKey(nil, v))
		}
		return true
	})
	return keys
}

func getByID(c *Ctx, ds Dataset, ids entity.Value, a *entity.Arena) (found []entity.Value, err error) {
	seen := map[string]bool{}
	EachElem(ids, func(v entity.Value) bool {
		if v.Kind() != entity.String || seen[v.Text()] {
			return true
		}
		seen[v.Text()] = true
		e, ok, getErr := ds.Get(c.ctx, v.Text(), a)
		if ok && !entity.Deleted(e) {
			found = append(found, e)
		}
		err = getErr
		return err == nil && c.Step()
	})
	return sortByID(found), err
}

// LookupEntity compiles lookup-entity.
func (b *Builder) LookupEntity(dataset string, at Use, id Eval) Eval {
	b.facts.Lookups = append(b.facts.Lookups, at)
	return func(c *Ctx) entity.Value {
		ds, err := c.host.Dataset(dataset)
		if err != nil {
			c.FailCause("dtl/lookup-dataset", "cannot look into "+dataset, err)
			return entity.Value{}
		}
		v := First(id(c))
		if v.Kind() != entity.String {
			return entity.Value{}
		}
		e, ok, err := ds.Get(c.ctx, v.Text(), c.arena)
		if err != nil {
			c.FailCause("dtl/lookup-read", "cannot read "+dataset, err)
		}
		if !ok || entity.Deleted(e) {
			return entity.Value{}
		}
		return e
	}
}
