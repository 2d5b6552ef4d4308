package etlworks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

// api is what administrators set up webhooks with.
type api struct {
	n       dialects.Node
	st      store.Store
	journal *journal
	fed     atomic.Bool  // somebody reads what happens
	refused atomic.Int64 // when the last refused token was told of
}

func (a *api) routes(mux *http.ServeMux) {
	methods := map[string][]string{} // by path
	for pattern, h := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"POST /rest/v1/webhooks":                               a.create,
		"GET /rest/v1/webhooks":                                a.list,
		"GET /rest/v1/webhooks/{id}":                           a.get,
		"PUT /rest/v1/webhooks/{id}":                           a.update,
		"DELETE /rest/v1/webhooks/{id}":                        a.remove,
		"POST /rest/v1/webhooks/{id}/test":                     a.test,
		"POST /rest/v1/webhooks/{id}/recover":                  a.recover,
		"POST /rest/v1/webhooks/{id}/secret/rotate":            a.rotate,
		"GET /rest/v1/webhooks/{id}/events":                    a.events,
		"GET /rest/v1/webhooks/{id}/events/{event}":            a.event,
		"POST /rest/v1/webhooks/{id}/events/{event}/redeliver": a.redeliver,
		"GET /rest/v1/{kind}/{name}":                           a.record,
	} {
		mux.HandleFunc(pattern, a.closed(h))
		method, path, _ := strings.Cut(pattern, " ")
		methods[path] = append(methods[path], method)
	}
	other := http.NewServeMux() // of other methods
	other.HandleFunc("/", a.closed(func(http.ResponseWriter, *http.Request) error {
		return &refusal{http.StatusNotFound, "there is no such address; webhooks are at /rest/v1/webhooks"}
	}))
	for path, allowed := range methods {
		slices.Sort(allowed)
		other.HandleFunc(path, a.closed(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			return &refusal{http.StatusMethodNotAllowed, "what is here answers to " + strings.Join(allowed, ", ") + " only"}
		}))
	}
	mux.Handle("/rest/v1/", other)
}

// closed lets only administrators through, and answers errors.
func (a *api) closed(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if no := admit(a.secret, bearer(r), a.n.Now()); no != nil {
			a.turnedAway(r, no)
			if no.status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			a.fail(w, r, no)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, longestBody)
		if err := h(w, r); err != nil {
			a.fail(w, r, err)
		}
	}
}

func (a *api) secret(name string) (string, bool) { return a.n.Config().Secrets.Lookup("", name) }

// turnedAway tells of refused tokens, of one a minute at most: whoever tries many
// does not fill the store with it.
func (a *api) turnedAway(r *http.Request, no *refusal) {
	now := a.n.Now()
	before := a.refused.Load()
	if no.status != http.StatusUnauthorized || !a.fed.Load() || now.Unix()-before < 60 || !a.refused.CompareAndSwap(before, now.Unix()) {
		return
	}
	err := a.journal.write(r.Context(), []occurrence{{event: loginFailed, path: "users", name: "tokens", at: now,
		entity: entity.NewDict(text("reason", no.why), text("remoteIp", hostOf(r.RemoteAddr)))}}, store.Batch{})
	if err != nil {
		a.n.Log().Error("a refused token cannot be told of", "error", err)
	}
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A caller that has gone away is nobody's error.
	_ = json.NewEncoder(w).Encode(body)
	return nil
}

// statusOf is how an error is answered; 0 for one that callers are not told.
func statusOf(err error) int {
	var no *refusal
	var bad invalid
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &no):
		return no.status
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, errNoEvent), errors.Is(err, webhooks.ErrNoDelivery):
		return http.StatusNotFound
	case errors.Is(err, webhooks.ErrPending), errors.Is(err, store.ErrConflict):
		return http.StatusConflict
	default:
		return 0
	}
}

// fail answers an error.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, message := statusOf(err), err.Error()
	switch {
	case errors.Is(err, store.ErrConflict):
		message = "somebody else has just changed it: look at it again"
	case status == 0:
		a.n.Log().Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		status, message = http.StatusInternalServerError, "the node could not do it; its log says why"
	}
	_ = answer(w, status, map[string]any{"error": map[string]any{"status": status, "message": message}})
}

var errNoWebhook = &refusal{http.StatusNotFound, "there is no such webhook"}

// find reads the webhook that a request names.
func (a *api) find(r *http.Request) (*stored, uint64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, 0, errNoWebhook
	}
	s, rev, err := load(r.Context(), a.st, id)
	if err == nil && s == nil {
		err = errNoWebhook
	}
	return s, rev, err
}

// queue is where the deliveries of a webhook are.
func (a *api) queue(id int64) (*webhooks.Queue, error) {
	if p, ok := a.n.Pipe(pipeOf(id)); ok && p.Webhook() != nil {
		return p.Webhook(), nil
	}
	return nil, &refusal{http.StatusServiceUnavailable, "the webhook is being set up; try again"}
}

// shown is a webhook as answers have it, with whether it is enabled.
func (a *api) shown(ctx context.Context, s *stored) (*Webhook, error) {
	w := s.shown()
	health, err := webhooks.HealthOf(ctx, a.st, pipeOf(s.ID))
	on := !health.Disabled
	w.Enabled, w.Disabled = &on, health.Why
	_, w.Warnings = checkEvents(w.Events)
	return w, err
}

func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	all, err := loadAll(r.Context(), a.st)
	if err != nil {
		return err
	}
	told := make([]*Webhook, len(all))
	for i, s := range all {
		if told[i], err = a.shown(r.Context(), s); err != nil {
			return err
		}
	}
	return answer(w, http.StatusOK, told)
}

// get answers a webhook, or with auditId what it was at an event.
func (a *api) get(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("auditId") {
		return a.recalled(w, r, "webhooks", r.PathValue("id"))
	}
	s, _, err := a.find(r)
	if err != nil {
		return err
	}
	return a.tell(w, r, http.StatusOK, s)
}

func (a *api) tell(w http.ResponseWriter, r *http.Request, status int, s *stored) error {
	shown, err := a.shown(r.Context(), s)
	if err != nil {
		return err
	}
	return answer(w, status, shown)
}

// record answers the entity of an event, which is what its URL promises, or
// without auditId what there is now.
func (a *api) record(w http.ResponseWriter, r *http.Request) error {
	kind, name := r.PathValue("kind"), r.PathValue("name")
	if r.URL.Query().Has("auditId") {
		return a.recalled(w, r, kind, name)
	}
	c := a.n.Config().Get(name)
	var v entity.Value
	switch {
	case c == nil:
		return errNoEvent
	case kind == "flows" && c.Type == "pipe", kind == "connections" && c.Type != "pipe" && c.Type != "metadata":
		v = described(name, c.Original)
	case kind == "schedules" && c.Type == "pipe" && schedule(c) != nil:
		v = withID(name, nodeValue(schedule(c), 0))
	default:
		return errNoEvent
	}
	return answer(w, http.StatusOK, json.RawMessage(entity.AppendPlain(nil, v)))
}

func (a *api) recalled(w http.ResponseWriter, r *http.Request, kind, name string) error {
	number, err := strconv.ParseInt(r.URL.Query().Get("auditId"), 10, 64)
	if err != nil || number < 1 {
		return invalid("auditId is a number from 1 on")
	}
	v, err := recall(r.Context(), a.st, kind, name, number)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, json.RawMessage(entity.AppendPlain(nil, v)))
}

// parseTime reads a parameter that is a time; the zero time if it is not given.
func parseTime(r *http.Request, name string) (time.Time, error) {
	given := r.FormValue(name)
	if given == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, given)
	if err != nil {
		return t, invalidf("%s is a time such as 2027-01-31T12:00:00Z", name)
	}
	return t, nil
}
