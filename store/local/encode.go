package local

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// maxID bounds ids, which stand in keys of the index.
const maxID = 32 << 10

// maxBatch bounds what one batch may hold, so that positions fit 32 bits.
const maxBatch = 1 << 30

// encodedOp is an op whose entity has been written down.
type encodedOp struct {
	kind    store.OpKind
	mark    bool
	deleted bool
	same    bool // the content is what stands there already; there is neither body nor id
	force   bool
	place   *store.Place
	hash    [16]byte
	id      string
	body    []byte
}

// encodedWrite is what one dataset receives.
type encodedWrite struct {
	dataset string
	ops     []encodedOp
	d       *dataset // of which ops were found to be the same
}

// encoder writes the entities of a batch into one buffer.
type encoder struct {
	s       *Store
	buf     []byte
	idle    bool // no batch is under way that this one comes after
	touched map[string]bool
}

func (e *encoder) writes(list []store.Write) ([]encodedWrite, error) {
	out := make([]encodedWrite, len(list))
	for i, w := range list {
		out[i] = encodedWrite{dataset: w.Dataset, ops: make([]encodedOp, len(w.Ops))}
		if e.idle && i == 0 { // a later write may be to the same dataset
			out[i].d, _ = e.s.dataset(w.Dataset)
			e.forget()
		}
		for j := range w.Ops {
			if err := e.op(&out[i], j, &w.Ops[j]); err != nil {
				return nil, fmt.Errorf("dataset %q: %w", w.Dataset, err)
			}
		}
	}
	return out, nil
}

func (e *encoder) op(w *encodedWrite, j int, op *store.Op) error {
	to := &w.ops[j]
	to.kind, to.mark = op.Kind, op.Mark
	if op.Kind == store.Delete {
		to.id = strings.Clone(op.ID) // the caller's memory may serve again before the writer comes to it
		e.touch(w, to.id)
		return nil
	}
	id, ok := entity.ID(op.Entity)
	if !ok {
		return errNoID
	}
	if len(id) > maxID {
		return fmt.Errorf("an _id of %d bytes, the most is %d: %w", len(id), maxID, store.ErrTooLarge)
	}
	to.id = id
	if to.force = op.Force; op.Place != nil {
		place := *op.Place
		to.place = &place
	}
	from := len(e.buf)
	e.buf = appendBody(e.buf, op.Entity.Object())
	to.body = e.buf[from:len(e.buf):len(e.buf)]
	if to.same = e.unchanged(w.d, to, op.Entity); to.same {
		e.buf, to.body, to.id = e.buf[:from], nil, ""
		return nil
	}
	to.id = strings.Clone(id) // as above
	to.deleted = entity.Deleted(op.Entity)
	e.touch(w, to.id)
	if len(to.body) > e.s.o.MaxEntityBytes {
		return fmt.Errorf("entity %q has %d bytes, the most is %d: %w", id, len(to.body), e.s.o.MaxEntityBytes, store.ErrTooLarge)
	}
	if len(e.buf) > maxBatch {
		return fmt.Errorf("the batch has more than %d bytes: %w", maxBatch, store.ErrTooLarge)
	}
	return nil
}

// unchanged tells whether an entity is what stands there already, and else
// hashes it. Mostly the sum of its text tells, which takes a tenth of the time
// of hashing what it holds. It must be sure of what the batch will find: so none
// may be under way, and the batch itself must not have touched the id before.
// Whoever else writes at the same time may just as well come later.
func (e *encoder) unchanged(d *dataset, op *encodedOp, v entity.Value) bool {
	if d == nil || op.force || op.place != nil {
		op.hash = entity.Hash(v)
		return false
	}
	k := e.s.table.keyOf(d.id, op.id)
	text, touched := textSum(op.body), e.touched[op.id]
	if !touched && e.s.table.same(k, text) {
		return true
	}
	op.hash = entity.Hash(v)
	l, ok := e.s.table.get(k)
	ok = ok && !touched
	if ok = ok && l.hash == half(op.hash); ok {
		e.s.table.learn(k, l.offset, text)
	}
	return ok
}

// forget makes room for the ids of a batch.
func (e *encoder) forget() {
	if clear(e.touched); e.touched == nil {
		e.touched = map[string]bool{}
	}
}

func (e *encoder) touch(w *encodedWrite, id string) {
	if w.d != nil {
		e.touched[id] = true
	}
}

// appendBody appends the stored form: canonical JSON without the reserved root
// members, except _id and a _deleted that is true.
func appendBody(dst []byte, o *entity.Object) []byte {
	members := o.Members()
	if !slices.ContainsFunc(members, dropped) {
		return entity.AppendJSON(dst, o.Value())
	}
	dst = append(dst, '{')
	for i := range members {
		m := &members[i]
		if dropped(*m) {
			continue
		}
		dst = append(entity.AppendJSON(entity.AppendKey(dst, m.Key), m.Value), ',')
	}
	if last := len(dst) - 1; dst[last] == ',' {
		dst = dst[:last]
	}
	return append(dst, '}')
}

// dropped tells whether the store makes the root member itself.
func dropped(m entity.Member) bool {
	return len(m.Key) > 0 && m.Key[0] == '_' && m.Key != entity.IDKey &&
		(m.Key != entity.DeletedKey || !m.Value.Bool())
}

// storedForm is how bodies are read back: they were checked before they were
// written, and their sum again when they were read.
func storedForm() entity.DecodeOptions {
	return entity.DecodeOptions{Stored: true, MaxDepth: math.MaxInt32, MaxBytes: math.MaxInt}
}

const trackedKey = "$deletion_tracked"

// tombstone makes the deleted version that keeps a body's content.
func tombstone(a *entity.Arena, body []byte, mark bool) (entity.Value, error) {
	v, err := entity.Decode(a, body, storedForm())
	if err != nil || v.Object() == nil {
		return v, fmt.Errorf("a stored entity cannot be read: %w", errorOr(err, store.ErrCorrupt))
	}
	v.Object().Set(entity.DeletedKey, entity.NewBool(true))
	if mark {
		v.Object().Set(trackedKey, entity.NewBool(true))
	}
	return v, nil
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
