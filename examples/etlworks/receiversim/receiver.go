// Package receiversim is a receiver of Etlworks webhooks as it should be: it
// believes nothing that is not signed, and knows events again by their ids. Now
// and then it has a bad moment.
package receiversim

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sluiceio/sluice/webhooks"
)

// Event is the body of a webhook.
type Event struct {
	EventID   string          `json:"eventId"`
	EventType string          `json:"eventType"`
	WebhookID int64           `json:"webhookId"`
	EntityID  int64           `json:"entityId"`
	Entity    json.RawMessage `json:"entity"`
	EntityURL string          `json:"entityUrl"`
	Timestamp int64           `json:"timestamp"`
	// Skew is how far the timestamp was from the receiver's clock.
	Skew time.Duration `json:"-"`
}

// Receiver takes in signed webhooks. It is an http.Handler.
type Receiver struct {
	// Secret is shared with the sender, User and Password are expected of it.
	Secret, User, Password string
	// BadEvery is how often it answers 503 though nothing is wrong: every so many
	// requests, but to each event once at the most; 0 never.
	BadEvery int
	// Heard is told of each event, once; nil tells nobody.
	Heard func(e Event)

	mu       sync.Mutex
	requests int
	turned   map[string]bool // events answered 503
	events   map[string]Event
	refused  []string
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<20))
	if err != nil {
		http.Error(w, "the body did not arrive whole", http.StatusBadRequest)
		return
	}
	w.WriteHeader(r.take(q, body))
}

func (r *Receiver) take(q *http.Request, body []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := q.Header.Get("X-Etl-Webhook-Event-Id")
	if r.requests++; r.BadEvery > 0 && r.requests%r.BadEvery == 0 && !r.turned[id] {
		if r.turned == nil {
			r.turned = map[string]bool{}
		}
		r.turned[id] = true
		return http.StatusServiceUnavailable
	}
	var e Event
	if why := r.doubts(q, body, &e); why != "" {
		r.refused = append(r.refused, why)
		return http.StatusForbidden
	}
	if r.events == nil {
		r.events = map[string]Event{}
	}
	if _, known := r.events[e.EventID]; !known && r.Heard != nil {
		r.Heard(e)
	}
	r.events[e.EventID] = e
	return http.StatusOK
}

// doubts says why a request is not believed, "" if it is, and reads its event.
func (r *Receiver) doubts(q *http.Request, body []byte, e *Event) string {
	user, password, _ := q.BasicAuth()
	if user != r.User || password != r.Password {
		return "it has another user or password"
	}
	// Both signatures are there: one would do.
	for name, key := range map[string]string{"etlworks": r.Secret, "standard": webhooks.StandardKey(r.Secret)} {
		s, err := webhooks.New(name, "")
		if err == nil {
			err = s.Verify(&webhooks.Message{Header: q.Header, Body: body}, webhooks.Keys{key}, time.Now())
		}
		if err != nil {
			return name + ": " + err.Error()
		}
	}
	if err := json.Unmarshal(body, e); err != nil {
		return "the body is no JSON: " + err.Error()
	}
	e.Skew = time.Since(time.UnixMilli(e.Timestamp))
	if e.EventID == "" || e.EventID != q.Header.Get("X-Etl-Webhook-Event-Id") || e.EventType != q.Header.Get("X-Etl-Webhook-Event") {
		return "headers and body tell of different events"
	}
	return ""
}

// Seen returns the events that came, by their ids, and why requests were not
// believed.
func (r *Receiver) Seen() (events map[string]Event, refused []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events = make(map[string]Event, len(r.events))
	for id, e := range r.events {
		events[id] = e
	}
	return events, append([]string{}, r.refused...)
}
