package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/webhooks"
)

// hooks are the routes of outgoing webhooks.
func (s *server) hooks(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/webhooks", s.webhooks)
	mux.HandleFunc("GET /api/webhooks/{pipe}", s.webhook)
	mux.HandleFunc("POST /api/webhooks/{pipe}", s.operateWebhook)
	mux.HandleFunc("GET /api/webhooks/{pipe}/deliveries", s.deliveries)
	mux.HandleFunc("GET /api/webhooks/{pipe}/deliveries/{delivery}", s.delivery)
	mux.HandleFunc("POST /api/webhooks/{pipe}/deliveries/{delivery}", s.operateDelivery)
}

func (s *server) webhooks(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	for _, id := range s.engine.Webhooks() {
		about, err := s.describeWebhook(r, id)
		if err != nil {
			s.failForWebhook(w, r, err)
			return
		}
		all = append(all, about)
	}
	reply(w, http.StatusOK, all)
}

func (s *server) webhook(w http.ResponseWriter, r *http.Request) {
	about, err := s.describeWebhook(r, r.PathValue("pipe"))
	if err != nil {
		s.failForWebhook(w, r, err)
		return
	}
	reply(w, http.StatusOK, about)
}

// hookState is how a webhook stands.
type hookState struct {
	ID, Method            string
	Address, AddressError string // where it goes, or why that is not known
	Health                webhooks.Health
	Standing              webhooks.Standing
	Pending               int
	Delivered, Failed     int // as many as are kept
}

func (s *server) hookState(r *http.Request, id string) (h hookState, err error) {
	q, err := s.engine.Webhook(id)
	if err != nil {
		return h, err
	}
	h = hookState{ID: id, Method: q.Method, Standing: q.Standing()}
	if h.Health, err = q.Health(r.Context()); err != nil {
		return h, err
	}
	var bad error
	if h.Address, bad = q.Address(time.Now()); bad != nil {
		h.AddressError = bad.Error()
	}
	counts, err := q.Counts(r.Context())
	h.Pending, h.Delivered, h.Failed = counts[webhooks.Pending], counts[webhooks.Delivered], counts[webhooks.Failed]
	return h, err
}

// describeWebhook is a webhook as the API shows it.
func (s *server) describeWebhook(r *http.Request, id string) (map[string]any, error) {
	h, err := s.hookState(r, id)
	if err != nil {
		return nil, err
	}
	about := map[string]any{"_id": id, "enabled": !h.Health.Disabled, "dataset": webhooks.Dataset(id), "under-way": h.Standing.UnderWay,
		"deliveries": map[string]int{"pending": h.Pending, "delivered": h.Delivered, "failed": h.Failed}}
	for name, text := range map[string]string{"address": h.Address, "address-error": h.AddressError} {
		if text != "" {
			about[name] = text
		}
	}
	for name, at := range map[string]time.Time{"failing-since": h.Health.FailingSince, "next-attempt": h.Standing.Next} {
		if !at.IsZero() {
			about[name] = at.UTC().Format(time.RFC3339)
		}
	}
	if h.Health.Disabled {
		about["disabled"] = map[string]any{"by": h.Health.By, "why": h.Health.Why, "at": h.Health.At.Format(time.RFC3339)}
	}
	return about, nil
}

// mostListed bounds a list of deliveries.
const mostListed = 1000

// deliveries lists what changed last, without bodies.
func (s *server) deliveries(w http.ResponseWriter, r *http.Request) {
	q, err := s.engine.Webhook(r.PathValue("pipe"))
	if err != nil {
		s.failForWebhook(w, r, err)
		return
	}
	limit, status := 100, webhooks.Status(r.URL.Query().Get("status"))
	if text := r.URL.Query().Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 0 || limit > mostListed {
			fail(w, http.StatusBadRequest, "limit is a whole number of at most "+strconv.Itoa(mostListed))
			return
		}
	}
	switch status {
	case "", webhooks.Pending, webhooks.Delivered, webhooks.Failed:
	default:
		fail(w, http.StatusBadRequest, "status is pending, delivered or failed")
		return
	}
	list, err := q.List(r.Context(), status, limit)
	if err != nil {
		s.failForWebhook(w, r, err)
		return
	}
	all := make([]rawJSON, len(list))
	for i, d := range list {
		all[i] = d.AppendJSON(nil, true)
	}
	reply(w, http.StatusOK, all)
}

// delivery answers one with its body and all its tries.
func (s *server) delivery(w http.ResponseWriter, r *http.Request) {
	q, err := s.engine.Webhook(r.PathValue("pipe"))
	var d *webhooks.Delivery
	if err == nil {
		d, err = q.Get(r.Context(), r.PathValue("delivery"))
	}
	if err != nil {
		s.failForWebhook(w, r, err)
		return
	}
	reply(w, http.StatusOK, rawJSON(d.AppendJSON(nil, false)))
}

// operateDelivery has a delivery made again.
func (s *server) operateDelivery(w http.ResponseWriter, r *http.Request) {
	if operation(w, r, "redeliver") == "" {
		return
	}
	q, err := s.engine.Webhook(r.PathValue("pipe"))
	if err == nil {
		err = q.Redeliver(r.Context(), r.PathValue("delivery"), time.Now())
	}
	if err != nil {
		s.failForWebhook(w, r, err)
		return
	}
	s.delivery(w, r)
}

// operation reads the operation of a form, and answers what is none of those
// there are.
func operation(w http.ResponseWriter, r *http.Request, known ...string) string {
	if !readForm(w, r) {
		return ""
	}
	asked := r.Form.Get("operation")
	for _, k := range known {
		if k == asked {
			return k
		}
	}
	fail(w, http.StatusBadRequest, "there is no operation "+strconv.Quote(asked)+": "+strings.Join(known, ", "))
	return ""
}

// operateWebhook carries out an operation on a webhook.
func (s *server) operateWebhook(w http.ResponseWriter, r *http.Request) {
	asked := operation(w, r, "enable", "disable", "test", "recover")
	if asked == "" {
		return
	}
	id, more, err := r.PathValue("pipe"), map[string]any{}, error(nil)
	switch asked {
	case "test":
		more["delivery"], err = s.testWebhook(r, id)
	case "recover":
		more["recovered"], err = s.recoverWebhook(r, id)
	default:
		err = s.engine.EnableWebhook(r.Context(), id, asked == "enable", engine.Switch{By: caller(r), Comment: r.Form.Get("comment")})
	}
	var about map[string]any
	if err == nil {
		about, err = s.describeWebhook(r, id)
	}
	if err != nil {
		s.failForWebhook(w, r, err)
		return
	}
	for key, value := range more {
		about[key] = value
	}
	reply(w, http.StatusOK, about)
}

func (s *server) testWebhook(r *http.Request, id string) (string, error) {
	q, err := s.engine.Webhook(id)
	if err != nil {
		return "", err
	}
	return q.Test(r.Context(), time.Now())
}

// badTime is a parameter that is no time.
type badTime string

// Error says what is expected.
func (b badTime) Error() string { return string(b) + " is a time such as 2027-01-31T12:00:00Z" }

func (s *server) recoverWebhook(r *http.Request, id string) (int, error) {
	q, err := s.engine.Webhook(id)
	if err != nil {
		return 0, err
	}
	var bounds [2]time.Time
	for i, name := range []string{"since", "until"} {
		text := r.Form.Get(name)
		if text == "" && name == "until" {
			continue
		}
		if bounds[i], err = time.Parse(time.RFC3339, text); err != nil {
			return 0, badTime(name)
		}
	}
	return q.Recover(r.Context(), bounds[0], bounds[1], time.Now())
}

// badRequest is what a caller asks for that there is not.
type badRequest string

// Error says what.
func (b badRequest) Error() string { return string(b) }

// statusForWebhook is the status that goes with an error of a webhook.
func statusForWebhook(err error) int {
	var bad badTime
	var wrong badRequest
	switch {
	case errors.Is(err, engine.ErrNoWebhook), errors.Is(err, webhooks.ErrNoDelivery), errors.Is(err, engine.ErrNoPipe):
		return http.StatusNotFound
	case errors.Is(err, webhooks.ErrPending):
		return http.StatusConflict
	case errors.As(err, &bad), errors.As(err, &wrong):
		return http.StatusBadRequest
	default:
		return http.StatusInternalServerError
	}
}

// failForWebhook answers an error of a webhook.
func (s *server) failForWebhook(w http.ResponseWriter, r *http.Request, err error) {
	if status := statusForWebhook(err); status != http.StatusInternalServerError {
		fail(w, status, err.Error())
		return
	}
	s.failFor(w, r, err)
}
