package dtl

import (
	"cmp"
	"context"
	"slices"

	"github.com/sluiceio/sluice/entity"
)

// readAhead notes a hop that begins with the entity itself: what it leads to
// can be looked up for many entities at once.
func (b *Builder) readAhead(h hop, outer int) {
	if outer == 0 && !b.chained && b.rule == "default" {
		b.ahead = append(b.ahead, h)
	}
}

// Prepare looks up at once what entities that are about to be transformed will
// hop to, one sorted pass over an index instead of a search for each. It only
// saves time: what it cannot look up, or guesses wrong, is looked up later.
// Hops that most entities of the batch before did not use are left alone.
func (r *Run) Prepare(ctx context.Context, entities []entity.Value) {
	r.c.ctx = ctx
	for i := range r.p.ahead {
		h := &r.p.ahead[i]
		m := &r.c.memos[h.memo]
		worth := m.asked > 0 && 2*m.asked >= m.of
		m.asked, m.of = 0, len(entities)
		if worth && len(entities) > 1 {
			r.fetch(h, m, entities)
		}
	}
}

// wanted is a key to look up, and its value where the hop is by _id.
type wanted struct {
	key string
	id  string
}

func (r *Run) fetch(h *hop, m *memo, entities []entity.Value) {
	ds, err := r.c.host.Dataset(h.dataset)
	if err != nil {
		return // the hop says why
	}
	bulk, ok := ds.(Bulk)
	if !ok || !m.current(&r.c, ds) {
		return
	}
	if m.full() {
		m.forget(m.head)
	}
	switch want := r.wants(h, m, entities); {
	case len(want) == 0:
	case h.index == nil:
		err = m.getEach(r.c.ctx, bulk, want)
	default:
		err = m.findEach(r.c.ctx, bulk, h.index, want)
	}
	if err != nil {
		m.forget(m.head) // it may hold a part only
	}
}

// wants are the keys of the entities that are not known yet, sorted.
func (r *Run) wants(h *hop, m *memo, entities []entity.Value) []wanted {
	if r.scratch == nil {
		r.scratch = entity.NewArena()
	}
	r.scratch.Reset()
	var want []wanted
	for _, e := range entities {
		r.begin(r.scratch, e, r.scratch.NewObject(0))
		keys := h.keys(&r.c)
		v := First(keys)
		if r.c.err != nil || v.IsNull() || keys.Kind() == entity.List && keys.Len() > 1 || h.index == nil && v.Kind() != entity.String {
			continue
		}
		r.c.key = AppendKey(r.c.key[:0], v)
		if _, known := m.found[string(r.c.key)]; !known {
			want = append(want, wanted{string(r.c.key), v.Text()})
		}
	}
	byKey := func(a, b wanted) int { return cmp.Compare(a.key, b.key) }
	slices.SortFunc(want, byKey)
	return slices.CompactFunc(want, func(a, b wanted) bool { return a.key == b.key })
}

// findEach looks keys up in an index, as many as the memo has room for.
func (m *memo) findEach(ctx context.Context, ds Bulk, ix *Index, want []wanted) error {
	keys := make([][]byte, len(want))
	for i, w := range want {
		keys[i] = []byte(w.key)
	}
	at, found := 0, []entity.Value(nil)
	settle := func(upTo int) {
		for ; at < upTo; at++ {
			m.keep(want[at].key, found)
			found = nil
		}
	}
	err := ds.FindEach(ctx, ix, keys, m.arena, func(key int, e entity.Value) bool {
		settle(key)
		found = append(found, e)
		return !m.full()
	})
	if err == nil && !m.full() {
		settle(len(want))
	}
	return err
}

// getEach looks ids up.
func (m *memo) getEach(ctx context.Context, ds Bulk, want []wanted) error {
	for part := range slices.Chunk(want, 100) {
		ids := make([]string, len(part))
		for i, w := range part {
			ids[i] = w.id
		}
		all, err := ds.GetEach(ctx, ids, m.arena)
		if err != nil {
			return err
		}
		for i, e := range all {
			found := []entity.Value{e}
			if e.IsNull() || entity.Deleted(e) {
				found = nil
			}
			m.keep(part[i].key, found)
		}
		if m.full() {
			break
		}
	}
	return nil
}
