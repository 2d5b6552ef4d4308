package sources

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// A merge remembers in a dataset what it has put out: one record for each
// entity that lives on the other side, with the entities it was made of. There
// may be records of entities that were never delivered, or are deleted by now:
// they cost a tombstone. There must never be an entity without a record, for
// nobody would delete it when its members part.

// record is an entity that was put out. It is kept in pieces, so that looking for
// each of many members does not read all of them each time.
type record struct {
	out     string // its _id
	pieces  int
	members []member
	// epoch is the number of the last full run that began before it was written;
	// whole the number of the full run that wrote it, 0 if another run did.
	epoch, whole int64
}

// member is a version of an entity that was merged; its offset is Start if it
// does not matter.
type member struct {
	dataset, id string
	at          store.Offset
}

func (m member) key(dst []byte) []byte {
	return append(append(append(dst, m.dataset...), 0), m.id...)
}

const (
	pieceMembers = 32
	stateID      = "state"
)

// pieceID names a piece of a record: "=out" the first one, "1=out" the next.
func pieceID(out string, i int) string {
	if i == 0 {
		return "=" + out
	}
	return strconv.Itoa(i) + "=" + out
}

// piecesOf is how many pieces so many members take.
func piecesOf(members int) int { return max((members+pieceMembers-1)/pieceMembers, 1) }

// values appends the pieces of a record.
func (r *record) values(to []entity.Value) []entity.Value {
	n := piecesOf(len(r.members))
	i := 0
	for part := range slices.Chunk(r.members, pieceMembers) {
		to = append(to, entity.NewDict(
			entity.Member{Key: entity.IDKey, Value: entity.NewString(pieceID(r.out, i))},
			entity.Member{Key: "members", Value: membersValue(part)},
			entity.Member{Key: "pieces", Value: entity.NewInt(int64(n))},
			entity.Member{Key: "epoch", Value: entity.NewInt(r.epoch)},
			entity.Member{Key: "whole", Value: entity.NewInt(r.whole)}))
		i++
	}
	return to
}

func membersValue(of []member) entity.Value {
	values := make([]entity.Value, len(of))
	for i, m := range of {
		values[i] = entity.NewList(entity.NewString(m.dataset), entity.NewString(m.id), entity.NewInt(int64(m.at)))
	}
	return entity.NewList(values...)
}

// forget appends the end of some of a record's pieces.
func forget(to []entity.Value, out string, from, until int) []entity.Value {
	for i := from; i < until; i++ {
		to = append(to, entity.NewDict(
			entity.Member{Key: entity.IDKey, Value: entity.NewString(pieceID(out, i))},
			entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)}))
	}
	return to
}

// pieceOf reads a piece of a record, which has some of the members; nil if it
// is none. It lives as long as e does.
func pieceOf(e entity.Value) *record {
	id, _ := entity.ID(e)
	_, out, is := strings.Cut(id, "=")
	if !is {
		return nil
	}
	members, _ := e.Get("members")
	r := &record{out: out, pieces: int(intOf(e, "pieces")), epoch: intOf(e, "epoch"), whole: intOf(e, "whole"),
		members: make([]member, 0, members.Len())}
	eachMember(e, func(m member) { r.members = append(r.members, m) })
	return r
}

func eachMember(e entity.Value, call func(member)) {
	members, _ := e.Get("members")
	for _, v := range members.Elems() {
		if parts := v.Elems(); len(parts) == 3 {
			at, _ := parts[2].Int64()
			call(member{parts[0].Text(), parts[1].Text(), store.Offset(at)})
		}
	}
}

// kept returns the record in other memory.
func (r *record) kept(a *entity.Arena) *record {
	r.out = a.CopyString(r.out)
	for i := range r.members {
		r.members[i].dataset, r.members[i].id = a.CopyString(r.members[i].dataset), a.CopyString(r.members[i].id)
	}
	return r
}

// assemble reads a record whole.
func (m *merge) assemble(ctx context.Context, piece *record, a *entity.Arena) (*record, error) {
	if piece.pieces <= 1 {
		return piece, nil
	}
	ids := make([]string, piece.pieces)
	for i := range ids {
		ids[i] = pieceID(piece.out, i)
	}
	found, err := m.store.Get(ctx, m.memory, ids, a)
	if err != nil {
		return nil, err
	}
	r := &record{out: piece.out, pieces: piece.pieces, epoch: piece.epoch, whole: piece.whole}
	for _, e := range found {
		if p := pieceOf(e); p != nil && !entity.Deleted(e) {
			r.members = append(r.members, p.members...)
		}
	}
	return r, nil
}

func intOf(e entity.Value, key string) int64 {
	v, _ := e.Get(key)
	n, _ := v.Int64()
	return n
}

// memberIndex finds the records that an entity is a member of.
func memberIndex() store.Index {
	return store.Index{Name: "member", Keys: func(e entity.Value, emit func([]byte)) {
		var key []byte
		eachMember(e, func(m member) {
			key = m.key(key[:0])
			emit(key)
		})
	}}
}

// mergeState is what a merge counts.
type mergeState struct {
	// runs counts full runs, those that went on included; epoch is the number of
	// the one that began last.
	runs, epoch int64
	// put counts the entities put out: they are numbered by it.
	put int64
}

func (m *merge) loadState(ctx context.Context, a *entity.Arena) (s mergeState, err error) {
	found, err := m.store.Get(ctx, m.memory, []string{stateID}, a)
	if err != nil {
		return s, err
	}
	e := found[0]
	return mergeState{intOf(e, "runs"), intOf(e, "epoch"), intOf(e, "put")}, nil
}

func (s mergeState) value() entity.Value {
	return entity.NewDict(
		entity.Member{Key: entity.IDKey, Value: entity.NewString(stateID)},
		entity.Member{Key: "runs", Value: entity.NewInt(s.runs)},
		entity.Member{Key: "epoch", Value: entity.NewInt(s.epoch)},
		entity.Member{Key: "put", Value: entity.NewInt(s.put)})
}
