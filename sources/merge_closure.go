package sources

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// closure gathers all that a change concerns: from the entities that have
// changed it goes to those they are the same as now, and to those they were
// merged with, and on from there until nothing new comes. Whatever the entities
// were before the change, what they were put out as is in the records.
type closure struct {
	m       *merge
	a       *entity.Arena
	scratch *entity.Arena // for what is read of the memory
	nodes   map[ref]*node
	order   []*node // as they were found
	wave    []*node // those that were not gone on from yet
	records map[string]*record
	recalls []*record // as they were found
	spread  map[string]bool
	wanted  map[*term]*wanted
}

// ref names an entity: the place of its dataset, and its _id.
type ref struct {
	rank int
	id   string
}

// node is an entity in its latest version.
type node struct {
	ref
	e      entity.Value // null if there is none
	loaded bool
	// recalled tells that its records are known, kept that one of them was taken
	// up, passed that it was put out as it is already.
	recalled, kept, passed bool
	up                     *node // of the set of those that are the same; nil at its root
	size                   int   // of the set, at the root
	parts                  []*node
}

func (n *node) live() bool { return !n.e.IsNull() && !entity.Deleted(n.e) }

func (n *node) root() *node {
	for n.up != nil {
		if n.up.up != nil {
			n.up = n.up.up
		}
		n = n.up
	}
	return n
}

func (n *node) at() store.Offset {
	v, ok := n.e.Get(entity.UpdatedKey)
	at, _ := v.Int64()
	if !ok {
		return store.Start
	}
	return store.Offset(at)
}

func (m *merge) newClosure(a, scratch *entity.Arena) *closure {
	return &closure{m: m, a: a, scratch: scratch, nodes: map[ref]*node{}, records: map[string]*record{}, spread: map[string]bool{}, wanted: map[*term]*wanted{}}
}

// meet returns the node of an entity, which is new unless it was met before.
func (c *closure) meet(r ref) *node {
	n := c.nodes[r]
	if n == nil {
		n = &node{ref: r, size: 1}
		c.nodes[r] = n
		c.order, c.wave = append(c.order, n), append(c.wave, n)
	}
	return n
}

// load sets the version of an entity unless there is one already: what is newer
// will be read in its turn.
func (n *node) load(e entity.Value) {
	if !n.loaded {
		n.e, n.loaded = e, true
	}
}

// grow goes on until nothing new comes.
func (c *closure) grow(ctx context.Context) error {
	for len(c.wave) > 0 {
		wave := c.wave
		c.wave = nil
		if err := c.loadAll(ctx, wave); err != nil {
			return err
		}
		if err := c.recall(ctx, wave, nil); err != nil {
			return err
		}
		if err := c.join(ctx, wave); err != nil {
			return err
		}
	}
	return nil
}

// passOver takes out what was put out as it is already, and has nothing to do
// with the others.
func (c *closure) passOver(ctx context.Context, passes func(n *node, r *record) bool) error {
	if err := c.recall(ctx, c.wave, passes); err != nil {
		return err
	}
	gone := func(n *node) bool { return n.passed && !n.kept }
	for _, n := range c.wave {
		if gone(n) {
			delete(c.nodes, n.ref)
		}
		n.recalled = n.recalled && !n.passed
	}
	c.wave, c.order = slices.DeleteFunc(c.wave, gone), slices.DeleteFunc(c.order, gone)
	return nil
}

// loadAll reads the latest versions. Where the first _id is that of the merged
// entity, others with the same one are concerned, too: they claim it as well.
func (c *closure) loadAll(ctx context.Context, wave []*node) error {
	for rank, dataset := range c.m.ids {
		var ids []string
		for _, n := range wave {
			switch {
			case n.rank == rank && !n.loaded:
				ids = append(ids, n.id)
			case n.rank != rank && c.m.cfg.Identity == "first" && !c.spread[n.id]:
				ids = append(ids, n.id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		found, err := c.m.store.Get(ctx, dataset, ids, c.a)
		if err != nil && !errors.Is(err, store.ErrNoDataset) {
			return fmt.Errorf("dataset %q: %w", dataset, err)
		}
		for i, e := range found {
			if r := (ref{rank, ids[i]}); c.nodes[r] != nil || !e.IsNull() {
				c.meet(r).load(e)
			}
		}
	}
	for _, n := range wave {
		n.loaded = true
		c.spread[n.id] = true
	}
	return nil
}

// recall finds what was put out of entities, and meets all it was made of. With
// passes, an entity may be passed over for what is found of it.
func (c *closure) recall(ctx context.Context, of []*node, passes func(n *node, r *record) bool) error {
	of = slices.DeleteFunc(slices.Clone(of), func(n *node) bool { return n.recalled })
	for part := range slices.Chunk(of, recallNodes) {
		if err := c.recallSome(ctx, part, passes); err != nil {
			return err
		}
	}
	return nil
}

// recallNodes is how many entities are looked for at once: what is read of them
// is in memory until they are through.
const recallNodes = 256

func (c *closure) recallSome(ctx context.Context, nodes []*node, passes func(n *node, r *record) bool) error {
	keys := make([][]byte, len(nodes))
	for i, n := range nodes {
		n.recalled = true
		keys[i] = member{dataset: c.m.ids[n.rank], id: n.id}.key(nil)
	}
	c.scratch.Reset()
	var found []*record
	met := map[string]bool{}
	err := c.m.store.Find(ctx, c.m.memory, memberIndex().Name, keys, c.scratch, func(i int, e entity.Value) bool {
		switch r := pieceOf(e); {
		case r == nil || c.records[r.out] != nil || met[r.out]:
		case passes != nil && !nodes[i].kept && passes(nodes[i], r):
			nodes[i].passed = true
		default:
			met[r.out] = true
			found = append(found, r)
		}
		return true
	})
	for _, r := range found {
		if err == nil {
			err = c.adopt(ctx, r)
		}
	}
	return err
}

// adopt takes up what was put out, and meets all it was made of.
func (c *closure) adopt(ctx context.Context, piece *record) error {
	if c.records[piece.out] != nil {
		return nil
	}
	r, err := c.m.assemble(ctx, piece, c.scratch)
	if err != nil {
		return err
	}
	r = r.kept(c.a)
	c.records[r.out] = r
	c.recalls = append(c.recalls, r)
	for _, m := range r.members {
		if rank := slices.Index(c.m.ids, m.dataset); rank >= 0 {
			c.meet(ref{rank, m.id}).kept = true
		}
	}
	return nil
}

// wanted is what is looked for on one side of the rules at once.
type wanted struct {
	keys  [][]byte
	nodes []*node
}

// join finds the entities that live ones are the same as, by every rule.
func (c *closure) join(ctx context.Context, wave []*node) error {
	for _, n := range wave {
		if !n.live() {
			continue
		}
		for _, s := range c.m.sides[n.rank] {
			l := c.wanted[s.other]
			if l == nil {
				l = &wanted{}
				c.wanted[s.other] = l
			}
			s.own.ix.Keys(n.e, func(key []byte) {
				l.keys, l.nodes = append(l.keys, slices.Clone(key)), append(l.nodes, n)
			})
		}
	}
	for _, t := range c.m.terms {
		if l := c.wanted[t]; l != nil && len(l.keys) > 0 {
			if err := c.look(ctx, t, l); err != nil {
				return err
			}
			l.keys, l.nodes = l.keys[:0], l.nodes[:0]
		}
	}
	return nil
}

// look looks for each value once, and joins all that have it.
func (c *closure) look(ctx context.Context, t *term, l *wanted) error {
	by := make([]int, len(l.keys))
	for i := range by {
		by[i] = i
	}
	slices.SortStableFunc(by, func(i, j int) int { return bytes.Compare(l.keys[i], l.keys[j]) })
	var keys [][]byte
	var firsts []int // in by, of each key
	for at, i := range by {
		if at == 0 || !bytes.Equal(l.keys[i], keys[len(keys)-1]) {
			keys, firsts = append(keys, l.keys[i]), append(firsts, at)
		}
	}
	firsts = append(firsts, len(by))
	var tooMany error
	err := c.m.find(ctx, t, keys, c.a, func(k int, e entity.Value) bool {
		id, _ := entity.ID(e)
		n := c.meet(ref{t.rank, id})
		n.load(e)
		if !n.live() {
			return true
		}
		for _, i := range by[firsts[k]:firsts[k+1]] {
			if tooMany = c.same(l.nodes[i], n); tooMany != nil {
				return false
			}
		}
		return true
	})
	return errors.Join(err, tooMany)
}

// same joins the sets of two entities.
func (c *closure) same(a, b *node) error {
	x, y := a.root(), b.root()
	if x == y {
		return nil
	}
	if x.size < y.size {
		x, y = y, x
	}
	y.up = x
	if x.size += y.size; x.size > c.m.most {
		return fmt.Errorf("%w: entity %q of dataset %q is the same as entity %q of dataset %q, and more than %d entities in all: make the rules more selective, or raise max_merged",
			errTooManyMerged, a.id, c.m.ids[a.rank], b.id, c.m.ids[b.rank], c.m.most)
	}
	return nil
}

// errTooManyMerged is more entities that are the same than max_merged allows.
var errTooManyMerged = errors.New("too many entities would be merged into one")

// sets are the sets of live entities that are the same, each ordered by dataset
// and _id, and every deleted one by itself.
func (c *closure) sets() (all [][]*node) {
	var roots []*node
	for _, n := range c.order {
		n.parts = nil
	}
	for _, n := range c.order {
		if n.e.IsNull() {
			continue
		}
		root := n.root()
		if len(root.parts) == 0 {
			roots = append(roots, root)
		}
		root.parts = append(root.parts, n)
	}
	for _, root := range roots {
		slices.SortFunc(root.parts, func(a, b *node) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.id, b.id)) })
		all = append(all, root.parts)
	}
	return all
}
