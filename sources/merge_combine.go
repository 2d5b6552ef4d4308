package sources

import (
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

const (
	idsKey    = "$ids"
	mergedKey = "$merged"
)

// combine makes one entity of those that are the same.
func (r *mergeRunner) combine(o *output) *entity.Object {
	size := 4
	if len(o.members) > 0 {
		size += o.members[0].e.Len()
	}
	out := r.a.NewObject(size)
	out.Set(entity.IDKey, entity.NewString(o.id))
	out.Set(idsKey, r.allIDs(o))
	if !o.live() {
		out.Set(entity.DeletedKey, entity.NewBool(true))
	}
	if r.m.cfg.Strategy == "list" {
		out.Set(mergedKey, r.list(o))
		return out
	}
	props := &gathered{at: map[string]int{}}
	for _, n := range o.members {
		for _, m := range n.e.Object().Members() {
			if !internal(m.Key) && m.Key != idsKey {
				props.add(m.Key, m.Value)
			}
		}
	}
	for i := range props.all {
		p := &props.all[i]
		if v, keep := p.value(r.m.cfg.Strategy == "compact"); keep {
			out.Set(p.key, v)
		}
	}
	return out
}

// internal tells whether a property is not the user's.
func internal(key string) bool { return strings.HasPrefix(key, "_") }

// allIDs are the identities of all, each once. An entity that was merged itself
// knows its own.
func (r *mergeRunner) allIDs(o *output) entity.Value {
	ids := property{}
	for _, n := range o.members {
		if own, _ := n.e.Get(idsKey); !own.IsNull() {
			ids.add(own)
		} else {
			ids.add(r.m.listed(n.id))
		}
	}
	return entity.NewList(unique(ids.open())...)
}

// list keeps the entities as they are.
func (r *mergeRunner) list(o *output) entity.Value {
	all := make([]entity.Value, len(o.members))
	for i, n := range o.members {
		all[i] = n.e
		if r.m.cfg.IncludeInternal {
			continue
		}
		kept := r.a.NewObject(n.e.Len())
		for _, m := range n.e.Object().Members() {
			if !internal(m.Key) || m.Key == entity.IDKey {
				kept.Append(m.Key, m.Value)
			}
		}
		all[i] = kept.Value()
	}
	return entity.NewList(all...)
}

// gathered are the properties of several entities, in the order in which they
// come up.
type gathered struct {
	all []property
	at  map[string]int
}

func (g *gathered) add(key string, v entity.Value) {
	i, known := g.at[key]
	if !known {
		i = len(g.all)
		g.at[key] = i
		g.all = append(g.all, property{key: key})
	}
	g.all[i].add(v)
}

// property is one, with what each entity has.
type property struct {
	key    string
	first  entity.Value
	values []entity.Value // lists opened; empty as long as there is but the first
	n      int
}

func (p *property) add(v entity.Value) {
	if p.n++; p.n == 1 {
		p.first = v
		return
	}
	if p.n == 2 {
		p.values = opened(p.values, p.first)
	}
	p.values = opened(p.values, v)
}

func (p *property) open() []entity.Value {
	if p.n == 1 {
		return opened(nil, p.first)
	}
	return p.values
}

func opened(to []entity.Value, v entity.Value) []entity.Value {
	if v.Kind() == entity.List {
		return append(to, v.Elems()...)
	}
	return append(to, v)
}

// value is what becomes of it; false if nothing.
func (p *property) value(compact bool) (entity.Value, bool) {
	if p.n == 1 && (!compact || p.first.Kind() != entity.List) {
		return p.first, true
	}
	values := p.open()
	if !compact {
		return entity.NewList(values...), true
	}
	switch values = unique(values); len(values) {
	case 0:
		return entity.Value{}, false
	case 1:
		return values[0], true
	default:
		return entity.NewList(values...), true
	}
}

// unique keeps the first of equal values.
func unique(values []entity.Value) []entity.Value {
	if len(values) < 2 {
		return values
	}
	seen := make(map[string]bool, len(values))
	kept := make([]entity.Value, 0, len(values))
	var key []byte
	for _, v := range values {
		if key = dtl.AppendKey(key[:0], v); !seen[string(key)] {
			seen[string(key)] = true
			kept = append(kept, v)
		}
	}
	return kept
}
