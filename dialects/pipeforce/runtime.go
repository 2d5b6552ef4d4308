package pipeforce

import (
	"context"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
)

// runtime is what commands reach the node by.
type runtime struct {
	store store.Store
	now   func() time.Time
	hub   *hub
	// address is where callers reach the node; "" if nobody knows.
	address string
}

// addressKey is the state in which a node that is served keeps its address, for
// pipelines that make webhooks.
const addressKey = "pipeforce-address"

// base is the address under which callers reach the node.
func (rt *runtime) base(ctx context.Context) string {
	switch {
	case rt.hub.cfg.URL != "":
		return strings.TrimSuffix(rt.hub.cfg.URL, "/")
	case rt.address != "":
		return rt.address
	}
	known, _, err := rt.store.State(ctx, addressKey)
	if err != nil {
		return ""
	}
	return string(known)
}

// keepAddress has the address known that the node is served under. One that is known
// is not written again: a node on a full disk must start.
func (rt *runtime) keepAddress(ctx context.Context) error {
	known, _, err := rt.store.State(ctx, addressKey)
	if err != nil || string(known) == rt.address {
		return err
	}
	return rt.commit(ctx, store.Batch{State: []store.StateWrite{{Key: addressKey, Value: []byte(rt.address), IfRev: store.AnyRev}}})
}

// commit has a batch stand.
func (rt *runtime) commit(ctx context.Context, b store.Batch) error {
	p, err := rt.store.Append(ctx, &b)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// change is a change of one dataset.
func change(dataset string, ops ...store.Op) store.Write {
	return store.Write{Dataset: dataset, Ops: ops}
}

func putOp(e entity.Value) store.Op { return store.Op{Kind: store.Put, Entity: e} }

func deleteOp(id string) store.Op { return store.Op{Kind: store.Delete, ID: id} }

// get returns the live newest versions of entities, null for those that are not.
func (rt *runtime) get(ctx context.Context, dataset string, ids ...string) ([]entity.Value, error) {
	found, err := rt.store.Get(ctx, dataset, ids, nil)
	if err != nil {
		return nil, err
	}
	for i, v := range found {
		if entity.Deleted(v) {
			found[i] = entity.Value{}
		}
	}
	return found, nil
}

// exchangeName is the topic of a name; the names that the default one has in
// different places all stand for it.
func exchangeName(name string) string {
	switch name {
	case "", "pipeforce.default.topic", "pipeforce.hub.default.topic", "pipeforce.topic.default":
		return messages.DefaultExchange
	}
	return name
}

func (rt *runtime) topic(name string) messages.Topic {
	return messages.Topic{Name: exchangeName(name), Store: rt.store, Now: rt.now}
}

// eventPrefix stands before the keys of events where they are messages.
const eventPrefix = "pipeforce.event."

// Datasets of the dialect.
const (
	hooksDataset    = "system:pipeforce-webhooks"
	resultsDataset  = "system:pipeforce-results"
	outboundDataset = "system:pipeforce-outbound"
	logDataset      = "system:pipeforce-log"
	callsDataset    = "system:pipeforce-calls"
)

func datasets() []string {
	return []string{hooksDataset, resultsDataset, outboundDataset, logDataset, callsDataset}
}

// load readies the datasets.
func (rt *runtime) load(ctx context.Context) error {
	for _, d := range datasets() {
		if _, err := rt.store.Create(ctx, d); err != nil {
			return err
		}
	}
	return rt.topic("").Load(ctx)
}

func str(v entity.Value, key string) string {
	m, _ := v.Get(key)
	if m.Kind() != entity.String {
		return ""
	}
	return m.Text()
}

func moment(v entity.Value, key string) time.Time {
	m, _ := v.Get(key)
	if m.Kind() != entity.Datetime {
		return time.Time{}
	}
	return m.Time()
}

func at(key string, t time.Time) entity.Member {
	return entity.Member{Key: key, Value: entity.NewDatetime(t)}
}

func number(v entity.Value, key string) int64 {
	m, _ := v.Get(key)
	n, _ := m.Int64()
	return n
}

func member(key string, v entity.Value) entity.Member { return entity.Member{Key: key, Value: v} }
