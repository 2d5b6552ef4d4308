package local

import (
	"fmt"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// group gathers the batches that share a sync. Batches see those before them
// in the group; one that is refused is taken out without a trace.
type group struct {
	s        *Store
	w        *writer
	accepted []*pending
	alone    bool // what it holds must have arrived before anything is decided on it
	size     int
	count    int // versions, of refused batches too

	latest   map[versionKey]latest // of ids written in the group; loc.pos is the record's place in its section
	sections []*openSection
	byDS     map[*dataset]*openSection
	names    map[string]*dataset // made, dropped (nil) or populated in the group
	states   map[string]stateEntry
	order    []string // keys of states, as first written
	p        payload
	populate map[*dataset]bool

	undo        []func() // takes the batch at hand out again
	versionUndo []versionChange
	arena       *entity.Arena
	buf         []byte // the frame
	kind        frameKind

	laid   laid // once it was written
	synced chan error
	took   time.Duration // what the sync took
}

type versionKey struct {
	d  *dataset
	id string
}

// openSection takes the versions of one dataset in the group.
type openSection struct {
	d       *dataset
	first   int64
	table   []uint32
	records []byte
	hints   []hint // of versions that are replaced, for the indexes
	base    uint32 // where records stand in the group's frame
}

// next is the offset behind the section.
func (sec *openSection) next() int64 { return sec.first + int64(len(sec.table)) }

func newGroup(w *writer) *group {
	return &group{s: w.s, w: w, arena: entity.NewArena(), latest: map[versionKey]latest{}, byDS: map[*dataset]*openSection{},
		names: map[string]*dataset{}, states: map[string]stateEntry{}, populate: map[*dataset]bool{}, synced: make(chan error, 1)}
}

// reset makes the group empty; the memory of ordinary groups serves again.
func (g *group) reset() {
	if cap(g.buf) > 4*groupBytes {
		g.buf = nil
	}
	g.accepted, g.size, g.count, g.buf, g.sections, g.alone = g.accepted[:0], 0, 0, g.buf[:0], g.sections[:0], false
	clear(g.latest)
	clear(g.byDS)
	clear(g.names)
	clear(g.states)
	clear(g.populate)
	g.order = g.order[:0]
	g.p = g.w.counters()
}

// add takes a batch in, or refuses it.
func (g *group) add(p *pending) {
	g.undo, g.versionUndo = g.undo[:0], g.versionUndo[:0]
	if err := g.take(p); err != nil {
		g.undoVersions()
		for i := len(g.undo) - 1; i >= 0; i-- {
			g.undo[i]()
		}
		g.s.finish(p, err)
		return
	}
	g.size += p.size
	g.accepted = append(g.accepted, p)
}

func (g *group) take(p *pending) error {
	switch {
	case p.create != "":
		return g.create(p.create)
	case p.drop != "":
		return g.drop(p.drop)
	}
	for _, st := range p.states {
		if err := g.setState(p, st); err != nil {
			return err
		}
	}
	p.result.Outcomes = make([][]store.Outcome, len(p.writes))
	for i := range p.writes {
		if err := g.write(p, i); err != nil {
			return err
		}
	}
	for _, name := range p.populate {
		if err := g.setPopulated(name); err != nil {
			return err
		}
	}
	return nil
}

// dataset returns the dataset as the batch finds it.
func (g *group) dataset(name string) (*dataset, error) {
	d, here := g.names[name]
	if !here {
		d = g.s.datasets[name]
	}
	if d == nil {
		return nil, fmt.Errorf("%w: %q", store.ErrNoDataset, name)
	}
	return d, nil
}

func (g *group) setName(name string, d *dataset) {
	old, had := g.names[name]
	g.undo = append(g.undo, func() {
		if g.names[name] = old; !had {
			delete(g.names, name)
		}
	})
	g.names[name] = d
}

func (g *group) create(name string) error {
	if _, err := g.dataset(name); err == nil {
		return nil
	}
	gen, err := newGeneration()
	if err != nil {
		return err
	}
	d := newDataset(g.p.nextDS, name, gen)
	g.p.nextDS++
	g.p.creates = append(g.p.creates, createEntry{ds: d.id, gen: gen, name: name})
	g.setName(name, d)
	return nil
}

func (g *group) drop(name string) error {
	d, err := g.dataset(name)
	if err != nil {
		return nil
	}
	g.p.drops = append(g.p.drops, d.id)
	g.setName(name, nil)
	return nil
}

func (g *group) setPopulated(name string) error {
	d, err := g.dataset(name)
	if err != nil || d.populated || g.populate[d] {
		return err
	}
	g.populate[d] = true
	g.undo = append(g.undo, func() { delete(g.populate, d) })
	return nil
}

// setState checks the revision and gives the state a new one. Revisions come
// from one counter, so that a state removed and made anew is not mistaken.
func (g *group) setState(p *pending, w store.StateWrite) error {
	old, had := g.states[w.Key]
	rev := old.revision()
	if !had {
		var err error
		if rev, err = g.w.revision(w.Key); err != nil {
			return err
		}
	}
	if w.IfRev != store.AnyRev && w.IfRev != rev {
		return fmt.Errorf("%w: %q has revision %d, the write expects %d", store.ErrConflict, w.Key, rev, w.IfRev)
	}
	if !had {
		g.order = append(g.order, w.Key)
	}
	g.undo = append(g.undo, func() {
		if g.states[w.Key] = old; !had {
			delete(g.states, w.Key)
			g.order = g.order[:len(g.order)-1]
		}
	})
	g.p.lastRev++
	g.states[w.Key] = stateEntry{key: w.Key, rev: g.p.lastRev, value: w.Value}
	if w.Value == nil {
		p.result.Revs = append(p.result.Revs, 0)
	} else {
		p.result.Revs = append(p.result.Revs, g.p.lastRev)
	}
	return nil
}

// stamp returns the next time stamp: the clock's, but later than every one
// before.
func (g *group) stamp(now time.Time) int64 {
	g.p.lastTS = max(now.UnixMicro(), g.p.lastTS+1)
	return g.p.lastTS
}

// empty tells whether nothing has to be written.
func (g *group) empty() bool {
	return len(g.p.creates)+len(g.p.drops)+len(g.states)+len(g.populate) == 0 && g.versions() == 0
}

func (g *group) versions() (n int) {
	for _, sec := range g.sections {
		n += len(sec.table)
	}
	return n
}

// frame makes the frame of the group, with room for its head.
func (g *group) frame() {
	for _, key := range g.order {
		g.p.states = append(g.p.states, g.states[key])
	}
	for d := range g.populate {
		g.p.populate = append(g.p.populate, d.id)
	}
	for _, sec := range g.sections {
		if len(sec.table) > 0 {
			g.p.sections = append(g.p.sections, sectionEntry{ds: sec.d.id, first: sec.first, table: sec.table, records: sec.records})
		}
	}
	var head [frameHeadSize]byte
	g.buf = append(g.buf[:0], head[:]...)
	g.buf = appendPayload(g.buf, frameHeadSize, &g.p)
	g.placeSections()
	g.kind = frameData
	if len(g.p.holes)+len(g.p.adjust) > 0 {
		g.kind, g.buf = frameCompact, appendRemovals(g.buf, &g.p)
	}
}

// placeSections notes where the sections stand in the frame.
func (g *group) placeSections() {
	next := 0
	for _, sec := range g.sections {
		if len(sec.table) > 0 {
			sec.base = uint32(g.p.sections[next].recordAt)
			next++
		}
	}
}

// changed returns the names that watchers hear of.
func (g *group) changed() []string {
	set := map[string]bool{}
	for name := range g.names {
		set[name] = true
	}
	for d := range g.populate {
		set[d.name] = true
	}
	for _, sec := range g.sections {
		if len(sec.table) > 0 {
			set[sec.d.name] = true
		}
	}
	list := make([]string, 0, len(set))
	for name := range set {
		list = append(list, name)
	}
	return list
}
