package jinja

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Rule ids of the findings of [Validation.Probe].
const (
	RuleAcceptsUnsigned = "auth/accepts-unsigned"
)

// Probe tells whether the expression would let in a request that nobody with
// a secret has made. It renders the expression with made-up secrets against
// forged requests, and learns from every comparison with something that is no
// secret what to forge next. The finding says which request got in.
func (v *Validation) Probe(ctx context.Context) (diag.Finding, bool) {
	if !v.readsRequest() {
		return v.finding("it does not look at the request, so everybody is treated alike"), true
	}
	for _, world := range []func(string) string{plainSecret, whsecSecret} {
		p := newProber(v, world)
		if got, ok := p.search(ctx); ok {
			return v.finding("it accepts " + got), true
		}
	}
	return diag.Finding{}, false
}

func (v *Validation) readsRequest() bool {
	for _, n := range []string{"url", "request_params", "request_headers", "request_body", "standard_webhook", "stripe_signature"} {
		if v.t.UsesName(n) {
			return true
		}
	}
	return false
}

func (v *Validation) finding(what string) diag.Finding {
	f := diag.Finding{
		Rule: RuleAcceptsUnsigned, Severity: diag.Error,
		Message: "the validation_expression lets in requests that nobody signed: " + what,
		Help:    "accept only after a comparison with a secret or with a digest made with one, e.g. {{ '' if request_headers['X-Auth'] == secret('webhook_secret') else 'refused' }}",
	}
	if v.t.opt.Pos != nil {
		file, line, col := v.t.opt.Pos(0)
		f.Span = jsonpos.Span{File: file, Start: jsonpos.Pos{Line: line, Col: col}, End: jsonpos.Pos{Line: line, Col: col}}
	}
	return f
}

// place is a part of a request that an attacker chooses.
type place struct {
	in   string // "header", "parameter", "body" or "url"
	name string
}

// forgery is a request an attacker makes; a place that is not in it is absent.
type forgery map[place]string

func (f forgery) with(p place, s string) forgery {
	f = maps.Clone(f)
	f[p] = s
	return f
}

// places are in order, so that a probe finds the same each time.
func (f forgery) places() []place { return sortedPlaces(slices.Collect(maps.Keys(f))) }

func sortedPlaces(places []place) []place {
	slices.SortFunc(places, func(a, b place) int { return strings.Compare(a.in+a.name, b.in+b.name) })
	return places
}

// prober searches for a forgery that gets in.
type prober struct {
	v       *Validation
	host    *Host
	values  []string
	now     forgery          // what is being tried
	odd     map[string]Value // variables of wrong types, instead of now's
	asked   map[place]bool   // what the expression has ever asked for
	learned []forgery        // what comparisons suggest, for this try
	missed  []place          // what this try was asked for and did not have
	seen    map[string]bool
	steps   int // left for all tries
	last    int // allowance of the current try
}

func newProber(v *Validation, secret func(string) string) *prober {
	p := &prober{v: v, asked: map[place]bool{}, seen: map[string]bool{}, steps: 10_000_000}
	h := Host{}
	if v.t.opt.Host != nil {
		h = *v.t.opt.Host
	}
	env := h.Env
	h.Secret = func(_ context.Context, name string) (string, error) { return secret(name), nil }
	h.JWKS = func(context.Context, string) ([]byte, error) { return nil, errors.New("no key sets in a probe") }
	h.Env = func(name string) (Value, error) { return probeEnv(env, name), nil }
	p.host = &h
	p.values = forgedValues(v.t.words, secret("webhook_secret"), h.now())
	return p
}

// probeEnv is the real variable, but no comparison teaches what is in it.
func probeEnv(env func(string) (Value, error), name string) Value {
	if env != nil {
		if v, err := env(name); err == nil {
			if v.isText() {
				v.f |= flagSecret
			}
			return v
		}
	}
	return Secret("made-up variable " + name)
}

// allowance is what one try may spend.
func (p *prober) allowance() int {
	p.last = min(p.steps, 100_000)
	return p.last
}

func (p *prober) spent(left int) { p.steps -= p.last - left }

// search tries blunt forgeries first, then follows what it learned.
func (p *prober) search(ctx context.Context) (string, bool) {
	queue := p.blunt(ctx)
	for len(queue) > 0 {
		f := queue[0]
		queue = queue[1:]
		key := f.describe()
		if p.seen[key] || len(p.seen) > maxTries {
			continue
		}
		p.seen[key] = true
		known := len(p.asked)
		if p.try(ctx, f) {
			return key, true
		}
		// What a comparison taught is worth more than the next guess.
		queue = append(p.next(f), queue...)
		if len(p.asked) > known {
			queue = append(queue, p.blunt(ctx)...)
		}
		if ctx.Err() != nil || p.steps <= 0 {
			break
		}
	}
	return p.oddities(ctx)
}

const maxTries = 4000

// blunt gives all places asked for so far the same value, then one at a time.
func (p *prober) blunt(ctx context.Context) []forgery {
	if len(p.asked) == 0 {
		p.try(ctx, forgery{})
	}
	places := sortedPlaces(slices.Collect(maps.Keys(p.asked)))
	out := []forgery{{}}
	for _, v := range p.values {
		all := forgery{}
		for _, at := range places {
			all[at] = v
		}
		out = append(out, all)
	}
	for _, at := range places {
		others := forgery{}
		for _, o := range places {
			others[o] = "x"
		}
		for _, v := range p.values {
			out = append(out, forgery{at: v}, others.with(at, v))
		}
	}
	return out
}

// try tells whether the forgery gets in.
func (p *prober) try(ctx context.Context, f forgery) bool {
	p.now, p.learned, p.missed = f, nil, nil
	text, err := p.v.t.render(ctx, p, p.host, p)
	return err == nil && text == ""
}

// oddities are requests whose parts are missing or of the wrong kind.
func (p *prober) oddities(ctx context.Context) (string, bool) {
	for _, v := range []Value{{}, Str(""), Int(0), List(), Dict(), Bool(true), Bytes(nil)} {
		for _, name := range (*requestVars)(nil).Names() {
			p.odd = map[string]Value{name: v}
			if p.try(ctx, forgery{}) {
				p.odd = nil
				return "a request whose " + name + " is " + v.typeName(), true
			}
		}
	}
	p.odd = nil
	return "", false
}

// Lookup makes the prober the variables of the render.
func (p *prober) Lookup(name string) (Value, bool) {
	if v, ok := p.odd[name]; ok {
		return v, true
	}
	switch name {
	case "url":
		return Str(p.given(place{"url", ""}, "https://node.example/api/receivers/pipe/entities")), true
	case "request_body":
		return Bytes([]byte(p.given(place{"body", ""}, ""))), true
	case "request_headers":
		return Map(forgedPart{p, "header"}), true
	case "request_params":
		return Map(forgedPart{p, "parameter"}), true
	}
	return Value{}, false
}

func (p *prober) given(at place, otherwise string) string {
	p.asked[at] = true
	if s, ok := p.now[at]; ok {
		return s
	}
	p.missed = append(p.missed, at)
	return otherwise
}

// usualHeaders are in every request.
var usualHeaders = map[string]string{
	"host": "node.example", "user-agent": "probe", "accept": "*/*", "accept-encoding": "gzip",
	"content-type": "application/json", "content-length": "7",
}

// forgedPart are the headers or parameters of a forgery.
type forgedPart struct {
	p  *prober
	in string
}

// Get notes that the expression asked for key.
func (f forgedPart) Get(key string) (Value, bool) {
	if f.in == "header" {
		key = strings.ToLower(key)
	}
	at := place{f.in, key}
	if len(f.p.asked) < 12 || f.p.asked[at] {
		f.p.asked[at] = true
	}
	if s, ok := f.p.now[at]; ok {
		return Str(s), true
	}
	if len(f.p.missed) < 12 {
		f.p.missed = append(f.p.missed, at)
	}
	if f.in == "header" {
		s, ok := usualHeaders[key]
		return Str(s), ok
	}
	return Value{}, false
}

// Keys lists what the forgery has.
func (f forgedPart) Keys() []string {
	var keys []string
	for at := range f.p.now {
		if at.in == f.in {
			keys = append(keys, at.name)
		}
	}
	if f.in == "header" {
		for k := range usualHeaders {
			if _, ok := f.p.now[place{"header", k}]; !ok {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	return keys
}
