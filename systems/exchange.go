package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// defaultMaxResponse bounds a response's body unless Env says otherwise.
const defaultMaxResponse = 128 << 20

const maxRedirects = 10

// request is one rendered HTTP request.
type request struct {
	method string
	url    string
	header http.Header
	body   []byte
}

// response is what came back, read to its end.
type response struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends a request, again while the server says 429 and retries are
// left.
func (r *REST) exchange(ctx context.Context, k *keyring, q *request, rate rateLimit) (*response, error) {
	for left := rate.retries; ; left-- {
		res, err := r.once(ctx, k, q)
		if err != nil || res.status != http.StatusTooManyRequests || left <= 0 {
			return res, err
		}
		if err := r.env.Sleep(ctx, rate.delay); err != nil {
			return nil, err
		}
	}
}

// once sends a request a single time, within the system's limits of calls at
// once, of time and of size.
func (r *REST) once(ctx context.Context, k *keyring, q *request) (*response, error) {
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	defer r.leave()
	limited, cancel := context.WithTimeout(ctx, r.connectTimeout+r.readTimeout)
	defer cancel()
	hq, err := http.NewRequestWithContext(limited, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, errAddress
	}
	hq.Header = q.header
	if len(q.body) == 0 {
		hq.Body, hq.GetBody = http.NoBody, nil
	}
	hs, err := r.client(q).Do(hq)
	if err != nil {
		return nil, r.callError(ctx, k, err)
	}
	defer hs.Body.Close()
	return r.receive(ctx, k, hs)
}

func (r *REST) receive(ctx context.Context, k *keyring, hs *http.Response) (*response, error) {
	body, err := io.ReadAll(io.LimitReader(hs.Body, r.maxResponse+1))
	if err != nil {
		return nil, r.callError(ctx, k, err)
	}
	if int64(len(body)) > r.maxResponse {
		return nil, fmt.Errorf("the response is larger than %d bytes", r.maxResponse)
	}
	return &response{hs.StatusCode, hs.Header, body}, nil
}

// client follows redirects. Another host gets nothing that may be secret.
func (r *REST) client(q *request) *http.Client {
	return &http.Client{Transport: r.transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return fmt.Errorf("it redirects more than %d times", maxRedirects)
		}
		// After 303 the request has been dealt with; after these two nobody has.
		if s := next.Response.StatusCode; next.Method != via[len(via)-1].Method && (s == http.StatusMovedPermanently || s == http.StatusFound) {
			to := url.URL{Scheme: next.URL.Scheme, Host: next.URL.Host, Path: next.URL.Path}
			return fmt.Errorf("it answers %d and redirects to %s, where only a %s would arrive: give the system that address", s, to.String(), next.Method)
		}
		if sameHost(q.url, next.URL.String()) {
			return nil
		}
		next.Header = openHeaders(next.Header)
		if next.Body != nil && next.Body != http.NoBody {
			return errors.New("it redirects to another host, which would get the payload")
		}
		return nil
	}}
}

// openHeaders keeps the headers that cannot identify us to a stranger.
func openHeaders(h http.Header) http.Header {
	open := http.Header{}
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "User-Agent"} {
		if v := h.Values(name); v != nil {
			open[name] = v
		}
	}
	return open
}

// callError says why a call failed, without the address that net/http puts
// before it.
func (r *REST) callError(ctx context.Context, k *keyring, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var blocked *BlockedError
	if errors.As(err, &blocked) {
		return blocked
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &CallError{Text: fmt.Sprintf("no complete response within %s", r.connectTimeout+r.readTimeout), cause: err}
	}
	return &CallError{Text: k.redact(err.Error()), cause: err}
}

// CallError is a call that got no response.
type CallError struct {
	Text  string
	cause error
}

// Error returns what went wrong, without secrets.
func (e *CallError) Error() string { return e.Text }

// Unwrap returns the cause, whose text may hold secrets.
func (e *CallError) Unwrap() error { return e.cause }

// StatusError is a response with a status that was not allowed.
type StatusError struct {
	System      string
	Operation   string // "" if it was called by address
	Method, URL string // without secrets
	Status      int
	Snippet     string // the beginning of the body, without secrets
}

// Error returns operation, request, status and what the server said.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("system %q", e.System)
	if e.Operation != "" {
		s += fmt.Sprintf(", operation %q", e.Operation)
	}
	s += fmt.Sprintf(": %s %s answered %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	s = strings.TrimSuffix(s, " ")
	if e.Snippet != "" {
		s += ": " + e.Snippet
	}
	return s
}

const snippetLen = 300

// snippet is the beginning of a body on one line.
func snippet(k *keyring, body []byte) string {
	s := k.redact(strings.ToValidUTF8(string(body[:min(len(body), 64<<10)]), "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > snippetLen {
		s = strings.ToValidUTF8(s[:snippetLen], "") + "…"
	}
	return s
}

// rateLimit says how often and after how long a 429 is tried again.
type rateLimit struct {
	retries int
	delay   time.Duration
}

// enter waits until a call may begin; leave ends it.
func (r *REST) enter(ctx context.Context) error {
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *REST) leave() { <-r.slots }
