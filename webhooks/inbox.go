package webhooks

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// RequestsDataset holds the requests that came to a pipe, as they came;
// EventsDataset the ids of the events that it took in.
func RequestsDataset(pipe string) string { return "system:webhook-requests:" + pipe }

// EventsDataset is the id of the dataset of event ids.
func EventsDataset(pipe string) string { return "system:webhook-events:" + pipe }

// Request is a request as it came, without what is secret in it.
type Request struct {
	ID      string
	At      time.Time
	Remote  string
	Method  string
	URL     string
	Headers http.Header
	Body    []byte
	// Result is what else became of it; null if there is nothing to say.
	Result entity.Value
}

// Outcome is what became of a request.
type Outcome string

// A request is received first, then one of the others.
const (
	Received  Outcome = "received"
	Accepted  Outcome = "accepted"
	Duplicate Outcome = "duplicate" // of an event that was accepted before
	Refused   Outcome = "refused"   // it is not proven, and kept apart, or cannot be read
	Unstored  Outcome = "failed"    // the pipe could not take it
)

// Inbox keeps the requests that come to a pipe, and knows which events were
// taken in already. It may be used by many goroutines at once.
type Inbox struct {
	Pipe  string
	Store store.Store
	// Window is how long an event's id is remembered, MostEvents how many are;
	// MostRequests is how many requests are kept.
	Window                   time.Duration
	MostRequests, MostEvents int
	// MostBytes is how many bytes of bodies are kept; 0 does not bound them,
	// UsualBytes is what has proved useful.
	MostBytes int64
	bytes     atomic.Int64 // of the bodies that are kept, once they were counted
	fresh     atomic.Int64 // of those that came since it was looked for too much
	counted   bool         // for who tidies
	taken     atomic.Int64 // requests since the start
	tidying   sync.Mutex
	kept      map[string]store.Offset // where what is kept begins; for who tidies
	busy      sync.Map                // channels that close, by the id of the event under way
	refused   ring
}

// UsualBytes is how many bytes of bodies an inbox keeps unless somebody says
// otherwise.
const UsualBytes = 256 << 20

// EventID is the id of an event as an inbox can remember it. What is too long, or
// read from a dataset would be no text, is none: "".
func EventID(id string) string {
	const longest = 512
	if len(id) > longest || !utf8.ValidString(id) || strings.HasPrefix(id, "~") {
		return ""
	}
	return id
}

// Load readies the inbox's datasets.
func (b *Inbox) Load(ctx context.Context) error {
	_, err := b.Store.Create(ctx, RequestsDataset(b.Pipe))
	for _, name := range []string{EventsDataset(b.Pipe), RefusedDataset(b.Pipe)} {
		if err == nil {
			_, err = b.Store.Create(ctx, name)
		}
	}
	return err
}

// NewRequestID returns an id that sorts by time.
func NewRequestID(now time.Time) string {
	return now.UTC().Format("20060102T150405.000000000") + "-" + rand.Text()[:10]
}

// value is the request with what became of it. Bytes that are no text stay bytes.
func (r *Request) value(o Outcome, event, reason string) entity.Value {
	body := entity.NewBytes(r.Body)
	if utf8.Valid(r.Body) {
		body = entity.NewString(string(r.Body))
	}
	members := []entity.Member{text(entity.IDKey, r.ID), moment("received", r.At), text("remote", r.Remote),
		text("method", r.Method), text("url", r.URL), {Key: "headers", Value: LowerHeaders(r.Headers)},
		{Key: "body", Value: body}, text("outcome", string(o)), text("event", event), text("reason", reason)}
	if !r.Result.IsNull() {
		members = append(members, entity.Member{Key: "result", Value: r.Result})
	}
	return entity.NewDict(members...)
}

// LowerHeaders are headers as a dict with names in small letters.
func LowerHeaders(h http.Header) entity.Value {
	lower := http.Header{}
	for name, values := range h {
		key := strings.ToLower(name)
		lower[key] = append(lower[key], values...)
	}
	return headers(lower)
}

// Keep hands a request over as it came, before anything is made of it. The pending
// commit is waited for before it is answered.
func (b *Inbox) Keep(ctx context.Context, r *Request) (store.Pending, error) {
	p, err := b.Store.Append(ctx, &store.Batch{Writes: []store.Write{b.Mark(r, Received, "", "")}})
	if err == nil {
		b.bytes.Add(int64(len(r.Body)))
		b.fresh.Add(int64(len(r.Body)))
	}
	return p, err
}

// Commit has a change of the inbox alone stand.
func (b *Inbox) Commit(ctx context.Context, w store.Write) error {
	p, err := b.Store.Append(ctx, &store.Batch{Writes: []store.Write{w}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// Mark is the change that says what became of a request.
func (b *Inbox) Mark(r *Request, o Outcome, event, reason string) store.Write {
	return store.Write{Dataset: RequestsDataset(b.Pipe), Ops: []store.Op{{Kind: store.Put, Entity: r.value(o, event, reason)}}}
}

// Remember is the change that makes an event known.
func (b *Inbox) Remember(event string, r *Request) store.Write {
	return store.Write{Dataset: EventsDataset(b.Pipe), Ops: []store.Op{{Kind: store.Put, Entity: entity.NewDict(
		text(entity.IDKey, event), moment("at", r.At), text("request", r.ID))}}}
}

// Lock has requests of one event come one after the other.
func (b *Inbox) Lock(ctx context.Context, event string) (unlock func(), err error) {
	own := make(chan struct{})
	for {
		other, taken := b.busy.LoadOrStore(event, own)
		if !taken {
			return func() { b.busy.Delete(event); close(own) }, nil
		}
		select {
		case <-other.(chan struct{}):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Known tells whether an event was taken in within the window.
func (b *Inbox) Known(ctx context.Context, event string, now time.Time) (bool, error) {
	found, err := b.Store.Get(ctx, EventsDataset(b.Pipe), []string{event}, entity.NewArena())
	if err != nil || len(found) == 0 || found[0].IsNull() || entity.Deleted(found[0]) {
		return false, err
	}
	return now.Sub(record{found[0]}.moment("at")) < b.Window, nil
}

// tidyEvery is how many requests come between two looks at what is too old,
// tidyBytes how many bytes of them.
const tidyEvery, tidyBytes = 64, 16 << 20

// Tidy forgets now and then what is too old, or too much.
func (b *Inbox) Tidy(ctx context.Context, now time.Time) error {
	n := b.taken.Add(1) // the first tidies what was there before
	if n > 1 && n%tidyEvery != 0 && b.fresh.Load() < tidyBytes || !b.tidying.TryLock() {
		return nil
	}
	defer b.tidying.Unlock()
	b.fresh.Store(0)
	if b.kept == nil {
		b.kept = map[string]store.Offset{}
	}
	if err := b.count(ctx); err != nil {
		return err
	}
	return errors.Join(
		b.prune(ctx, RequestsDataset(b.Pipe), b.MostRequests, func(entity.Value) bool {
			return b.MostBytes > 0 && b.bytes.Load() > b.MostBytes
		}, func(e entity.Value) { b.bytes.Add(-bodySize(e)) }),
		b.prune(ctx, EventsDataset(b.Pipe), b.MostEvents, func(e entity.Value) bool {
			return now.Sub(record{e}.moment("at")) >= b.Window
		}, func(entity.Value) {}))
}

// bodySize is how many bytes the body of a request has that is kept.
func bodySize(e entity.Value) int64 {
	body, _ := e.Get("body")
	if body.Kind() == entity.Bytes {
		return int64(len(body.Octets()))
	}
	return int64(len(body.Text()))
}

// count adds up, once, what was there when the node started.
func (b *Inbox) count(ctx context.Context) error {
	if b.counted || b.MostBytes == 0 {
		return nil
	}
	arena, sum := entity.NewArena(), int64(0)
	for since := store.Start; ; {
		arena.Reset()
		page, err := b.Store.Read(ctx, RequestsDataset(b.Pipe), store.Query{Since: since}, arena)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if !entity.Deleted(e) {
				sum += bodySize(e)
			}
		}
		if since = page.Next; page.End {
			break
		}
	}
	b.counted = true
	b.bytes.Store(sum)
	return nil
}

// prune deletes what was written longest ago: as much as is too much, and what
// is old; gone is told of each.
func (b *Inbox) prune(ctx context.Context, dataset string, most int, old func(e entity.Value) bool, gone func(e entity.Value)) error {
	info, err := b.Store.Info(ctx, dataset)
	if err != nil {
		return err
	}
	extra, arena := info.Live-int64(most), entity.NewArena()
	since, known := b.kept[dataset]
	if !known {
		since = store.Start
	}
	for {
		arena.Reset()
		page, err := b.Store.Read(ctx, dataset, store.Query{Since: since}, arena)
		if err != nil {
			return err
		}
		var ops []store.Op
		done := page.End
		for _, e := range page.Entities {
			if entity.Deleted(e) {
				continue
			}
			if extra <= 0 && !old(e) {
				done = true
				break
			}
			gone(e)
			extra--
			ops = append(ops, store.Op{Kind: store.Delete, ID: record{e}.text(entity.IDKey)})
			since = store.Offset(record{e}.number(entity.UpdatedKey))
		}
		if len(ops) > 0 {
			if err := b.Commit(ctx, store.Write{Dataset: dataset, Ops: ops}); err != nil {
				return err
			}
			b.kept[dataset] = since
		}
		if since = page.Next; done {
			return nil
		}
	}
}
