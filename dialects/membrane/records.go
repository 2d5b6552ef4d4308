package membrane

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// logRecord is an event as one subscription got it; without one nobody did. It is
// read off the dataset of events, which knows the subscriptions of each.
type logRecord struct {
	ID           string          `json:"id"`
	Event        string          `json:"externalEventId,omitempty"`
	Subscription string          `json:"externalEventSubscriptionId,omitempty"`
	Connection   string          `json:"connectionId,omitempty"`
	Integration  string          `json:"integrationId"`
	Webhook      string          `json:"globalWebhookKey"`
	Selector     string          `json:"globalWebhookEventSelector"`
	Status       string          `json:"status"` // matched or unmatched
	Payload      json.RawMessage `json:"payload"`
	Runs         []string        `json:"launchedFlowRunIds"`
	Error        string          `json:"error,omitempty"`
	Logs         []string        `json:"logs"`
	At           string          `json:"createdAt"`
	pipe, entity string          // where it is read off
	at           store.Offset    // of the event
	nth          int             // among the event's records
}

// lookBack is how many events of a webhook a page looks at, newest first, and
// mostPayload how many bytes of payloads one has: the rest is on the next page.
const lookBack, mostPayload = 10000, 16 << 20

// records lists events, newest first.
func (d *desk) records(w http.ResponseWriter, r *http.Request) {
	q, limit := r.URL.Query(), 100
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			tell(w, http.StatusBadRequest, "bad_request", "limit is a whole number from 1 to 1000")
			return
		}
		limit = n
	}
	if !slices.Contains([]string{"", "matched", "unmatched"}, q.Get("status")) {
		tell(w, http.StatusBadRequest, "bad_request", "status is matched or unmatched")
		return
	}
	from, err := parseRecordCursor(q.Get("cursor"))
	if err != nil {
		tell(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	keep := func(l *logRecord) bool {
		return fits(q.Get("externalEventSubscriptionId"), l.Subscription) && fits(q.Get("connectionId"), l.Connection) &&
			fits(q.Get("integrationId"), l.Integration) && fits(q.Get("status"), l.Status) && !from.has(l)
	}
	all, err := d.gatherRecords(r.Context(), from, keep, limit+1)
	if err != nil {
		d.fail(w, err)
		return
	}
	out, size := page{Items: []any{}}, 0
	for i, l := range all[:min(limit, len(all))] {
		if err := d.fill(r.Context(), l); err != nil {
			d.fail(w, err)
			return
		}
		out.Items = append(out.Items, l)
		size += len(l.Payload)
		if last := len(out.Items) == limit || size > mostPayload; last && i+1 < len(all) {
			out.Cursor = from.behind(all[:i+1], all[i+1:])
			break
		}
	}
	writeJSON(w, http.StatusOK, out)
}

// fill gives a record its payload.
func (d *desk) fill(ctx context.Context, l *logRecord) error {
	found, err := d.node.Store().Get(ctx, l.pipe, []string{l.entity}, entity.NewArena())
	if err != nil {
		return err
	}
	payload, _ := found[0].Get("payload")
	l.Payload = entity.AppendPlain(nil, payload)
	return nil
}

// gatherRecords returns the newest records of all webhooks that are wanted.
func (d *desk) gatherRecords(ctx context.Context, from recordCursor, keep func(*logRecord) bool, most int) ([]*logRecord, error) {
	known := map[string]*subscription{}
	subs, err := d.registry.list(ctx, func(*subscription) bool { return true })
	if err != nil {
		return nil, err
	}
	for _, s := range subs {
		known[s.ID] = s
	}
	var all [][]*logRecord
	for _, h := range d.hooks {
		of, err := d.recordsOf(ctx, h, known, from.query(h.env.PipeID), keep, most)
		if err != nil {
			return nil, err
		}
		all = append(all, of)
	}
	return merged(all, most), nil
}

func (d *desk) recordsOf(ctx context.Context, h *webhook, known map[string]*subscription, q store.Query, keep func(*logRecord) bool, most int) (all []*logRecord, err error) {
	for seen := 0; seen < lookBack && len(all) < most; {
		p, err := d.node.Store().Read(ctx, h.env.PipeID, q, entity.NewArena())
		if errors.Is(err, store.ErrNoDataset) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range p.Entities {
			for _, l := range d.recordsIn(h, e, known) {
				if keep(l) {
					all = append(all, l)
				}
			}
		}
		if seen += len(p.Entities); p.End || p.Next == q.Since {
			break
		}
		q.Since = p.Next
	}
	return all, nil
}

// recordsIn are the records of one event, one for each subscription, without
// payloads.
func (d *desk) recordsIn(h *webhook, e entity.Value, known map[string]*subscription) []*logRecord {
	if entity.Deleted(e) {
		return nil
	}
	received, _ := e.Get("received")
	place, _ := e.Get(entity.UpdatedKey)
	at, _ := place.Int64()
	id := strings.Clone(textOf(e, entity.IDKey)) // which outlives the page
	base := logRecord{ID: id, pipe: h.env.PipeID, entity: id, at: store.Offset(at), Integration: h.cfg.Integration, Webhook: h.cfg.Key, Selector: strings.Clone(textOf(e, "selector")),
		Status: "unmatched", Runs: []string{}, Logs: []string{}, At: received.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00")}
	ids, _ := e.Get("subscriptions")
	if ids.Len() == 0 {
		return []*logRecord{&base}
	}
	var all []*logRecord
	for i, v := range ids.Elems() {
		l := base
		l.nth = i
		l.Subscription, l.Status = strings.Clone(v.Text()), "matched"
		l.ID += "@" + l.Subscription
		if s := known[l.Subscription]; s != nil {
			l.Event, l.Connection = s.Event, s.Connection
		}
		l.Runs = slices.Concat(l.Runs, d.pipes[l.Subscription])
		all = append(all, &l)
	}
	return all
}

// record answers one record by its id.
func (d *desk) record(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	event, _, _ := strings.Cut(id, "@")
	for _, name := range slices.SortedFunc(maps.Keys(d.hooks), func(a, b hookName) int { return compareText(a.integration+"/"+a.key, b.integration+"/"+b.key) }) {
		h := d.hooks[name]
		found, err := d.node.Store().Get(r.Context(), h.env.PipeID, []string{event}, entity.NewArena())
		if err != nil && !errors.Is(err, store.ErrNoDataset) {
			d.fail(w, err)
			return
		}
		if err != nil || len(found) == 0 || found[0].IsNull() {
			continue
		}
		known := map[string]*subscription{}
		if _, sub, ok := strings.Cut(id, "@"); ok {
			if s, err := d.registry.get(r.Context(), sub); err == nil && s != nil {
				known[sub] = s
			}
		}
		for _, l := range d.recordsIn(h, found[0], known) {
			if l.ID != id {
				continue
			}
			if err := d.fill(r.Context(), l); err != nil {
				d.fail(w, err)
				return
			}
			writeJSON(w, http.StatusOK, l)
			return
		}
	}
	tell(w, http.StatusNotFound, "not_found", "there is no such record")
}
