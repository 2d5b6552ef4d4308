package webhooks

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/urlquery"
)

// Consent is that of a receiver to be sent to, as CloudEvents has it: it is asked
// by OPTIONS before anything is sent, and once a day.
type Consent struct {
	// Origin is who asks: the name of a host.
	Origin string
	mu     struct {
		sync.Mutex
		until time.Time
		rate  float64 // requests a second that it allows; 0 if it bounds none
	}
}

// consentLasts is how long a receiver is not asked again.
const consentLasts = 24 * time.Hour

// allows is how many requests a second the receiver allows, 0 if it bounds none.
func (c *Consent) allows() float64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.rate
}

// ask returns nil if the receiver consents, or did so today.
func (c *Consent) ask(ctx context.Context, e *Endpoint, t *Target, now time.Time) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.mu.until) && c.mu.until.Sub(now) <= consentLasts {
		return nil
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodOptions, t.URL, nil)
	if err != nil {
		return err
	}
	q.URL.RawQuery = urlquery.Escape(q.URL.RawQuery)
	q.Header = http.Header{"User-Agent": {"sluice"}}
	maps.Copy(q.Header, t.Header)
	q.Header.Set("WebHook-Request-Origin", c.Origin)
	if e.Rate > 0 {
		q.Header.Set("WebHook-Request-Rate", strconv.Itoa(max(1, int(e.Rate*60))))
	}
	r, err := e.Transport.RoundTrip(q)
	if err != nil {
		return err
	}
	r.Body.Close()
	if allowed := r.Header.Get("WebHook-Allowed-Origin"); r.StatusCode/100 != 2 || allowed != "*" && !strings.EqualFold(allowed, c.Origin) {
		return &NoConsentError{Status: r.StatusCode, Allowed: allowed}
	}
	c.mu.until, c.mu.rate = now.Add(consentLasts), 0
	if n, err := strconv.Atoi(r.Header.Get("WebHook-Allowed-Rate")); err == nil && n > 0 {
		c.mu.rate = float64(n) / 60
	}
	return nil
}

// NoConsentError is a receiver that was asked and has not consented.
type NoConsentError struct {
	Status  int
	Allowed string // the origin that it allows
}

// Error tells what it answered.
func (e *NoConsentError) Error() string {
	return fmt.Sprintf("the receiver does not consent to be sent to: asked by OPTIONS it answered %s, and allows the origin %.100q", statusText(e.Status), e.Allowed)
}

// rate is how many requests may begin in a second: what is configured, and no
// more than the receiver allows.
func (e *Endpoint) rate() float64 {
	allowed := e.Consent.allows()
	if allowed > 0 && (e.Rate == 0 || allowed < e.Rate) {
		return allowed
	}
	return e.Rate
}
