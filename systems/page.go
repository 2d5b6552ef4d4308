package systems

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/jinja"
)

// step makes one request. A nil page ends without one; more tells whether
// another follows.
func (s *session) step(ctx context.Context) (p *Page, more bool, err error) {
	q, hq, err := s.prepare(ctx, "")
	if err != nil {
		return nil, false, err
	}
	if s.page > 0 && s.op.endsOn(endSameRequest) && q.equal(s.last.req) {
		return nil, false, nil
	}
	res, err := s.r.exchange(ctx, s.keys, hq, s.set.rate())
	if err == nil && res.status == http.StatusUnauthorized && s.used != "" && !q.foreign {
		// A token may end before its time: once more with a new one.
		if q, hq, err = s.prepare(ctx, s.used); err != nil {
			return nil, false, err
		}
		res, err = s.r.exchange(ctx, s.keys, hq, s.set.rate())
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s %s: %w", hq.method, s.keys.redactURL(hq.url), err)
	}
	return s.answer(ctx, q, hq, res)
}

// prepare renders the request of the current page. stale is the token that
// was just refused.
func (s *session) prepare(ctx context.Context, stale string) (*rendered, *request, error) {
	s.used = ""
	if s.r.custom != nil && !s.bare {
		vars, used, err := s.r.custom.token(ctx, s.keys, stale)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(s.base, vars)
		s.used = used
	}
	q, err := s.render(ctx)
	if err != nil {
		return nil, nil, err
	}
	hq, err := s.request(ctx, q, stale)
	return q, hq, err
}

func (s *session) answer(ctx context.Context, q *rendered, hq *request, res *response) (*Page, bool, error) {
	ignored, err := s.judge(hq, res)
	if err != nil {
		return nil, false, err
	}
	if ignored || s.c.Discard {
		return &Page{Status: res.status, Ignored: ignored}, false, nil
	}
	if s.page > 0 && s.op.endsOn(endSameBody) && bytes.Equal(res.body, s.last.res.body) {
		return nil, false, nil
	}
	if err := s.circle(hq, res); err != nil {
		return nil, false, err
	}
	p, err := s.read(res)
	if err != nil {
		return nil, false, err
	}
	v := s.answerVars(q, res, p)
	if err := s.evaluate(ctx, p, v); err != nil {
		return nil, false, err
	}
	if s.op.endsOn(endEmptyResult) && isEmpty(p) {
		return firstOnly(p, s.page), false, nil
	}
	more, err := s.advance(ctx, q, p, v)
	s.last = &turn{q, res, p.Body}
	s.page++
	return p, more, err
}

// circle refuses a page that was there before in answer to the same request: its link
// leads where the one before did, without end. An address that hands out something
// else each time is none.
func (s *session) circle(hq *request, res *response) error {
	if s.op.next == nil || s.c.OnePage || len(res.body) == 0 {
		return nil
	}
	h := xxh3.New()
	for _, part := range [][]byte{[]byte(hq.method), []byte(hq.url), hq.body, res.body} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	sum := h.Sum128()
	if s.turns[sum] {
		return fmt.Errorf("page %d was there before, in answer to the same request: next_page_link leads in a circle, and nothing ends it", s.page+1)
	}
	if s.turns == nil {
		s.turns = map[xxh3.Uint128]bool{}
	}
	s.turns[sum] = true
	return nil
}

// firstOnly keeps an empty page only if it is all there is.
func firstOnly(p *Page, page int) *Page {
	if page > 0 {
		return nil
	}
	return p
}

// judge looks at the status.
func (s *session) judge(hq *request, res *response) (ignored bool, err error) {
	allowed := okStatus()
	if s.c.AnyStatus {
		allowed = s.set.allowed.orElse(allowed)
		ignored = s.set.ignored.Has(res.status)
	}
	if ignored || allowed.Has(res.status) {
		return ignored, nil
	}
	return false, &StatusError{
		System: s.r.env.ID, Operation: s.op.name, Method: hq.method, URL: s.keys.redactURL(hq.url),
		Status: res.status, Snippet: snippet(s.keys, res.body),
	}
}

// read makes a page of a response.
func (s *session) read(res *response) (*Page, error) {
	p := &Page{
		Blank: len(bytes.TrimSpace(res.body)) == 0, Partial: res.status == http.StatusPartialContent && s.op.next == nil,
		Status: res.status, Headers: headerDict(res.header),
		ResponseProperty: s.set.responseProperty,
		HeadersProperty:  s.set.headersProperty, StatusProperty: s.set.statusProperty,
	}
	p.ContentType, _, _ = mime.ParseMediaType(res.header.Get("Content-Type"))
	p.JSON = s.r.isJSON(p.ContentType)
	var err error
	if p.Body, err = s.r.body(res); err != nil {
		return nil, err
	}
	p.Result, p.Found = p.Body, true
	if p.JSON && s.set.payloadProperty != "" {
		p.Result, p.Found = pick(p.Body, s.set.payloadProperty)
	}
	return p, nil
}

// body is the response as value: JSON, else text, else bytes. Nothing at all
// is null where JSON was promised.
func (r *REST) body(res *response) (entity.Value, error) {
	kind, _, _ := mime.ParseMediaType(res.header.Get("Content-Type"))
	if !r.isJSON(kind) {
		return rawBody(res.body), nil
	}
	if len(bytes.TrimSpace(res.body)) == 0 {
		return entity.Value{}, nil
	}
	v, err := decodeWire(res.body)
	if err != nil {
		return v, fmt.Errorf("the response says it is %s, but cannot be read as JSON: %w", kind, err)
	}
	return v, nil
}

func (r *REST) isJSON(contentType string) bool {
	if strings.EqualFold(contentType, "application/json") {
		return true
	}
	for _, t := range r.contentTypes {
		if kind, _, err := mime.ParseMediaType(t); err == nil && strings.EqualFold(kind, contentType) {
			return true
		}
	}
	return false
}

// pick finds payload_property in a body: the property of that whole name, else
// along the dots.
func pick(body entity.Value, path string) (entity.Value, bool) {
	if v, ok := body.Get(path); ok {
		return v, true
	}
	head, rest, dotted := strings.Cut(path, ".")
	if !dotted {
		return entity.Value{}, false
	}
	v, ok := body.Get(head)
	if !ok {
		return entity.Value{}, false
	}
	return pick(v, rest)
}

// isEmpty tells whether a page brought nothing.
func isEmpty(p *Page) bool {
	switch p.Result.Kind() {
	case entity.Null:
		return true
	case entity.String:
		return p.Result.Text() == ""
	case entity.Bytes:
		return len(p.Result.Octets()) == 0
	case entity.List, entity.Dict:
		return p.Result.Len() == 0
	default:
		return !p.Found
	}
}

// answerVars are the variables of templates that look at a response.
func (s *session) answerVars(q *rendered, res *response, p *Page) jinja.VarMap {
	v := s.vars()
	v["url"] = jinja.Str(q.url)
	v["request_params"] = jinja.FromEntity(q.params)
	v["request_headers"] = headerVar(q.headers)
	v["body"] = jinja.FromEntity(p.Body)
	v["headers"] = responseHeaderVar(res.header)
	v["response_headers"] = v["headers"]
	if !s.c.Entity.IsNull() {
		v["source_entity"] = v["entity"]
	}
	return v
}

// advance renders next_page_link and decides whether there is another page.
func (s *session) advance(ctx context.Context, q *rendered, p *Page, v jinja.VarMap) (bool, error) {
	if s.op.next == nil || s.c.OnePage {
		return false, nil
	}
	if s.op.endsOn(endNotFull) && p.Result.Len() < s.op.pageSize {
		return false, nil
	}
	link, err := s.op.next.render(ctx, scope{v, s.c.Entity}, s.host)
	if errors.Is(err, jinja.ErrUndefined) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("next_page_link: %w", err)
	}
	link = strings.TrimSpace(link)
	if link == "" || link == "None" || s.op.endsOn(endSameLink) && link == s.link {
		return false, nil
	}
	s.link = link
	s.next, err = s.r.address.next(link, q.url, s.keys)
	return true, err
}

// evaluate asks error_expression, and gives the result's entities their _id
// and _updated.
func (s *session) evaluate(ctx context.Context, p *Page, v jinja.VarMap) error {
	if s.c.Raw || !p.JSON {
		return nil
	}
	if err := s.failed(ctx, v); err != nil {
		return err
	}
	if s.set.id == nil && s.set.updated == nil || !okStatus().Has(p.Status) {
		return nil // what comes with another status is no entity
	}
	v = maps.Clone(v)
	var err error
	switch p.Result.Kind() {
	case entity.Dict:
		p.Result, err = s.identify(ctx, p.Result, v)
	case entity.List:
		items := make([]entity.Value, p.Result.Len())
		for i, e := range p.Result.Elems() {
			if items[i], err = s.identify(ctx, e, v); err != nil {
				return fmt.Errorf("entity %d of the response: %w", i+1, err)
			}
		}
		p.Result = entity.NewList(items...)
	}
	return err
}

func (s *session) failed(ctx context.Context, v jinja.VarMap) error {
	if s.op.failure == nil || s.set.payloadProperty == "" {
		return nil
	}
	text, err := s.op.failure.render(ctx, scope{v, s.c.Entity}, s.host)
	if err != nil {
		return fmt.Errorf("error_expression: %w", err)
	}
	if strings.TrimSpace(text) != "" {
		return fmt.Errorf("the response is a failure by error_expression: %s", snippet(s.keys, []byte(text)))
	}
	return nil
}

// identify sets _id and _updated of one entity of the result. It leaves the
// entity in v, which belongs to the caller.
func (s *session) identify(ctx context.Context, e entity.Value, v jinja.VarMap) (entity.Value, error) {
	if e.Kind() != entity.Dict {
		return e, nil
	}
	v["entity"] = jinja.FromEntity(e)
	vars := scope{v, e}
	for _, x := range []struct {
		key  string
		expr *Template
	}{{entity.IDKey, s.set.id}, {entity.UpdatedKey, s.set.updated}} {
		if x.expr == nil {
			continue
		}
		text, err := x.expr.render(ctx, vars, s.host)
		if err != nil {
			return e, fmt.Errorf("%s: %w", x.key, err)
		}
		if x.key == entity.IDKey && (text == "" || text == "None") {
			return e, fmt.Errorf("id_expression gives %q, which would make one entity of all that lack an id", text)
		}
		e = With(e, entity.Member{Key: x.key, Value: entity.NewString(text)})
	}
	return e, nil
}
