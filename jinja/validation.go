package jinja

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	t *Template
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
	return &Validation{t}, nil
}

// Check judges a request. Only the empty text accepts; text is what to answer
// when it does not. Anything out of order refuses: an error, something
// undefined, a limit, a panic, an empty secret, an answer that would show a
// secret. err is for the operator, never for the caller.
func (v *Validation) Check(ctx context.Context, r Request, secret SecretFunc) (ok bool, text string, err error) {
	var h Host
	if v.t.opt.Host != nil {
		h = *v.t.opt.Host
	}
	if secret != nil {
		h.Secret = secret
	}
	h.Secret = refuseEmpty(h.Secret)
	text, err = v.t.RenderWith(ctx, &requestVars{r: r}, &h)
	return err == nil && text == "", text, err
}

// refuseEmpty keeps a secret that was never set from matching an empty header.
func refuseEmpty(secret SecretFunc) SecretFunc {
	if secret == nil {
		return nil
	}
	return func(ctx context.Context, name string) (string, error) {
		s, err := secret(ctx, name)
		if err == nil && strings.TrimSpace(s) == "" {
			return "", errors.New("the secret \"" + clip(name) + "\" is empty")
		}
		return s, err
	}
}

// requestVars are the variables; the body is copied only if it is asked for.
type requestVars struct {
	r    Request
	body Value
	read bool
}

func (v *requestVars) Lookup(name string) (Value, bool) {
	switch name {
	case "url":
		return Str(v.r.URL), true
	case "request_params":
		return Map(Params(v.r.Params)), true
	case "request_headers":
		return Map(Headers(v.r.Headers)), true
	case "request_body":
		if !v.read {
			v.body, v.read = Bytes(v.r.Body), true
		}
		return v.body, true
	}
	return Value{}, false
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
