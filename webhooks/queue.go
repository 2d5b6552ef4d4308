package webhooks

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Dataset is the id of the dataset in which an endpoint's deliveries stand.
func Dataset(endpoint string) string { return "system:webhook:" + endpoint }

// Errors that callers tell apart with errors.Is.
var (
	ErrDisabled   = errors.New("the webhook is disabled")
	ErrQueueFull  = errors.New("the webhook's queue is full")
	ErrNoDelivery = errors.New("there is no such delivery")
	ErrPending    = errors.New("the webhook is disabled: the delivery waits until it is enabled")
)

// Queue holds the deliveries of one endpoint until they have arrived. It may be
// used by many goroutines at once.
type Queue struct {
	Endpoint
	// Tell returns what else is written when the endpoint was enabled or
	// disabled, in the same commit; nil writes nothing. It is set before the
	// queue is used.
	Tell  func(n Notice) []store.Write
	store store.Store
	wake  chan struct{}
	// hand holds one value, which who puts deliveries back that came to their end,
	// or forgets them, takes meanwhile.
	hand chan struct{}
	mu   struct {
		sync.Mutex
		loaded   bool
		health   Health
		seq      int64
		arrived  []string        // ids of the deliveries that arrived and are kept, the oldest first
		back     map[string]bool // those that left before it was noted that they had arrived
		failed   int             // how many that failed are kept
		standing Standing
		news     news
		share    share
		heir     *Queue              // that has taken this one's place; nil if none has
		hurried  map[string]struct{} // deliveries that are not to wait for their time
	}
}

// Health is how an endpoint is.
type Health struct {
	// Disabled endpoints are sent nothing. By, Why and At tell of it.
	Disabled bool      `json:"disabled,omitempty"`
	By       string    `json:"by,omitempty"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at,omitzero"`
	// FailingSince is the first failure since the last success, or since nothing
	// was sent for long; LastFailure is the last one, to the hour.
	FailingSince time.Time `json:"failing_since,omitzero"`
	LastFailure  time.Time `json:"last_failure,omitzero"`
}

// NewQueue returns the queue of an endpoint, which lives in the store.
func NewQueue(e Endpoint, st store.Store) *Queue {
	return &Queue{Endpoint: e, store: st, wake: make(chan struct{}, 1), hand: make(chan struct{}, 1)}
}

const statusIndex = "status"

// Load readies the queue's dataset.
func (q *Queue) Load(ctx context.Context) error {
	if _, err := q.store.Create(ctx, Dataset(q.ID)); err != nil {
		return err
	}
	err := q.store.EnsureIndex(ctx, Dataset(q.ID), store.Index{Name: statusIndex, Needs: []string{"status"}, Keys: func(e entity.Value, emit func([]byte)) {
		status, _ := e.Get("status")
		emit([]byte(status.Text()))
	}})
	for _, status := range []Status{Delivered, Failed} {
		if err == nil {
			err = q.each(ctx, status, store.Start, func(e entity.Value) bool { q.came(status, record{e}.text(entity.IDKey)); return true })
		}
	}
	return err
}

// Wake has whoever delivers look for what is new.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func healthKey(endpoint string) string { return "webhook/" + endpoint }

func (q *Queue) healthKey() string { return healthKey(q.ID) }

// Health tells how the endpoint is.
func (q *Queue) Health(ctx context.Context) (Health, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.healthLocked(ctx)
}

func (q *Queue) healthLocked(ctx context.Context) (Health, error) {
	if q.mu.loaded {
		return q.mu.health, nil
	}
	data, _, err := q.store.State(ctx, q.healthKey())
	if err == nil && data != nil {
		err = json.Unmarshal(data, &q.mu.health)
	}
	if err != nil {
		return Health{}, fmt.Errorf("the state of webhook %q cannot be read: %w", q.ID, err)
	}
	q.mu.loaded = true
	return q.mu.health, nil
}

// save commits a batch, with the endpoint's health if change makes it another.
// Others wait for the disk only then.
func (q *Queue) save(ctx context.Context, b *store.Batch, change func(h *Health)) error {
	q.mu.Lock()
	before, err := q.healthLocked(ctx)
	after := before
	change(&after)
	if err != nil || after == before {
		q.mu.Unlock()
		if err != nil {
			return err
		}
		return q.commit(ctx, b)
	}
	defer q.mu.Unlock()
	data, err := json.Marshal(after)
	if err != nil {
		return err
	}
	b.State = append(b.State, store.StateWrite{Key: q.healthKey(), Value: data, IfRev: store.AnyRev})
	if err := q.commit(ctx, b); err != nil {
		return err
	}
	q.mu.health = after
	return nil
}

func (q *Queue) commit(ctx context.Context, b *store.Batch) error {
	if len(b.Writes) == 0 && len(b.State) == 0 {
		return nil
	}
	p, err := q.store.Append(ctx, b)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// tell adds to a batch what is written beside the news of an endpoint.
func (q *Queue) tell(b *store.Batch, n Notice) {
	if q.Tell != nil {
		b.Writes = append(b.Writes, q.Tell(n)...)
	}
}

// ops put deliveries as they are now.
func ops(all ...*Delivery) []store.Op {
	ops := make([]store.Op, len(all))
	for i, d := range all {
		ops[i] = store.Op{Kind: store.Put, Entity: d.value()}
	}
	return ops
}

// Event is what is to be delivered.
type Event struct {
	// ID is how the receiver knows the event again; "" has one made. Of events
	// with the same id only the first is delivered, as long as it is kept.
	ID     string
	Entity string // _id of what it was made from
	Key    string
	Header http.Header // sent with it besides the endpoint's
	Body   string
}

// Blocked says why no event can be taken in now, nil if one can.
func (q *Queue) Blocked(ctx context.Context) error {
	h, err := q.Health(ctx)
	switch {
	case err != nil:
		return err
	case h.Disabled && q.SkipDisabled:
		return nil
	case h.Disabled:
		return fmt.Errorf("%w: %s; enable it, and the pipe goes on where it was", ErrDisabled, h.reason())
	}
	info, err := q.store.Info(ctx, Dataset(q.ID))
	if err != nil {
		return err
	}
	if pending := info.Live - int64(q.ended(Delivered)+q.ended(Failed)); pending >= int64(q.Most) {
		return fmt.Errorf("%w: %d deliveries are pending", ErrQueueFull, pending)
	}
	return nil
}

// reason tells who disabled the endpoint, and why.
func (h Health) reason() string {
	by, why := h.By, h.Why
	if by == "" {
		by = "itself"
	}
	if why != "" {
		why = " (" + why + ")"
	}
	return fmt.Sprintf("by %s at %s%s", by, h.At.UTC().Format(time.RFC3339), why)
}

// Offer returns the change that puts events into the queue, nil if there is nothing
// to put. Who has committed its Ops, or could not, settles it.
func (q *Queue) Offer(ctx context.Context, events []Event, now time.Time) (*Change, error) {
	if err := q.Blocked(ctx); err != nil {
		return nil, err
	}
	if h, err := q.Health(ctx); err != nil || h.Disabled {
		return nil, err
	}
	events, err := q.unknown(ctx, events)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	seq, err := q.number(ctx, int64(len(events)))
	if err != nil {
		return nil, err
	}
	all := make([]*Delivery, len(events))
	for i, e := range events {
		all[i] = &Delivery{ID: e.ID, Seq: seq + int64(i), Status: Pending, Created: now, Due: now, Entity: e.Entity, Key: e.Key, Header: e.Header,
			Body: strings.ToValidUTF8(e.Body, "\uFFFD")} // as the store has it
	}
	return q.change(all...), nil
}

// number takes n numbers that are greater than those of all deliveries there
// are: each of those took a place in the log.
func (q *Queue) number(ctx context.Context, n int64) (int64, error) {
	_, last, err := q.store.Head(ctx, Dataset(q.ID))
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	first := max(int64(last), q.mu.seq) + 1
	q.mu.seq = first + n - 1
	return first, nil
}

// unknown leaves out events that are in the queue, and gives ids to those that
// have none.
func (q *Queue) unknown(ctx context.Context, events []Event) ([]Event, error) {
	var given []string
	for i := range events {
		if events[i].ID != "" {
			events[i].ID = sendable(events[i].ID)
			given = append(given, events[i].ID)
		} else {
			events[i].ID = newID()
		}
	}
	if len(given) == 0 {
		return events, nil
	}
	found, err := q.store.Get(ctx, Dataset(q.ID), given, entity.NewArena())
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for i, v := range found {
		known[given[i]] = !v.IsNull() && !entity.Deleted(v)
	}
	kept := events[:0]
	for _, e := range events {
		if !known[e.ID] {
			known[e.ID] = true
			kept = append(kept, e)
		}
	}
	return kept, nil
}

func newID() string { return "msg_" + rand.Text() }

// longestID bounds an id that is sent as it is.
const longestID = 200

// sendable makes an id one that headers and signatures can hold: what they
// cannot is known by its digest.
func sendable(id string) string {
	bad := func(r rune) bool { return r <= ' ' || r > '~' || r == '.' || r == ',' }
	if len(id) <= longestID && strings.IndexFunc(id, bad) < 0 {
		return id
	}
	return "msg_" + hex.EncodeToString(mac(sha256.New, nil, []byte(id)))[:40]
}
