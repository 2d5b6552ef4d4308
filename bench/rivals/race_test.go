package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// careless is a system that delivers before it answers, and errs by what an event's
// number leaves when it is divided by ten.
type careless struct{ hook string }

func (c *careless) start(context.Context, options, *box, string) (target, error) {
	return target{}, errors.New("it needs no start")
}

func (c *careless) envelope(id string, event []byte) []byte {
	return fmt.Appendf(nil, `{"id":%q,"data":%s}`, id, event)
}

func (c *careless) verify(h http.Header, _ []byte) error {
	if h.Get("Signature") != "mine" {
		return errors.New("not signed")
	}
	return nil
}

func (c *careless) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, nth, _ := measure.FindEvent(body)
	signature, times, status := "mine", 1, http.StatusAccepted
	switch nth % 10 {
	case 1: // lost
		times = 0
	case 2:
		times = 2
	case 3:
		signature = "forged"
	case 4: // refused
		times, status = 0, http.StatusTooManyRequests
	case 5: // refused, and delivered nevertheless
		status = http.StatusInternalServerError
	}
	for range times {
		deliver(q.Context(), c.hook, signature, body)
	}
	w.WriteHeader(status)
}

func deliver(ctx context.Context, url, signature string, body []byte) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	q.Header.Set("Signature", signature)
	if resp, err := http.DefaultClient.Do(q); err == nil {
		resp.Body.Close()
	}
}

// What a system does wrong is counted as what it is.
func TestCounts(t *testing.T) {
	in, err := openInbox()
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	sys := &careless{}
	server := httptest.NewServer(sys)
	defer server.Close()
	c := &contender{system: sys, name: "careless", box: newBox(t.Context(), t.TempDir()), target: target{url: server.URL, header: http.Header{}}}
	c.mail = in.open(c.name, sys.verify)
	sys.hook = c.mail.url
	for _, rate := range []int{0, 10000} {
		r, err := c.round(t.Context(), options{connections: 1, patience: time.Millisecond}, 100, rate)
		if err != nil {
			t.Fatal(err)
		}
		if r.refused != 20 {
			t.Errorf("%d were refused, want 20", r.refused)
		}
	}
	if got, want := c.mail.tally(), (tally{told: 160, lost: 40, again: 20, extra: 20}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if got := c.mail.forged.Load(); got != 20 {
		t.Errorf("%d were forged, want 20", got)
	}
}
