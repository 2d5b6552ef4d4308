// Package receiversim is a receiver of webhooks as it should be: it believes
// nothing that is not signed, and knows events again by their ids. Now and then
// it has a bad moment.
package receiversim

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sluiceio/sluice/webhooks"
)

// Receiver takes in signed webhooks. It is an http.Handler.
type Receiver struct {
	// Secret is shared with the sender.
	Secret string
	// BadEvery is how often it answers 503 though nothing is wrong: every so many
	// requests; 0 never.
	BadEvery int

	mu       sync.Mutex
	requests int
	events   map[string]string
	forged   int
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<20))
	if err != nil {
		http.Error(w, "the body did not arrive whole", http.StatusBadRequest)
		return
	}
	w.WriteHeader(r.take(&webhooks.Message{Header: q.Header, Body: body}))
}

func (r *Receiver) take(m *webhooks.Message) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if r.BadEvery > 0 && r.requests%r.BadEvery == 0 {
		return http.StatusServiceUnavailable
	}
	s, err := webhooks.New("standard", "")
	if err == nil {
		err = s.Verify(m, webhooks.Keys{r.Secret}, time.Now())
	}
	if err != nil {
		r.forged++
		return http.StatusForbidden
	}
	if r.events == nil {
		r.events = map[string]string{}
	}
	r.events[s.ID(m)] = string(m.Body)
	return http.StatusNoContent
}

// Seen returns the bodies of the events that came, by their ids, and how many
// requests were not to be believed.
func (r *Receiver) Seen() (events map[string]string, forged int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events = make(map[string]string, len(r.events))
	for id, body := range r.events {
		events[id] = body
	}
	return events, r.forged
}
