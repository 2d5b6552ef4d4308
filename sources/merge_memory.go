package sources

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// A merge remembers in a dataset what it has put out: one record for each
// entity that lives on the other side, with the entities it was made of. There
// may be records of entities that were never delivered, or are deleted by now:
// they cost a tombstone. There must never be an entity without a record, for
// nobody would delete it when its members part.

// record is an entity that was put out.
type record struct {
	out     string // its _id
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
	recordPrefix = "=" // before the _id of what was put out
	stateID      = "state"
)

func (r *record) value() entity.Value {
	members := make([]entity.Value, len(r.members))
	for i, m := range r.members {
		members[i] = entity.NewList(entity.NewString(m.dataset), entity.NewString(m.id), entity.NewInt(int64(m.at)))
	}
	return entity.NewDict(
		entity.Member{Key: entity.IDKey, Value: entity.NewString(recordPrefix + r.out)},
		entity.Member{Key: "members", Value: entity.NewList(members...)},
		entity.Member{Key: "epoch", Value: entity.NewInt(r.epoch)},
		entity.Member{Key: "whole", Value: entity.NewInt(r.whole)})
}

// forgotten is the end of a record.
func forgotten(out string) entity.Value {
	return entity.NewDict(
		entity.Member{Key: entity.IDKey, Value: entity.NewString(recordPrefix + out)},
		entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(true)})
}

// recordOf reads a record; nil if it is none. It lives as long as e does.
func recordOf(e entity.Value) *record {
	id, _ := entity.ID(e)
	if len(id) == 0 || id[:1] != recordPrefix {
		return nil
	}
	r := &record{out: id[1:], epoch: intOf(e, "epoch"), whole: intOf(e, "whole")}
	members, _ := e.Get("members")
	r.members = make([]member, 0, members.Len())
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
