package etlworks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// occurrence is something that happened.
type occurrence struct {
	event string
	// path and name say what it happened to: /rest/v1/{path}/{name}.
	path, name string
	// id is the number of what it happened to; 0 has it be that of the event
	// itself, of which alone the entity tells.
	id     int64
	entity entity.Value
	at     time.Time
}

// journal writes down what happens.
type journal struct {
	st      store.Store
	address string
	mu      sync.Mutex
}

// slot is the _id under which an event is kept: the one that had it before is
// forgotten, so that there are never more than Kept.
func slot(number int64) string { return fmt.Sprintf("%05d", number%Kept) }

// last is the number of the newest event.
func last(ctx context.Context, st store.Store) (n int64, rev uint64, err error) {
	data, rev, err := st.State(ctx, counterKey)
	if err != nil || data == nil {
		return 0, rev, err
	}
	n, err = strconv.ParseInt(string(data), 10, 64)
	return n, rev, err
}

// write commits events together with what they tell of. Nobody else writes
// meanwhile, also not the journal of a node that was before this one.
func (j *journal) write(ctx context.Context, all []occurrence, also store.Batch) error {
	if len(all) == 0 && len(also.Writes) == 0 && len(also.State) == 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for try := 0; ; try++ {
		b, err := j.batch(ctx, all, also)
		if err != nil {
			return err
		}
		p, err := j.st.Append(ctx, b)
		if err == nil {
			_, err = p.Wait(ctx)
		}
		if !errors.Is(err, store.ErrConflict) || try == 5 {
			return err
		}
	}
}

func (j *journal) batch(ctx context.Context, all []occurrence, also store.Batch) (*store.Batch, error) {
	b := also
	if len(all) == 0 {
		return &b, nil
	}
	n, rev, err := last(ctx, j.st)
	if err != nil {
		return nil, err
	}
	ops := make([]store.Op, len(all))
	for i, o := range all {
		n++
		ops[i] = store.Op{Kind: store.Put, Entity: j.event(n, o)}
	}
	b.Writes = append([]store.Write{{Dataset: EventsDataset, Ops: ops}}, also.Writes...)
	b.State = append([]store.StateWrite{{Key: counterKey, Value: strconv.AppendInt(nil, n, 10), IfRev: rev}}, also.State...)
	return &b, nil
}

// event is an event as it stands in the dataset; number 0 is one that is not kept.
// It is written once, so its id may be any.
func (j *journal) event(number int64, o occurrence) entity.Value {
	var id [16]byte
	rand.Read(id[:]) // it never fails
	if o.id == 0 {
		o.id = number
	}
	address := j.address + "/rest/v1/" + o.path + "/" + url.PathEscape(o.name)
	if number > 0 {
		address += "?auditId=" + strconv.FormatInt(number, 10)
	}
	return entity.NewDict(text(entity.IDKey, slot(number)), count("number", number), text("eventId", uuidOf(id, 4)), text("eventType", o.event),
		text("path", o.path), text("name", o.name), count("entityId", o.id), text("entityUrl", address),
		count("timestamp", o.at.UnixMilli()), entity.Member{Key: "entity", Value: o.entity})
}

// errNoEvent is an event that is not kept, or not any more.
var errNoEvent = errors.New("there is no such record, or it is not kept any more")

// recall reads the entity of an event.
func recall(ctx context.Context, st store.Store, path, name string, number int64) (entity.Value, error) {
	found, err := st.Get(ctx, EventsDataset, []string{slot(number)}, entity.NewArena())
	if errors.Is(err, store.ErrNoDataset) {
		return entity.Value{}, errNoEvent
	}
	if err != nil {
		return entity.Value{}, err
	}
	r := record{found[0]}
	if found[0].IsNull() || r.number("number") != number || r.text("path") != path || r.text("name") != name {
		return entity.Value{}, errNoEvent
	}
	v, _ := r.v.Get("entity")
	return v, nil
}
