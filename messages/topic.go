package messages

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// DefaultExchange is the topic of those who name none.
const DefaultExchange = "default"

const datasetPrefix = "system:topic:"

// Dataset is the id of the dataset in which a topic's messages stand.
func Dataset(exchange string) string { return datasetPrefix + exchange }

// Exchange returns the name of the topic that a dataset is, and whether it is
// one.
func Exchange(dataset string) (string, bool) { return strings.CutPrefix(dataset, datasetPrefix) }

// CheckExchange tells what is wrong with the name of a topic, nil if nothing is.
func CheckExchange(name string) error {
	if name == "" || len(name) > 127 || !utf8.ValidString(name) || strings.ContainsAny(name, "/ ") {
		return fmt.Errorf("%q is no name of a topic: names have 1 to 127 bytes, without slashes and spaces", name)
	}
	return nil
}

// Topic is a stream of messages in the node.
type Topic struct {
	// Name is the topic's, which AMQP calls the exchange.
	Name  string
	Store store.Store
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// Dataset is the id of the topic's dataset.
func (t Topic) Dataset() string { return Dataset(t.Name) }

func (t Topic) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// Load makes the topic's dataset, unless it is there.
func (t Topic) Load(ctx context.Context) error {
	if err := CheckExchange(t.Name); err != nil {
		return err
	}
	_, err := t.Store.Create(ctx, t.Dataset())
	return err
}

// Write is the change that publishes messages. They are published when the
// caller has committed it; consumers hear of it at once.
func (t Topic) Write(all ...Message) (store.Write, error) {
	w := store.Write{Dataset: t.Dataset(), Ops: make([]store.Op, 0, len(all))}
	for _, m := range all {
		if m.Published.IsZero() {
			m.Published = t.now()
		}
		if m.ID == "" {
			m.ID = NewID(m.Published)
		}
		if err := m.check(); err != nil {
			return w, err
		}
		w.Ops = append(w.Ops, store.Op{Kind: store.Put, Entity: m.Value()})
	}
	return w, nil
}

// Publish publishes messages, all or none. When it returns without an error
// they survive a power cut.
func (t Topic) Publish(ctx context.Context, all ...Message) error {
	w, err := t.Write(all...)
	if err != nil || len(w.Ops) == 0 {
		return err
	}
	return commit(ctx, t.Store, &store.Batch{Writes: []store.Write{w}})
}

func commit(ctx context.Context, st store.Store, b *store.Batch) error {
	p, err := st.Append(ctx, b)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// keyIndex finds the messages of one key.
func keyIndex() store.Index {
	return store.Index{Name: "message-key", Needs: []string{keyKey}, Keys: func(e entity.Value, emit func([]byte)) {
		emit([]byte(Key(e)))
	}}
}

// Query returns how to read the messages that may fit a pattern from behind a
// place on. Those of one key are found by an index, which it has built; of
// others the caller chooses by Match.
func (t Topic) Query(ctx context.Context, p Pattern, since store.Offset) (store.Query, error) {
	q := store.Query{Since: since}
	if !p.Exact() {
		return q, nil
	}
	ix := keyIndex()
	q.Index, q.Key = ix.Name, []byte(p.text)
	return q, t.Store.EnsureIndex(ctx, t.Dataset(), ix)
}

// Limits say how long a topic keeps messages that every consumer has had.
// Those that one still needs are kept whatever they say.
type Limits struct {
	Age  time.Duration
	Most int64
}

// DefaultLimits are those of topics for which nobody sets others.
func DefaultLimits() Limits { return Limits{Age: 7 * 24 * time.Hour, Most: 1_000_000} }

// Longer are the more generous of two limits.
func (l Limits) Longer(m Limits) Limits { return Limits{max(l.Age, m.Age), max(l.Most, m.Most)} }

// Retention is what compaction must keep of the topic now. Messages go by their
// age: if there are too many, that is the age of the last one too many.
func (t Topic) Retention(ctx context.Context, l Limits) (store.Retention, error) {
	keep := store.Retention{MinAge: max(l.Age, time.Microsecond)}
	info, err := t.Store.Info(ctx, t.Dataset())
	if err != nil || info.Live <= l.Most {
		return keep, err
	}
	e, err := t.Store.GetAt(ctx, t.Dataset(), info.Last-store.Offset(l.Most), entity.NewArena())
	if err != nil || e.IsNull() {
		return keep, err
	}
	written, _ := e.Get(entity.TSKey)
	if micros, ok := written.Int64(); ok {
		keep.MinAge = min(keep.MinAge, max(t.now().Sub(time.UnixMicro(micros)), time.Microsecond))
	}
	return keep, nil
}
