package dtl

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Inverse leads from an entity that a program hops to back to the source
// entities whose results it is part of: every join is gone through from the
// side where the entity was found to the side it was looked for from, by an
// index on that side. It is immutable and shared.
type Inverse struct {
	Dataset string // of the source entities
	starts  map[string][]*back
	names   []string
	indexes []*Index
	nodes   int
}

// back is an alias, from which joins lead back.
type back struct {
	id     int
	key    *Index  // gives the keys the entity was found by; nil: its _id
	subset *Subset // what the hops reads
	ways   []way
}

// way leads to entities that look for the key.
type way struct {
	to      *back // nil: they are source entities
	dataset string
	index   *Index // nil: they are found by _id
}

// Inverse compiles the way back from every tracked dataset of the program to
// entities of the source dataset. It returns nil if there is nothing to track.
// The findings say which datasets cannot be tracked, and why.
func (p *Program) Inverse(source string) (*Inverse, diag.List) {
	c := &inverter{p: p, v: &Inverse{Dataset: source, starts: map[string][]*back{}}, made: map[*hopNode]*back{}, told: map[*hopNode]bool{}}
	for _, n := range p.facts.nodes {
		if n.track {
			c.v.starts[n.dataset] = append(c.v.starts[n.dataset], c.back(n))
		}
	}
	for name := range c.v.starts {
		c.v.names = append(c.v.names, name)
	}
	slices.Sort(c.v.names)
	if len(c.v.names) == 0 {
		return nil, c.finds
	}
	return c.v, c.finds
}

// Datasets are those whose changes are followed, sorted.
func (v *Inverse) Datasets() []string { return v.names }

// Indexes are the indexes that the ways back are found by.
func (v *Inverse) Indexes() []*Index { return v.indexes }

type inverter struct {
	p     *Program
	v     *Inverse
	made  map[*hopNode]*back
	told  map[*hopNode]bool
	finds diag.List
}

func (c *inverter) back(n *hopNode) *back {
	if b := c.made[n]; b != nil {
		return b
	}
	b := &back{id: c.v.nodes, key: n.index, subset: n.subset}
	c.v.nodes++
	c.made[n] = b
	if n.problem != "" {
		c.warn(n, n.problem)
		return b
	}
	m := meaning{seen: map[*origin]bool{}}
	m.add(n.from)
	if m.opaque {
		c.warn(n, "it is joined with what another rule or a \"return\" has made")
	}
	if m.source {
		c.way(b, n, nil, c.v.Dataset)
	}
	for _, f := range m.nodes {
		c.way(b, n, f, f.dataset)
	}
	return b
}

// way adds the way back to where n was looked for from; f nil is the source.
func (c *inverter) way(b *back, n, f *hopNode, dataset string) {
	w := way{dataset: dataset}
	if text, _ := n.side.Str(); text != "_S."+entity.IDKey {
		if w.index = c.index(n, dataset); w.index == nil {
			return
		}
	}
	if f != nil {
		w.to = c.back(f)
	}
	b.ways = append(b.ways, w)
}

func (c *inverter) index(n *hopNode, dataset string) *Index {
	ix, _ := newIndex(dataset, n.side, c.p.o)
	if ix == nil {
		c.warn(n, "the other side of the join cannot be indexed")
		return nil
	}
	for _, use := range ix.expr.p.facts.Functions {
		if f, _ := c.p.o.Lib.Func(use.Name); f.Impure {
			c.warn(n, "the result of "+use.Name+" can change without the entity")
			return nil
		}
	}
	c.v.indexes = append(c.v.indexes, ix)
	return ix
}

func (c *inverter) warn(n *hopNode, why string) {
	if c.told[n] {
		return
	}
	c.told[n] = true
	c.finds.Add(TrackingWarning(c.p.o.PipeID, n.dataset, n.at, why))
}

// TrackingWarning says why changes of a dataset do not find the entities that
// they concern.
func TrackingWarning(pipe, dataset string, at jsonpos.Span, why string) diag.Finding {
	return diag.Finding{Rule: "hops/tracking", Severity: diag.Warning, Span: at, Pipe: pipe,
		Message: `changes of "` + dataset + `" do not reprocess the entities they concern: ` + why,
		Help:    `say "track-dependencies": false if that is meant, and rescan with rescan_run_count or rescan_cron_expression if not`}
}

// Walk goes back from changed entities. What it has been through is not gone
// through again, so each source entity is told once.
type Walk struct {
	v     *Inverse
	host  Host
	seen  map[step]bool
	arena *entity.Arena
	todo  []stop
}

type step struct {
	node int // -1: the source
	id   string
}

type stop struct {
	at *back
	e  entity.Value
}

// Walk begins a walk over the host's datasets as they are now.
func (v *Inverse) Walk(h Host) *Walk {
	return &Walk{v: v, host: h, seen: map[step]bool{}, arena: entity.NewArena()}
}

// Seen is how many entities the walk remembers.
func (w *Walk) Seen() int { return len(w.seen) }

// From goes back from a version of an entity of a dataset. Found is told each
// source entity met for the first time, and each entity on the way with source
// false; its error ends the walk. Deleted entities are found by no join.
func (w *Walk) From(ctx context.Context, dataset string, e entity.Value, found func(id string, source bool, size int) error) error {
	if entity.Deleted(e) {
		return nil
	}
	w.arena.Reset()
	w.todo = w.todo[:0]
	for _, b := range w.v.starts[dataset] {
		w.todo = append(w.todo, stop{b, e})
	}
	for len(w.todo) > 0 {
		at := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if at.at.subset != nil && !at.at.subset.Matches(at.e) {
			continue
		}
		keys := at.at.keys(at.e)
		for _, way := range at.at.ways {
			if err := w.goBack(ctx, way, keys, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// keys are what the entity was found by.
func (b *back) keys(e entity.Value) (keys [][]byte) {
	if b.key == nil {
		id, _ := e.Get(entity.IDKey)
		return [][]byte{AppendKey(nil, id)}
	}
	b.key.Keys(e, func(key []byte) { keys = append(keys, slices.Clone(key)) })
	return keys
}

func (w *Walk) goBack(ctx context.Context, way way, keys [][]byte, found func(id string, source bool, size int) error) error {
	if len(keys) == 0 {
		return nil
	}
	ds, err := w.host.Dataset(way.dataset)
	if err != nil {
		return err
	}
	meet := func(e entity.Value) {
		if err == nil && !entity.Deleted(e) {
			err = w.meet(way, e, found)
		}
	}
	if way.index != nil {
		readErr := ds.Find(ctx, way.index, keys, w.arena, func(e entity.Value) bool {
			meet(e)
			return err == nil
		})
		if err == nil {
			err = readErr
		}
		return err
	}
	for _, key := range keys {
		if key[0] != keyLetters[entity.String] {
			continue
		}
		e, ok, readErr := ds.Get(ctx, string(key[1:]), w.arena)
		if readErr != nil {
			return readErr
		}
		if ok {
			meet(e)
		}
	}
	return err
}

func (w *Walk) meet(way way, e entity.Value, found func(id string, source bool, size int) error) error {
	id, _ := entity.ID(e)
	at := step{-1, id}
	if way.to != nil {
		at.node = way.to.id
	}
	if w.seen[at] {
		return nil
	}
	at.id = string([]byte(id))
	w.seen[at] = true
	if way.to != nil {
		w.todo = append(w.todo, stop{way.to, e})
	}
	return found(at.id, way.to == nil, e.Size())
}
