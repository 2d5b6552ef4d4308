package webhooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/urlquery"
)

// Endpoint is where deliveries go, and how.
type Endpoint struct {
	// ID names the endpoint: it is the id of the pipe that feeds it.
	ID          string
	Method      string
	ContentType string
	// Scheme signs what is sent; nil sends it unsigned. Beside is another scheme
	// that signs it too, for receivers that change over; nil is none.
	Scheme, Beside Scheme
	// IDHeader carries the id of the event, AttemptHeader the number of the try;
	// "" leaves it out.
	IDHeader, AttemptHeader string
	// Target resolves address and secrets; it is called for each try, so that a
	// secret that was replaced is seen.
	Target func(now time.Time) (*Target, error)
	// Consent is asked for before anything is sent; nil asks for none.
	Consent *Consent
	// Transport carries the requests and decides which addresses may be reached.
	Transport http.RoundTripper
	// Timeout bounds one try.
	Timeout time.Duration
	// Concurrency is how many tries may be under way at once.
	Concurrency int
	// Rate is how many tries may begin in a second; 0 does not bound them.
	Rate float64
	// Ordered holds back what has the key of an earlier delivery that is pending.
	Ordered bool
	// Schedule is how long to wait after each try that failed; there is one more
	// try than it has entries.
	Schedule []time.Duration
	// DisableAfter is how long all tries must have failed until the endpoint is
	// disabled; 0 never does.
	DisableAfter time.Duration
	// SkipDisabled drops events while the endpoint is disabled; otherwise the
	// pipe waits.
	SkipDisabled bool
	// KeepDelivered and KeepFailed are how many deliveries that came to their end
	// are kept, or a tenth more; Most is how many may be pending.
	KeepDelivered, KeepFailed, Most int
	// KeepBytes is how much of an answer's body is kept.
	KeepBytes int
}

// Target is what a request is made of that may be secret.
type Target struct {
	URL    string
	Header http.Header
	// Masked are the names of headers whose values nobody may see.
	Masked []string
	// Keys are those of the scheme, BesideKeys those of the one beside it.
	Keys, BesideKeys Keys
	// Redact takes all secrets out of a text, Address out of an address.
	Redact, Address func(s string) string
}

const (
	// longestAnswer is how much of an answer is read.
	longestAnswer = 128 << 10
	// longestHeader is how much of a header is kept, mostHeaders how many.
	longestHeader, mostHeaders = 1 << 10, 64
	mask                       = "***"
)

// send makes one try. The attempt has no Error if it was a success.
func (e *Endpoint) send(ctx context.Context, d *Delivery, now func() time.Time) Attempt {
	d.Made++
	a := Attempt{N: d.Made, At: now(), Method: e.Method, Manual: d.Manual}
	t, err := e.Target(a.At)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	e.exchange(ctx, d, t, &a, now)
	a.Took = now().Sub(a.At)
	a.Error = t.Redact(a.Error)
	return a
}

// exchange sends the request and notes in the attempt what came of it.
func (e *Endpoint) exchange(ctx context.Context, d *Delivery, t *Target, a *Attempt, now func() time.Time) {
	q, err := e.request(ctx, d, t, a.At)
	a.URL = t.Address(t.URL)
	if err != nil {
		a.Error = err.Error()
		return
	}
	a.Request = shown(q.Header, t)
	if err := e.Consent.ask(ctx, e, t, a.At); err != nil {
		e.noAnswer(ctx, a, err)
		return
	}
	q = q.WithContext(httptrace.WithClientTrace(q.Context(), &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) { a.Remote = c.Conn.RemoteAddr().String() }}))
	client := &http.Client{Transport: e.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Do(q)
	if err != nil {
		e.noAnswer(ctx, a, err)
		return
	}
	defer r.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(r.Body, longestAnswer+1))
	a.Status, a.Response = r.StatusCode, shown(r.Header, t)
	a.Truncated = len(body) > e.KeepBytes
	a.Body = t.Redact(strings.ToValidUTF8(string(body), "\uFFFD"))
	if len(a.Body) > e.KeepBytes {
		a.Body = strings.ToValidUTF8(a.Body[:e.KeepBytes], "")
	}
	a.retryAfter = retryAfter(r.Header, now())
	switch {
	case r.StatusCode/100 == 3:
		a.Error = fmt.Sprintf("it answered %s, and redirects are not followed", statusText(r.StatusCode))
	case r.StatusCode/100 != 2:
		a.Error = "it answered " + statusText(r.StatusCode)
	case readErr != nil && ctx.Err() != nil:
		e.noAnswer(ctx, a, readErr)
	}
}

func statusText(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// request makes the request of a try. The sender's own headers go before those
// of the configuration, which may not have them.
func (e *Endpoint) request(ctx context.Context, d *Delivery, t *Target, now time.Time) (*http.Request, error) {
	var content io.Reader
	if e.HasBody() {
		content = strings.NewReader(d.Body)
	}
	q, err := http.NewRequestWithContext(ctx, e.Method, t.URL, content)
	if err != nil || q.URL.Host == "" || q.URL.Scheme != "http" && q.URL.Scheme != "https" {
		return nil, errors.New("the endpoint's url is not a valid address")
	}
	q.URL.RawQuery = urlquery.Escape(q.URL.RawQuery)
	q.Header = http.Header{"User-Agent": {"sluice"}}
	maps.Copy(q.Header, t.Header)
	maps.Copy(q.Header, d.Header)
	if e.HasBody() {
		q.Header.Set("Content-Type", e.ContentType)
	}
	if e.IDHeader != "" {
		q.Header.Set(e.IDHeader, d.ID)
	}
	if e.AttemptHeader != "" {
		q.Header.Set(e.AttemptHeader, strconv.Itoa(d.Made))
	}
	m := &Message{ID: d.ID, Time: now, Body: []byte(d.Body)}
	return q, errors.Join(sign(q.Header, e.Scheme, m, t.Keys), sign(q.Header, e.Beside, m, t.BesideKeys))
}

// HasBody tells whether requests have one.
func (e *Endpoint) HasBody() bool { return e.Method != http.MethodGet }

// sign adds the proof of a scheme to the headers, if there is one.
func sign(h http.Header, s Scheme, m *Message, keys Keys) error {
	if s == nil {
		return nil
	}
	proof, err := s.Sign(m, keys)
	if err != nil {
		return fmt.Errorf("it cannot be signed: %w", err)
	}
	maps.Copy(h, proof)
	return nil
}

// noAnswer says why there was no answer, without the address that net/http
// puts before it.
func (e *Endpoint) noAnswer(ctx context.Context, a *Attempt, err error) {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	var blocked interface{ Blocked() bool }
	a.Blocked = errors.As(err, &blocked) && blocked.Blocked()
	if a.timeout = errors.Is(ctx.Err(), context.DeadlineExceeded); a.timeout {
		a.Error = fmt.Sprintf("it did not answer within %s", e.Timeout)
		return
	}
	a.Error = err.Error()
}

// shown are headers as anybody may see them.
func shown(h http.Header, t *Target) http.Header {
	out := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(out) == mostHeaders {
			break
		}
		value := strings.Join(h[name], ", ")
		switch {
		case SecretHeader(name) || slices.Contains(t.Masked, name):
			value = mask
		case len(value) > longestHeader:
			value = t.Redact(value)
			value = value[:min(len(value), longestHeader)] + "…"
		default:
			value = t.Redact(value)
		}
		out[t.Redact(name)] = []string{strings.ToValidUTF8(value, "\uFFFD")}
	}
	return out
}

// SecretHeader tells headers that, by their names, let whoever reads them act for
// somebody. Signatures are none: they are worth nothing without their message.
func SecretHeader(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
