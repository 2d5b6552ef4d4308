package etlworks

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/webhooks"
)

// viewed is how many events of a webhook are shown.
const viewed = 100

// Event is a delivery as the API shows it.
type Event struct {
	EventID   string    `json:"eventId"`
	EventType string    `json:"eventType"`
	WebhookID int64     `json:"webhookId"`
	EntityID  int64     `json:"entityId"`
	CreatedAt time.Time `json:"createdAt"`
	Status    string    `json:"status"`
	Attempts  []Attempt `json:"attempts"`
}

// Attempt is one try of it.
type Attempt struct {
	N          int       `json:"n"`
	At         time.Time `json:"at"`
	DurationMs int64     `json:"durationMs"`
	Manual     bool      `json:"manual"`
	RemoteIP   string    `json:"remoteIp"`
	Blocked    bool      `json:"blocked,omitempty"`
	Request    Request   `json:"request"`
	Response   *Response `json:"response"` // null: there was none
	Error      string    `json:"error"`
}

// Request is what was sent, Response what came back.
type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// Response is what came back.
type Response struct {
	Status    int               `json:"status"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	Truncated bool              `json:"truncated"`
}

// viewOf is a delivery as it is shown. One that waits for a disabled webhook says
// so.
func viewOf(id int64, d *webhooks.Delivery, disabled bool) Event {
	e := Event{EventID: d.ID, WebhookID: id, EventType: d.Header.Get("X-Etl-Webhook-Event"), CreatedAt: d.Created.UTC(), Status: string(d.Status), Attempts: []Attempt{}}
	e.EntityID, _ = strconv.ParseInt(d.Header.Get("X-Etl-Webhook-Entity-Id"), 10, 64)
	if d.Status == webhooks.Pending && disabled && !d.Manual {
		e.Status = "disabled"
	}
	for _, t := range d.Attempts {
		a := Attempt{N: t.N, At: t.At.UTC(), DurationMs: t.Took.Milliseconds(), Manual: t.Manual, RemoteIP: hostOf(t.Remote), Blocked: t.Blocked, Error: t.Error,
			Request: Request{Method: t.Method, URL: t.URL, Headers: flat(t.Request), Body: d.Body}}
		if t.Status != 0 {
			a.Response = &Response{Status: t.Status, Headers: flat(t.Response), Body: t.Body, Truncated: t.Truncated}
		}
		e.Attempts = append(e.Attempts, a)
	}
	return e
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func flat(h http.Header) map[string]string {
	all := map[string]string{}
	for name := range h {
		all[name] = h.Get(name)
	}
	return all
}

// view returns the newest events of a webhook.
func (a *api) view(ctx context.Context, s *stored) ([]Event, error) {
	q, err := a.queue(s.ID)
	if err != nil {
		return nil, err
	}
	health, err := q.Health(ctx)
	if err != nil {
		return nil, err
	}
	list, err := q.Newest(ctx, viewed)
	if err != nil {
		return nil, err
	}
	all := make([]Event, len(list))
	for i, d := range list {
		all[i] = viewOf(s.ID, d, health.Disabled)
	}
	return all, nil
}

func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	s, _, err := a.find(r)
	if err != nil {
		return err
	}
	all, err := a.view(r.Context(), s)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, all)
}

func (a *api) event(w http.ResponseWriter, r *http.Request) error {
	s, _, err := a.find(r)
	if err != nil {
		return err
	}
	return a.showEvent(w, r, http.StatusOK, s.ID, r.PathValue("event"))
}

func (a *api) showEvent(w http.ResponseWriter, r *http.Request, status int, id int64, event string) error {
	q, err := a.queue(id)
	if err != nil {
		return err
	}
	health, err := q.Health(r.Context())
	if err != nil {
		return err
	}
	d, err := q.Get(r.Context(), event)
	if err != nil {
		return err
	}
	return answer(w, status, viewOf(id, d, health.Disabled))
}

// redeliver has an event sent once more.
func (a *api) redeliver(w http.ResponseWriter, r *http.Request) error {
	s, _, err := a.find(r)
	if err != nil {
		return err
	}
	q, err := a.queue(s.ID)
	if err == nil {
		err = q.Redeliver(r.Context(), r.PathValue("event"), a.n.Now())
	}
	if err != nil {
		return err
	}
	return a.showEvent(w, r, http.StatusAccepted, s.ID, r.PathValue("event"))
}

// test sends a message that says it is a test.
func (a *api) test(w http.ResponseWriter, r *http.Request) error {
	s, _, err := a.find(r)
	if err != nil {
		return err
	}
	id, err := a.sendTest(r.Context(), s)
	if err != nil {
		return err
	}
	return a.showEvent(w, r, http.StatusAccepted, s.ID, id)
}

const testEvent = "Webhook.Test"

func (a *api) sendTest(ctx context.Context, s *stored) (string, error) {
	q, err := a.queue(s.ID)
	if err != nil {
		return "", err
	}
	t, err := s.thing()
	if err != nil {
		return "", err
	}
	j := journal{address: a.n.Address()}
	e := record{j.event(0, occurrence{event: testEvent, path: t.kind.path, name: t.name, id: s.ID, entity: t.entity, at: a.n.Now()})}
	made := (&message{webhook: s.ID, entity: s.IncludeEntity, form: s.ContentType == webhooks.FormType}).make(e, testEvent)
	id, _ := entity.ID(made)
	headers, _ := made.Get("headers")
	payload, _ := made.Get("payload")
	out := webhooks.Event{ID: id, Header: http.Header{}}
	for _, m := range headers.Object().Members() {
		out.Header.Set(m.Key, m.Value.Text())
	}
	if q.HasBody() {
		out.Body = q.Encode(payload)
	}
	return q.Try(ctx, out, a.n.Now())
}

// recover sends again what was given up since a time.
func (a *api) recover(w http.ResponseWriter, r *http.Request) error {
	s, _, err := a.find(r)
	if err != nil {
		return err
	}
	n, err := a.putBack(r, s)
	if err != nil {
		return err
	}
	return answer(w, http.StatusAccepted, map[string]any{"recovered": n})
}

func (a *api) putBack(r *http.Request, s *stored) (int, error) {
	since, err := parseTime(r, "since")
	if err != nil {
		return 0, err
	}
	if since.IsZero() {
		return 0, invalid("since is expected: a time such as 2027-01-31T12:00:00Z")
	}
	until, err := parseTime(r, "until")
	if err != nil {
		return 0, err
	}
	q, err := a.queue(s.ID)
	if err != nil {
		return 0, err
	}
	return q.Recover(r.Context(), since, until, a.n.Now())
}
