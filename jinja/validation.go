package jinja

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/entity"
)

// Request is what a validation expression judges: the variables url,
// request_params, request_headers and request_body.
type Request struct {
	URL     string
	Params  url.Values
	Headers http.Header
	Body    []byte // the raw bytes, already bounded by the receiver
}

// SecretFunc returns a secret by its name.
type SecretFunc func(ctx context.Context, name string) (string, error)

// Validation is a compiled validation_expression. It may be asked by several
// goroutines at once.
type Validation struct {
	t    *Template
	pool sync.Pool // of inquiries
}

// inquiry is the memory of one question, which serves again.
type inquiry struct {
	vars requestVars
	host Host
}

// CompileValidation compiles a validation_expression. It is strict about
// undefined names whatever the options say, and has StdSet besides the
// options' own sets. The error is an [*Error].
func CompileValidation(source string, o Options) (*Validation, error) {
	o.Undefined, o.guard = Strict, true
	o.Sets = append([]Set{StdSet()}, o.Sets...)
	o.Limits.Output = or(o.Limits.Output, 64<<10)
	t, err := Compile(source, o)
	if err != nil {
		return nil, err
	}
	return &Validation{t: t}, nil
}

// Check judges a request. Only the empty text accepts; text is what to answer
// when it does not. Anything out of order refuses: an error, something
// undefined, a limit, a panic, an empty secret, an answer that would show a
// secret. err is for the operator, never for the caller.
func (v *Validation) Check(ctx context.Context, r Request, secret SecretFunc) (ok bool, text string, err error) {
	q, _ := v.pool.Get().(*inquiry)
	if q == nil {
		q = new(inquiry)
	}
	q.vars.of(r)
	if v.t.opt.Host != nil {
		q.host = *v.t.opt.Host
	}
	if secret != nil {
		q.host.Secret = secret
	}
	text, err = v.t.RenderWith(ctx, &q.vars, &q.host)
	*q = inquiry{}
	v.pool.Put(q)
	return err == nil && text == "", text, err
}

// requestVars are the variables; the body is copied only if it is asked for.
type requestVars struct {
	url             string
	headers, params host
	raw             []byte
	body            Value // a copy of it
	read            bool  // there is one
	lends           bool  // to somebody who only looks at it
}

func (v *requestVars) of(r Request) {
	v.url, v.raw = r.URL, r.Body
	v.headers.m, v.params.m = Headers(r.Headers), Params(r.Params)
}

func (v *requestVars) Lookup(name string) (Value, bool) {
	switch name {
	case "url":
		return Str(v.url), true
	case "request_params":
		return Value{k: kMap, o: &v.params}, true
	case "request_headers":
		return Value{k: kMap, o: &v.headers}, true
	case "request_body":
		return v.text(), true
	}
	return Value{}, false
}

// text is the body: without a copy for those who only look at it, since its memory
// is the caller's, who uses it again.
func (v *requestVars) text() Value {
	if v.lends && !v.read {
		return Value{k: kBytes, s: entity.StringIn(v.raw)}
	}
	if !v.read {
		v.body, v.read = Bytes(v.raw), true
	}
	return v.body
}

// Names lists the variables for suggestions.
func (*requestVars) Names() []string {
	return []string{"url", "request_params", "request_headers", "request_body"}
}

// Headers is a mapping of HTTP headers that knows no case. Of a header that
// came several times it gives all values, joined by ", ".
type Headers http.Header

// Get returns a header's value.
func (h Headers) Get(key string) (Value, bool) {
	vals, ok := h[http.CanonicalHeaderKey(key)]
	if !ok {
		for k, v := range h {
			if strings.EqualFold(k, key) {
				vals, ok = v, true
			}
		}
	}
	if !ok || len(vals) == 0 {
		return Value{}, false
	}
	return Str(strings.Join(vals, ", ")), true
}

// Keys lists the headers, sorted.
func (h Headers) Keys() []string { return slices.Sorted(maps.Keys(h)) }

// Params is a mapping of query parameters: text, or a list of texts where one
// came several times.
type Params url.Values

// Get returns a parameter.
func (p Params) Get(key string) (Value, bool) {
	vals := p[key]
	if len(vals) == 0 {
		return Value{}, false
	}
	if len(vals) == 1 {
		return Str(vals[0]), true
	}
	items := make([]Value, len(vals))
	for i, v := range vals {
		items[i] = Str(v)
	}
	return List(items...), true
}

// Keys lists the parameters, sorted.
func (p Params) Keys() []string { return slices.Sorted(maps.Keys(p)) }
