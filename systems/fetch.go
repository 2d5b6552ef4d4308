package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/jinja"
)

// Fetch is a plain request by address, as components without operations make.
type Fetch struct {
	Method string // "" is GET
	URL    string // absolute, or relative to the system's
	Params map[string]string
	Header map[string]string // over the system's
	Body   []byte
}

// Response is what a Fetch got, its body still to be read. It holds one of the
// system's slots until it is closed.
type Response struct {
	Status int
	Header http.Header
	// Body ends with an error if nothing more comes within the system's
	// read_timeout, or if the server breaks off.
	Body io.ReadCloser
}

// Open sends a request and hands over the body as it comes, however long it is.
// A status other than 200-299 is a *StatusError. Errors show no secret.
func (r *REST) Open(ctx context.Context, f Fetch) (*Response, error) {
	if f.Method == "" {
		f.Method = http.MethodGet
	}
	s := &session{r: r, op: &Operation{method: f.Method}, base: jinja.VarMap{}, keys: &keyring{find: r.env.Secret}}
	s.host = r.hostOf(s.keys)
	res, err := s.open(ctx, f)
	var status *StatusError
	if err == nil || errors.As(err, &status) {
		return res, err
	}
	return nil, &FetchError{System: r.env.ID, text: s.keys.redact(err.Error()), cause: err}
}

// Within tells whether an address, absolute or relative to the system's, stays on
// the system's host: only there may its secrets be sent.
func (r *REST) Within(rel string) bool {
	k := &keyring{find: r.env.Secret}
	own, err := r.address.resolve("", k)
	if err != nil {
		return false
	}
	to, err := r.address.resolve(rel, k)
	return err == nil && sameHost(own, to)
}

// FetchError is any failure of a Fetch but a status.
type FetchError struct {
	System string
	text   string
	cause  error
}

// Error names the system and says what went wrong, without secrets.
func (e *FetchError) Error() string { return fmt.Sprintf("system %q: %s", e.System, e.text) }

// Unwrap returns the cause, whose text may hold secrets.
func (e *FetchError) Unwrap() error { return e.cause }

// open sends the request again while the server says 429 and retries are left,
// and once more with a new token if one was refused.
func (s *session) open(ctx context.Context, f Fetch) (*Response, error) {
	rate, stale := s.r.set.rate(), ""
	for {
		q, err := s.fetch(ctx, f, stale)
		if err != nil {
			return nil, err
		}
		res, err := s.begin(ctx, q)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s %s: %w", q.method, s.keys.redactURL(q.url), err)
		case res.Status == http.StatusUnauthorized && s.used != "" && stale == "":
			stale = s.used
		case res.Status == http.StatusTooManyRequests && rate.retries > 0:
			rate.retries--
			if err := s.r.env.Sleep(ctx, rate.delay); err != nil {
				return nil, errors.Join(err, res.Body.Close())
			}
		case !okStatus().Has(res.Status):
			return nil, s.refused(q, res)
		default:
			return res, nil
		}
		if err := res.Body.Close(); err != nil {
			return nil, err
		}
	}
}

// fetch makes the request: the system's headers and who it is, and what the
// component says over them.
func (s *session) fetch(ctx context.Context, f Fetch, stale string) (*request, error) {
	s.used = ""
	if s.r.custom != nil {
		vars, used, err := s.r.custom.token(ctx, s.keys, stale)
		if err != nil {
			return nil, err
		}
		s.base, s.used = vars, used
	}
	address, err := s.r.address.resolve(f.URL, s.keys)
	if err != nil {
		return nil, err
	}
	var params []param
	for _, name := range slices.Sorted(maps.Keys(f.Params)) {
		params = append(params, param{name, []string{f.Params[name]}})
	}
	if address, err = withParams(address, params); err != nil {
		return nil, err
	}
	header, err := s.fetchHeader(ctx, f, stale)
	return &request{f.Method, address, header, f.Body}, err
}

func (s *session) fetchHeader(ctx context.Context, f Fetch, stale string) (http.Header, error) {
	w := &rendering{ctx: ctx, vars: scope{s.base, entity.Value{}}, host: s.host}
	own, skip, err := w.value(s.r.headers)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	header := http.Header{"User-Agent": {"sluice"}, "Accept": {"*/*"}}
	if !skip {
		for _, m := range own.Object().Members() {
			header.Set(m.Key, plainText(m.Value))
		}
	}
	if err := s.authenticate(ctx, header, stale); err != nil {
		return nil, err
	}
	for name, value := range f.Header {
		header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	return header, nil
}

// begin sends a request and returns when the response's header is there.
func (s *session) begin(ctx context.Context, q *request) (*Response, error) {
	r := s.r
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	limited, cancel := context.WithCancelCause(ctx)
	idle := time.AfterFunc(r.connectTimeout+r.readTimeout, func() { cancel(errSilent) })
	body := &stream{s: s, ctx: limited, outer: ctx, idle: idle, end: sync.OnceFunc(func() {
		idle.Stop()
		cancel(nil)
		r.leave()
	})}
	hq, err := http.NewRequestWithContext(limited, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		body.end()
		return nil, errAddress
	}
	hq.Header = q.header
	hs, err := r.client(q).Do(hq)
	idle.Stop()
	if err != nil {
		err = body.explain(err)
		body.end()
		return nil, err
	}
	body.from = hs.Body
	return &Response{hs.StatusCode, hs.Header, body}, nil
}

// errSilent is a server that sends nothing for too long, errCut one that does
// not send all it promised.
var (
	errSilent = errors.New("nothing came within the read_timeout")
	errCut    = errors.New("the response broke off before its end")
)

// stream is a body that must not fall silent.
type stream struct {
	s          *session
	ctx, outer context.Context
	idle       *time.Timer
	from       io.ReadCloser
	end        func()
}

// Read implements io.Reader. How long its caller takes in between is nobody's
// silence.
func (b *stream) Read(p []byte) (int, error) {
	b.idle.Reset(b.s.r.readTimeout)
	n, err := b.from.Read(p)
	b.idle.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.explain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *stream) Close() error {
	err := b.from.Close()
	b.end()
	return err
}

func (b *stream) explain(err error) error {
	if b.outer.Err() == nil && errors.Is(context.Cause(b.ctx), errSilent) {
		return errSilent
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return b.s.r.callError(b.outer, b.s.keys, err)
}

// refused makes the error of a response whose status is none of success.
func (s *session) refused(q *request, res *Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		body = nil // the status says enough
	}
	return errors.Join(&StatusError{System: s.r.env.ID, Method: q.method, URL: s.keys.redactURL(q.url),
		Status: res.Status, Snippet: snippet(s.keys, body)}, res.Body.Close())
}

// HeaderMap reads `headers` whose names and values are plain strings, by their
// canonical names.
func HeaderMap(n *jsonpos.Node) (map[string]string, diag.List) {
	all := map[string]string{}
	var finds diag.List
	if n == nil {
		return all, nil
	}
	for _, m := range n.Members {
		value, ok := m.Value.Str()
		switch {
		case !ok:
			finds.Add(diag.Finding{Rule: "rest/header", Severity: diag.Error, Span: m.Value.Span,
				Message: fmt.Sprintf("the header %q must be a string, found a %s", m.Key, m.Value.Kind)})
		case !httpguts.ValidHeaderFieldName(m.Key) || !httpguts.ValidHeaderFieldValue(value):
			finds.Add(diag.Finding{Rule: "rest/header", Severity: diag.Error, Span: m.KeySpan,
				Message: fmt.Sprintf("%q cannot be sent as a header: its name or value has characters that headers may not have", m.Key)})
		}
		all[textproto.CanonicalMIMEHeaderKey(m.Key)] = value
	}
	return all, finds
}
