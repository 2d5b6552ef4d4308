package systems

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/jinja"
)

// rendered is a request as templates see it, and as it is compared with the
// one before.
type rendered struct {
	url     string       // without params
	params  entity.Value // Dict with native types
	headers entity.Value // Dict of texts, without authentication
	payload entity.Value
	sends   bool // there is a payload
	foreign bool // leaves the host of the first page
}

func (q *rendered) equal(p *rendered) bool {
	return q.url == p.url && q.sends == p.sends && same(q.params, p.params) &&
		same(q.headers, p.headers) && same(q.payload, p.payload)
}

// same compares by the wire form: 1 and 1.0 are different requests.
func same(a, b entity.Value) bool { return bytes.Equal(appendWire(nil, a), appendWire(nil, b)) }

// scope answers the names of a template: the named variables, then the
// properties of the entity in hand.
type scope struct {
	named jinja.VarMap
	bare  entity.Value
}

// Lookup implements jinja.Vars.
func (s scope) Lookup(name string) (jinja.Value, bool) {
	if v, ok := s.named[name]; ok {
		return v, true
	}
	if v, ok := s.bare.Get(name); ok {
		return jinja.FromEntity(v), true
	}
	return jinja.Value{}, false
}

// vars are the variables every template of the next request has.
func (s *session) vars() jinja.VarMap {
	v := maps.Clone(s.base)
	v["page"] = jinja.Int(int64(s.page))
	v["is_first_page"] = jinja.Bool(s.page == 0)
	if s.last != nil {
		v["previous_body"] = jinja.FromEntity(s.last.body)
		v["previous_request_headers"] = headerVar(s.last.req.headers)
		v["previous_params"] = jinja.FromEntity(s.last.req.params)
		v["previous_headers"] = responseHeaderVar(s.last.res.header)
	}
	return v
}

// render makes the request of the current page: url, headers, params and
// payload in this order, each seeing what came before.
func (s *session) render(ctx context.Context) (*rendered, error) {
	v := s.vars()
	w := &rendering{ctx: ctx, vars: scope{v, s.c.Entity}, host: s.host}
	q := &rendered{params: entity.NewDict(), headers: entity.NewDict()}
	if err := s.renderURL(q, w); err != nil {
		return nil, err
	}
	v["url"] = jinja.Str(q.url)
	steps := []func(*rendered, *rendering, jinja.VarMap) error{s.renderHeaders, s.renderParams}
	if s.op.paramsFirst {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range append(steps, s.renderPayload) {
		if err := step(q, w, v); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (s *session) renderURL(q *rendered, w *rendering) error {
	if s.page > 0 {
		q.url = s.next
		q.foreign = !sameHost(s.first, s.next)
		return nil
	}
	rel, err := s.op.url.render(w.ctx, w.vars, w.host)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	q.url, err = s.r.address.resolve(rel, s.keys)
	s.first = q.url
	return err
}

// renderHeaders puts the operation's headers over the system's.
func (s *session) renderHeaders(q *rendered, w *rendering, v jinja.VarMap) error {
	all := newHeaders()
	own := s.r.headers
	if s.bare {
		own = withoutToken(own)
	}
	for _, t := range []*tree{own, s.op.headers} {
		d, skip, err := w.value(t)
		if err != nil {
			return fmt.Errorf("headers: %w", err)
		}
		if !skip {
			all.merge(d)
		}
	}
	if s.sinceAt("header") {
		all.set(s.set.sinceName, s.c.Since)
	}
	q.headers = all.value()
	v["headers"] = headerVar(q.headers)
	v["request_headers"] = v["headers"]
	return nil
}

func (s *session) renderParams(q *rendered, w *rendering, v jinja.VarMap) error {
	d, skip, err := w.value(s.op.params)
	if err != nil {
		return fmt.Errorf("params: %w", err)
	}
	if !skip && d.Kind() == entity.Dict {
		q.params = d
	}
	if s.sinceAt("query") {
		q.params = With(q.params, entity.Member{Key: s.set.sinceName, Value: entity.NewString(s.c.Since)})
	}
	v["params"] = jinja.FromEntity(q.params)
	v["request_params"] = v["params"]
	return nil
}

// sinceAt tells whether the continuation is put at location by itself.
func (s *session) sinceAt(location string) bool {
	return s.c.Continues && s.c.Since != "" && s.set.sinceLocation == location &&
		!s.op.url.uses("since", s.set.sinceName)
}

// renderPayload takes the entity's payload as it is; those of the
// configuration are templates.
func (s *session) renderPayload(q *rendered, w *rendering, _ jinja.VarMap) error {
	if p, ok := s.c.Entity.Get("payload"); ok {
		q.payload, q.sends = p, !p.IsNull()
		return nil
	}
	v, skip, err := w.value(s.set.payload)
	if err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	q.payload, q.sends = v, !skip && !v.IsNull()
	return nil
}

// With returns a copy of the dict, on the heap, with members set.
func With(d entity.Value, members ...entity.Member) entity.Value {
	if len(members) == 0 {
		return d
	}
	var arena *entity.Arena
	o := arena.NewObject(d.Len() + len(members))
	for _, m := range d.Object().Members() {
		o.Set(m.Key, m.Value)
	}
	for _, m := range members {
		o.Set(m.Key, m.Value)
	}
	return o.Value()
}

// Outward is an entity as others are told of it: it says whether it is deleted. Many
// services look at that without asking whether it is there.
func Outward(e entity.Value) entity.Value {
	if _, said := e.Get(entity.DeletedKey); said || e.Kind() != entity.Dict {
		return e
	}
	return With(e, entity.Member{Key: entity.DeletedKey, Value: entity.NewBool(false)})
}

// request turns what was rendered into bytes to send.
func (s *session) request(ctx context.Context, q *rendered, stale string) (*request, error) {
	address, err := withParams(q.url, s.pageParams(q))
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, m := range q.headers.Object().Members() {
		header.Set(m.Key, m.Value.Text())
	}
	if !q.foreign {
		if err := s.authenticate(ctx, header, stale); err != nil {
			return nil, err
		}
	}
	body, contentType, err := s.encodePayload(q, header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	if q.foreign {
		header = openHeaders(header)
		if s.keys.knows([]string{string(body)}) {
			return nil, errors.New("next_page_link leads to another host, which would get a secret with the payload")
		}
	}
	for _, h := range [][2]string{{"User-Agent", "sluice"}, {"Accept", "*/*"}} {
		if header.Get(h[0]) == "" {
			header.Set(h[0], h[1])
		}
	}
	return &request{s.op.method, address, header, body}, nil
}

// pageParams are the parameters to set. On later pages the link's own query
// goes before a parameter that has not changed since the page before: only
// parameters that count pages themselves do change.
func (s *session) pageParams(q *rendered) []param {
	var ps []param
	for _, m := range q.params.Object().Members() {
		values := paramValues(m.Value)
		if q.foreign && s.keys.knows(values) || s.page > 0 && s.linkDecides(q, m) {
			continue
		}
		ps = append(ps, param{m.Key, values})
	}
	return ps
}

func (s *session) linkDecides(q *rendered, m entity.Member) bool {
	before, ok := s.last.req.params.Get(m.Key)
	return ok && same(before, m.Value) && hasParam(q.url, m.Key)
}

// authenticate sets the Authorization header. stale is an oauth2 token that
// was just refused.
func (s *session) authenticate(ctx context.Context, h http.Header, stale string) (err error) {
	a := s.r.auth
	if s.r.oauth != nil {
		s.used, err = s.r.oauth.token(ctx, s.keys, stale)
		h.Set("Authorization", "Bearer "+s.used)
		return err
	}
	switch a.kind {
	case "basic":
		if a.username, err = s.keys.expand(a.username); err != nil {
			return fmt.Errorf("username: %w", err)
		}
		if a.password, err = s.keys.expand(a.password); err != nil {
			return fmt.Errorf("password: %w", err)
		}
		basicAuth(h, s.keys, a.username, a.password)
	case "jwt":
		if a.token, err = s.keys.expand(a.token); err != nil {
			return fmt.Errorf("jwt_token: %w", err)
		}
		h.Set("Authorization", "Bearer "+a.token)
	}
	return nil
}

func basicAuth(h http.Header, k *keyring, user, pass string) {
	token := base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
	k.hide(token)
	h.Set("Authorization", "Basic "+token)
}

// headers gathers headers by name, whatever the case; the last one counts.
type headers struct{ o *entity.Object }

func newHeaders() headers {
	var arena *entity.Arena
	return headers{arena.NewObject(4)}
}

func (h headers) set(name, value string) {
	h.o.Set(textproto.CanonicalMIMEHeaderKey(name), entity.NewString(value))
}

func (h headers) merge(d entity.Value) {
	for _, m := range d.Object().Members() {
		if !m.Value.IsNull() {
			h.set(m.Key, plainText(m.Value))
		}
	}
}

func (h headers) value() entity.Value { return h.o.Value() }
