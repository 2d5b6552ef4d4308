package membrane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// subscriptionsDataset holds the subscriptions.
const subscriptionsDataset = "system:subscriptions"

// The states of a subscription.
const (
	subscribed   = "subscribed"
	unsubscribed = "unsubscribed"
	failed       = "error"
)

// subscription is what is remembered of a need for events: pipes that need the
// same event with the same parameters of the same connection share one.
type subscription struct {
	ID          string          `json:"id"`
	Integration string          `json:"integrationId"`
	Connection  string          `json:"connectionId"`
	User        string          `json:"userId,omitempty"`
	Event       string          `json:"externalEventId"`
	Config      json.RawMessage `json:"config"`
	Status      string          `json:"status"`
	Key         string          `json:"globalWebhookKey,omitempty"`
	Selector    string          `json:"globalWebhookEventSelector,omitempty"`
	Error       string          `json:"error,omitempty"`
	Warning     string          `json:"warning,omitempty"`
	RealTime    bool            `json:"isRealTime"`
	Pull        bool            `json:"requiresPull"`
	FullSync    bool            `json:"requiresFullSync"`
	Created     time.Time       `json:"createdAt"`
	Archived    time.Time       `json:"archivedAt,omitzero"`
	// Since is from when on events are delivered, After where the datasets of events
	// ended then: clocks are set back, and what comes later comes later all the same.
	// It is null in those that are from before there were such places.
	Since time.Time       `json:"since"`
	After map[string]mark `json:"after"`
	// Version is of what the selector was made from: if that changes, it is made
	// anew.
	Version string `json:"version,omitempty"`
	// Tries counts failures in a row; Next is when it is tried again.
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"nextRefreshTimestamp,omitzero"`
	// ByHand tells that somebody has unsubscribed it.
	ByHand bool `json:"unsubscribedByHand,omitempty"`
}

// route is where an event goes: the three must be equal, byte by byte.
type route struct{ integration, key, selector string }

func (r route) bytes() []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s", r.integration, r.key, r.selector)
}

// registry keeps subscriptions.
type registry struct{ store store.Store }

const routesIndex = "membrane:routes"

// load readies the dataset and its index.
func (r *registry) load(ctx context.Context) error {
	if _, err := r.store.Create(ctx, subscriptionsDataset); err != nil {
		return err
	}
	return r.store.EnsureIndex(ctx, subscriptionsDataset, store.Index{Name: routesIndex,
		Needs: []string{"integrationId", "globalWebhookKey", "globalWebhookEventSelector", "status"},
		Keys: func(e entity.Value, emit func(key []byte)) {
			if textOf(e, "status") == subscribed {
				emit(route{textOf(e, "integrationId"), textOf(e, "globalWebhookKey"), textOf(e, "globalWebhookEventSelector")}.bytes())
			}
		}})
}

func textOf(e entity.Value, key string) string {
	v, _ := e.Get(key)
	return v.Text()
}

// matching are the ids of the subscriptions that an event goes to.
func (r *registry) matching(ctx context.Context, to route) (ids []string, err error) {
	err = r.store.Find(ctx, subscriptionsDataset, routesIndex, [][]byte{to.bytes()}, entity.NewArena(), func(_ int, e entity.Value) bool {
		ids = append(ids, textOf(e, entity.IDKey))
		return true
	})
	slices.Sort(ids)
	return ids, err
}

// get returns a subscription, nil if there is none.
func (r *registry) get(ctx context.Context, id string) (*subscription, error) {
	found, err := r.store.Get(ctx, subscriptionsDataset, []string{id}, entity.NewArena())
	if err != nil || len(found) == 0 || found[0].IsNull() || entity.Deleted(found[0]) {
		return nil, err
	}
	return readSubscription(found[0])
}

func readSubscription(e entity.Value) (*subscription, error) {
	s := new(subscription)
	if err := json.Unmarshal(entity.AppendPlain(nil, e), s); err != nil {
		return nil, fmt.Errorf("a subscription cannot be read: %w", err)
	}
	return s, nil
}

// put stores a subscription.
func (r *registry) put(ctx context.Context, s *subscription) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	v, err := entity.Decode(nil, data, entity.DecodeOptions{Plain: true})
	if err != nil {
		return err
	}
	o := (*entity.Arena)(nil).NewObject(v.Len() + 1)
	o.Add(entity.IDKey, entity.NewString(s.ID))
	o.AddFrom(v.Object())
	return r.commit(ctx, store.Op{Kind: store.Put, Entity: o.Value()})
}

// remove forgets a subscription.
func (r *registry) remove(ctx context.Context, id string) error {
	return r.commit(ctx, store.Op{Kind: store.Delete, ID: id})
}

func (r *registry) commit(ctx context.Context, op store.Op) error {
	p, err := r.store.Append(ctx, &store.Batch{Writes: []store.Write{{Dataset: subscriptionsDataset, Ops: []store.Op{op}}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// list returns all subscriptions that fit, in the order of their ids.
func (r *registry) list(ctx context.Context, fits func(*subscription) bool) ([]*subscription, error) {
	var all []*subscription
	q := store.Query{Since: store.Start, Limit: 1000}
	for {
		page, err := r.store.Read(ctx, subscriptionsDataset, q, entity.NewArena())
		if errors.Is(err, store.ErrNoDataset) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entities {
			if entity.Deleted(e) {
				continue
			}
			s, err := readSubscription(e)
			if err != nil {
				return nil, err
			}
			if fits(s) {
				all = append(all, s)
			}
		}
		if page.End {
			slices.SortFunc(all, func(a, b *subscription) int { return compareText(a.ID, b.ID) })
			return all, nil
		}
		q.Since = page.Next
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
