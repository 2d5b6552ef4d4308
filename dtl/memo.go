package dtl

import "github.com/sluiceio/sluice/entity"

// memo is what one hop has found in this run: entities that refer to the same
// things find them without asking the store again. It is forgotten when the
// dataset changes, and given up where it does not pay.
type memo struct {
	head   Head
	arena  *entity.Arena // never reset: what was found may be in use
	found  map[string][]entity.Value
	bytes  int
	hits   int
	wasted int // times it was forgotten
	asked  int // by the entities prepared last
	of     int // how many those were
}

const (
	memoBytes  = 8 << 20 // of the entities' JSON
	memoKeys   = 50_000
	memoWasted = 16 // times to forget before hits are asked for
)

// find answers for one key; false if the memo cannot be used.
func (m *memo) find(c *Ctx, h *hop, ds Dataset, key entity.Value) ([]entity.Value, bool) {
	m.asked++
	if !m.current(c, ds) {
		return nil, false
	}
	c.key = AppendKey(c.key[:0], key)
	if found, ok := m.found[string(c.key)]; ok {
		m.hits++
		return found, true
	}
	if m.full() {
		m.forget(m.head)
	}
	k := string(c.key)
	if key.Kind() == entity.List { // a tuple is one key, not one for each part
		key = entity.NewList(key)
	}
	found := h.read(c, ds, key, m.arena)
	if c.err == nil {
		m.keep(k, found)
	}
	return found, true
}

// current readies the memo for the dataset as it is; false if it cannot be
// used.
func (m *memo) current(c *Ctx, ds Dataset) bool {
	headed, ok := ds.(Headed)
	if !ok || m.wasted >= memoWasted && m.hits < m.wasted {
		return false
	}
	// The head is asked first: what is found later can only be newer, and is
	// forgotten as soon as the newer head shows.
	head, err := headed.Head(c.ctx)
	if err != nil {
		return false // reading says why
	}
	if head != m.head || m.found == nil {
		m.forget(head)
	}
	return true
}

func (m *memo) full() bool { return m.bytes > memoBytes || len(m.found) > memoKeys }

func (m *memo) keep(key string, found []entity.Value) {
	m.found[key] = found
	m.bytes += len(key)
	for _, e := range found {
		m.bytes += e.Size()
	}
}

func (m *memo) forget(head Head) {
	if m.found != nil {
		m.wasted++
	}
	m.head, m.bytes = head, 0
	m.arena, m.found = entity.NewArena(), map[string][]entity.Value{}
}
