package sources

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// output is an entity to be put out.
type output struct {
	id      string
	members []*node
}

func (o *output) live() bool { return o.members[0].live() }

// mergeNotes implements entity.Notes.
type mergeNotes struct {
	live  []record // of what is put out
	was   map[string]*record
	gone  []*record // what is remembered no more
	state mergeState
}

// Intent implements entity.Notes: what will be put out, as made of all that it
// was made of before and will be, so that whoever of these is read again finds
// all of them.
func (n *mergeNotes) Intent() []entity.Value {
	values := make([]entity.Value, 0, len(n.live))
	for i := range n.live {
		values = n.widened(&n.live[i]).values(values)
	}
	return values
}

// widened is a record with the members it had before.
func (n *mergeNotes) widened(r *record) *record {
	w := &record{out: r.out, members: slices.Clone(r.members)}
	has := map[member]bool{}
	for i := range w.members {
		w.members[i].at = store.Start // what it was delivered with is not known
		has[w.members[i]] = true
	}
	if was := n.was[r.out]; was != nil {
		for _, m := range was.members {
			if m.at = store.Start; !has[m] {
				w.members = append(w.members, m)
			}
		}
	}
	return w
}

// Done implements entity.Notes.
func (n *mergeNotes) Done() []entity.Value {
	values := make([]entity.Value, 0, len(n.live)+len(n.gone)+1)
	for i := range n.live {
		r := &n.live[i]
		values = r.values(values)
		if was := n.was[r.out]; was != nil && len(r.members)+len(was.members) > pieceMembers {
			// There are as many pieces as it had, or as were intended.
			most := max(was.pieces, piecesOf(len(n.widened(r).members)))
			values = forget(values, r.out, piecesOf(len(r.members)), most)
		}
	}
	for _, was := range n.gone {
		values = forget(values, was.out, 0, was.pieces)
	}
	return append(values, n.state.value())
}

// putOut makes the batch of a closure: first what is, then what is no more, so
// that the records of that go last.
func (r *mergeRunner) putOut(ctx context.Context, c *closure, state mergeState) (*entity.Batch, error) {
	outs, byID, err := r.outputs(c)
	for more := true; more && err == nil; {
		if more, err = r.claims(ctx, c, outs); more && err == nil {
			outs, byID, err = r.outputs(c)
		}
	}
	if err != nil {
		return nil, err
	}
	b := &entity.Batch{Arena: r.a}
	notes := &mergeNotes{was: c.records}
	emit := func(o *entity.Object) {
		if r.shown == nil { // there is no place to go on from otherwise
			o.Set(entity.UpdatedKey, entity.NewInt(state.put))
			state.put++
		}
		b.Entities = append(b.Entities, o.Value())
	}
	for _, o := range outs {
		if byID[o.id] != o || r.shown[o.id] {
			continue
		}
		if r.shown != nil {
			r.shown[o.id] = true
		}
		emit(r.combine(o))
		if o.live() {
			notes.live = append(notes.live, r.recordOf(o, state.epoch))
		}
	}
	for _, rec := range c.recalls {
		o := byID[rec.out]
		if o == nil {
			emit(r.tombstone(c, rec))
		}
		if o == nil || !o.live() {
			notes.gone = append(notes.gone, rec)
		}
	}
	notes.state = state
	b.Notes = notes
	return b, nil
}

// outputs are the entities of a closure. Of those that claim one id a live one
// goes before deleted ones, of which the first dataset's counts; two live ones
// cannot both have it.
func (r *mergeRunner) outputs(c *closure) (outs []*output, byID map[string]*output, err error) {
	byID = map[string]*output{}
	for _, set := range c.sets() {
		o := &output{id: r.m.outputID(set), members: set}
		outs = append(outs, o)
		other := byID[o.id]
		if other != nil && other.live() && o.live() {
			return nil, nil, r.m.clash(other, o)
		}
		if other == nil || o.live() || !other.live() && o.members[0].rank < other.members[0].rank {
			byID[o.id] = o
		}
	}
	return outs, byID, nil
}

// claims takes up what was put out under an _id that something here has, and of
// which nothing is known here, and tells whether there was any: an _id in a
// composite one may itself look like that of several entities, and another order
// of the datasets gives an _id to another entity.
func (r *mergeRunner) claims(ctx context.Context, c *closure, outs []*output) (some bool, err error) {
	if r.m.cfg.Identity == "first" { // then all who might have it are known
		return false, nil
	}
	var ids []string
	for _, o := range outs {
		if c.records[o.id] == nil {
			ids = append(ids, pieceID(o.id, 0))
		}
	}
	if len(ids) == 0 {
		return false, nil
	}
	found, err := r.m.store.Get(ctx, r.m.memory, ids, c.scratch)
	for _, e := range found {
		if p := pieceOf(e); err == nil && p != nil && !entity.Deleted(e) {
			some, err = true, c.adopt(ctx, p)
		}
	}
	if err == nil && some {
		err = c.grow(ctx)
	}
	return some, err
}

func (m *merge) clash(a, b *output) error {
	if m.cfg.Identity != "first" {
		return fmt.Errorf(`two different sets of entities would have the _id %q, one with entity %q and one with %q: an _id in it has a "|" that makes it ambiguous; give one of them another _id, or use "identity": "first"`,
			a.id, a.members[0].id, b.members[0].id)
	}
	x, y := a.members[0], b.members[0]
	return fmt.Errorf(`entity %q of dataset %q and entity %q of dataset %q are not the same, but would both have the _id %q: with "identity": "first", datasets that share ids need a set of equality_sets over "_id" or "$ids"; or use "identity": "composite"`,
		x.id, m.ids[x.rank], y.id, m.ids[y.rank], a.id)
}

// outputID is the _id of entities that are the same.
func (m *merge) outputID(set []*node) string {
	if m.cfg.Identity == "first" {
		return set[0].id
	}
	var id []byte
	for i, n := range set {
		if i > 0 {
			id = append(id, '|')
		}
		id = strconv.AppendInt(id, int64(n.rank), 10)
		id = append(append(id, '|'), n.id...)
	}
	return string(id)
}

func (r *mergeRunner) recordOf(o *output, epoch int64) record {
	rec := record{out: o.id, members: make([]member, len(o.members)), epoch: epoch}
	if r.whole {
		rec.whole = r.full
	}
	for i, n := range o.members {
		rec.members[i] = member{r.m.ids[n.rank], n.id, n.at()}
	}
	return rec
}

// tombstone deletes what was put out under an id that is no more. It was
// replaced if any of its members is still there, under another id.
func (r *mergeRunner) tombstone(c *closure, rec *record) *entity.Object {
	o := r.a.NewObject(4)
	o.Set(entity.IDKey, entity.NewString(rec.out))
	o.Set(entity.DeletedKey, entity.NewBool(true))
	for _, m := range rec.members {
		n := c.nodes[ref{slices.Index(r.m.ids, m.dataset), m.id}]
		if n != nil && !n.e.IsNull() {
			o.Set("$replaced", entity.NewBool(true))
			break
		}
	}
	return o
}
