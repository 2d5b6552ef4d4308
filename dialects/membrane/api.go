package membrane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

type hookName struct{ integration, key string }

// desk answers for the dialect while a node is served.
type desk struct {
	node     dialects.Node
	registry registry
	hooks    map[hookName]*webhook
	sources  map[string]*externalEvent // one for each subscription that is needed
	pipes    map[string][]string       // by subscription
	ids      []string                  // of the subscriptions, sorted
	shown    map[string]*integrationConfig
}

// serve adds the dialect's doors.
func serve(ctx context.Context, n dialects.Node, mux *http.ServeMux) (func(), error) {
	d := &desk{node: n, registry: registry{n.Store()}, hooks: map[hookName]*webhook{}, sources: map[string]*externalEvent{},
		pipes: map[string][]string{}, shown: map[string]*integrationConfig{}}
	if err := d.gather(ctx); err != nil {
		return func() {}, err
	}
	if len(d.shown) == 0 {
		return func() {}, nil // no connectors here: their addresses are free for others
	}
	if err := d.registry.load(ctx); err != nil {
		return func() {}, err
	}
	mux.HandleFunc("/webhooks/g/{integration}/{webhook}/{token}", d.receive)
	mux.HandleFunc("GET /integrations", d.integrations)
	mux.HandleFunc("GET /integrations/{integration}", d.integration)
	mux.HandleFunc("GET /integrations/{integration}/global-webhooks", d.globalWebhooks)
	mux.HandleFunc("POST /integrations/{integration}/global-webhooks/{webhook}/rotate", d.rotate)
	mux.HandleFunc("GET /external-event-subscriptions", d.subscriptions)
	mux.HandleFunc("GET /external-event-subscriptions/{id}", d.subscription)
	mux.HandleFunc("DELETE /external-event-subscriptions/{id}", d.forget)
	mux.HandleFunc("POST /external-event-subscriptions/{id}/{operation}", d.operate)
	mux.HandleFunc("GET /external-event-log-records", d.records)
	mux.HandleFunc("GET /external-event-log-records/{id}", d.record)
	mux.HandleFunc("GET /external-event-pulls", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, page{Items: []any{}}) })
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.background(ctx)
	}()
	return func() { cancel(); <-done }, nil
}

// gather finds the dialect's pipes among those of the node.
func (d *desk) gather(ctx context.Context) error {
	for _, c := range d.node.Config().Components {
		p, ok := d.node.Pipe(c.ID)
		if !ok {
			continue
		}
		switch s := p.Source().(type) {
		case *webhook:
			d.hooks[hookName{s.cfg.Integration, s.cfg.Key}] = s
			if _, err := ensureTokens(ctx, d.node.Store(), s.cfg.Integration, s.cfg.Key, d.node.Now()); err != nil {
				return err
			}
			s.pool.Warm()
			if i, _, err := s.find(); err == nil {
				d.shown[i.cfg.Key] = i.cfg
			}
		case *externalEvent:
			parts, err := s.find()
			if err != nil {
				return err
			}
			id := s.subscriptionID(parts)
			d.sources[id] = s
			d.pipes[id] = append(d.pipes[id], c.ID)
		}
	}
	d.ids = slices.Sorted(maps.Keys(d.sources))
	return nil
}

// page is one answer of a list.
type page struct {
	Items  []any  `json:"items"`
	Cursor string `json:"cursor,omitempty"`
}

// paged cuts a list as the caller asks.
func paged[T any](w http.ResponseWriter, r *http.Request, all []T, id func(T) string) {
	limit, cursor := 100, r.URL.Query().Get("cursor")
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			tell(w, http.StatusBadRequest, "bad_request", "limit is a whole number from 1 to 1000")
			return
		}
		limit = n
	}
	out := page{Items: []any{}}
	for _, v := range all {
		if cursor != "" && id(v) <= cursor {
			continue
		}
		if len(out.Items) == limit {
			out.Cursor = id(all[slices.IndexFunc(all, func(o T) bool { return id(o) == id(v) })-1])
			break
		}
		out.Items = append(out.Items, v)
	}
	writeJSON(w, http.StatusOK, out)
}

func (d *desk) fail(w http.ResponseWriter, err error) {
	d.node.Log().Error("a request of the Membrane API failed", "error", err)
	tell(w, http.StatusServiceUnavailable, "unavailable", "the node could not do it; its log says why")
}

// describe is an integration as the API shows it: of its parameters the names
// only.
func (d *desk) describe(c *integrationConfig) map[string]any {
	params := map[string]any{}
	for _, m := range membersOf(c.Parameters) {
		params[m.Key] = "***"
	}
	has := slices.ContainsFunc(slices.Collect(maps.Keys(d.hooks)), func(n hookName) bool { return n.integration == c.Key })
	return map[string]any{"id": c.Key, "key": c.Key, "name": c.Name, "connectorId": c.Connector, "parameters": params,
		"hasGlobalWebhooks": has, "archived": c.Archived}
}

func (d *desk) integrations(w http.ResponseWriter, r *http.Request) {
	var all []map[string]any
	for _, key := range slices.Sorted(maps.Keys(d.shown)) {
		all = append(all, d.describe(d.shown[key]))
	}
	paged(w, r, all, func(m map[string]any) string { key, _ := m["key"].(string); return key })
}

// chosen is the integration of a request, nil if there is none, which is answered.
func (d *desk) chosen(w http.ResponseWriter, r *http.Request) *integrationConfig {
	c := d.shown[r.PathValue("integration")]
	if c == nil {
		tell(w, http.StatusNotFound, "not_found", "there is no integration "+strconv.Quote(r.PathValue("integration")))
	}
	return c
}

func (d *desk) integration(w http.ResponseWriter, r *http.Request) {
	if c := d.chosen(w, r); c != nil {
		writeJSON(w, http.StatusOK, d.describe(c))
	}
}

// globalWebhooks lists the webhooks of an integration with their addresses.
func (d *desk) globalWebhooks(w http.ResponseWriter, r *http.Request) {
	c := d.chosen(w, r)
	if c == nil {
		return
	}
	all := []any{}
	for _, key := range keysOf(&jsonpos.Node{Elems: elems(c.Webhooks)}) {
		about, err := d.about(r.Context(), d.hooks[hookName{c.Key, key}])
		if err != nil {
			d.fail(w, err)
			return
		}
		all = append(all, about)
	}
	writeJSON(w, http.StatusOK, all)
}

// about is a webhook as the API shows it.
func (d *desk) about(ctx context.Context, h *webhook) (map[string]any, error) {
	if h == nil {
		return nil, errors.New("a webhook has no pipe")
	}
	t, err := ensureTokens(ctx, d.node.Store(), h.cfg.Integration, h.cfg.Key, d.node.Now())
	if err != nil {
		return nil, err
	}
	_, def, err := h.find()
	if err != nil {
		return nil, err
	}
	var last any
	newest, err := d.node.Store().Read(ctx, webhooks.RequestsDataset(h.env.PipeID), store.Query{Since: store.Start, Limit: 1, Reverse: true}, entity.NewArena())
	if err == nil && len(newest.Entities) > 0 {
		if at, _ := newest.Entities[0].Get("received"); at.Kind() == entity.Datetime {
			last = at.Time().UTC()
		}
	}
	return map[string]any{"key": h.cfg.Key, "name": def.name, "uri": d.node.Address() + "/webhooks/g/" + h.cfg.Integration + "/" + h.cfg.Key + "/" + t.Token,
		"createdAt": t.Created, "lastReceivedAt": last, "pipe": h.env.PipeID}, nil
}

// rotate gives a webhook another address; the one it had counts for a while.
func (d *desk) rotate(w http.ResponseWriter, r *http.Request) {
	h := d.hooks[hookName{r.PathValue("integration"), r.PathValue("webhook")}]
	if h == nil {
		if d.chosen(w, r) != nil {
			tell(w, http.StatusNotFound, "not_found", "the integration has no webhook "+strconv.Quote(r.PathValue("webhook")))
		}
		return
	}
	grace, err := graceOf(http.MaxBytesReader(w, r.Body, 1<<10))
	if err != nil || grace < 0 || grace > longestGrace {
		tell(w, http.StatusBadRequest, "bad_request", `the body is empty or {"graceSeconds": 0 to 604800}`)
		return
	}
	if _, err := rotate(r.Context(), d.node.Store(), h.cfg.Integration, h.cfg.Key, d.node.Now(), grace); err != nil {
		d.fail(w, err)
		return
	}
	about, err := d.about(r.Context(), h)
	if err != nil {
		d.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, about)
}

// graceOf reads for how long the address before counts. A member that is misspelt is
// an error: whoever changes an address that got known wants to be sure.
func graceOf(body io.Reader) (time.Duration, error) {
	var asked struct{ GraceSeconds *float64 }
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(&asked)
	switch {
	case errors.Is(err, io.EOF):
		return graceUnlessTold, nil
	case err != nil:
		return 0, err
	case d.More():
		return 0, errors.New("something follows")
	case asked.GraceSeconds == nil:
		return graceUnlessTold, nil
	}
	return time.Duration(*asked.GraceSeconds * float64(time.Second)), nil
}

func (d *desk) subscriptions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	all, err := d.registry.list(r.Context(), func(s *subscription) bool {
		connector := ""
		if c := d.shown[s.Integration]; c != nil {
			connector = c.Connector
		}
		return fits(q.Get("integrationId"), s.Integration) && fits(q.Get("connectionId"), s.Connection) && fits(q.Get("userId"), s.User) &&
			fits(q.Get("connectorId"), connector) && (q.Get("search") == "" || strings.Contains(s.Event+" "+s.Connection, q.Get("search")))
	})
	if err != nil {
		d.fail(w, err)
		return
	}
	paged(w, r, all, func(s *subscription) string { return s.ID })
}

func fits(filter, value string) bool { return filter == "" || filter == value }

// asked is the subscription of a request, nil if there is none, which is answered.
func (d *desk) asked(w http.ResponseWriter, r *http.Request) *subscription {
	s, err := d.registry.get(r.Context(), r.PathValue("id"))
	if err != nil {
		d.fail(w, err)
		return nil
	}
	if s == nil {
		tell(w, http.StatusNotFound, "not_found", "there is no such subscription")
	}
	return s
}

func (d *desk) subscription(w http.ResponseWriter, r *http.Request) {
	if s := d.asked(w, r); s != nil {
		writeJSON(w, http.StatusOK, s)
	}
}

// forget removes a subscription. A pipe that needs it makes it anew.
func (d *desk) forget(w http.ResponseWriter, r *http.Request) {
	s := d.asked(w, r)
	if s == nil {
		return
	}
	if err := d.registry.remove(r.Context(), s.ID); err != nil {
		d.fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// operate changes a subscription.
func (d *desk) operate(w http.ResponseWriter, r *http.Request) {
	s := d.asked(w, r)
	if s == nil {
		return
	}
	source := d.sources[s.ID]
	var err error
	switch r.PathValue("operation") {
	case "setup", "subscribe", "resubscribe":
		if source == nil {
			tell(w, http.StatusConflict, "not_needed", "no pipe needs the subscription")
			return
		}
		s, err = source.ensure(r.Context(), renewed)
	case "unsubscribe":
		if source != nil {
			defer source.locks.lock(s.ID)()
		}
		s.Status, s.ByHand = unsubscribed, true
		err = d.registry.put(r.Context(), s)
	case "pull-events":
		tell(w, http.StatusConflict, "not_pulled", "the events come by a global webhook: there is nothing to pull")
		return
	default:
		tell(w, http.StatusNotFound, "not_found", "there are setup, subscribe, unsubscribe, resubscribe and pull-events")
		return
	}
	if err != nil {
		d.fail(w, err)
		return
	}
	d.wake(s.ID)
	writeJSON(w, http.StatusOK, s)
}
