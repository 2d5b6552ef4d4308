package pipeforce

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// keptOfRefused is how many bytes are kept of a body that is too large.
const keptOfRefused = 16 << 10

// call is a request to a webhook.
type call struct {
	token, trace, correlation string
	body                      []byte
	contentType               string
	redirect, wait            bool
	begun                     time.Time
	padded                    time.Duration // that it waited to take as long as others
	kept                      *webhooks.Request
}

// receive takes in a call: the request is kept, an event is made of it and
// published, and only when all that survives a power cut it is answered. A token
// that nobody has is answered the same, in the same time.
func (s *service) receive(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowedException", "webhooks are called by GET or POST")
		return
	}
	c, err := s.readCall(w, r)
	var hook *webhook
	if err == nil {
		if hook, err = s.rt.webhook(r.Context(), c.token); err != nil {
			s.storeFailed(w, err)
			return
		}
	}
	if err == nil {
		most := int64(defaultMost)
		if hook != nil {
			most = hook.most
		}
		if int64(len(c.body)) > most {
			err = tooLarge(most)
			s.refused(c, "the body has more than maxPayloadLength bytes", hook)
		}
	}
	if err == nil {
		err = s.take(r.Context(), c, hook)
	}
	var p *problem
	switch {
	case errors.As(err, &p):
		refuse(w, p.status, p.kind, p.Error())
	case err != nil:
		s.storeFailed(w, err)
	default:
		s.received(w, r, c, hook)
		if !c.wait {
			_ = http.NewResponseController(w).Flush() // who hung up hears nothing
			s.pace.note(hook != nil, len(c.body), time.Since(c.begun)-c.padded)
		}
	}
}

func tooLarge(most int64) error {
	return problemf(http.StatusRequestEntityTooLarge, "PayloadException", "the payload was rejected: it has more than %d bytes", most)
}

// readCall reads a request, with the token out of it.
func (s *service) readCall(w http.ResponseWriter, r *http.Request) (*call, error) {
	c := &call{begun: time.Now(), contentType: r.Header.Get("Content-Type"), correlation: newUUID()}
	var err error
	var large *http.MaxBytesError
	switch c.body, err = webhooks.ReadBody(w, r, ceiling); {
	case errors.Is(err, webhooks.ErrHeaders):
		return c, problemf(http.StatusRequestHeaderFieldsTooLarge, "PayloadException", "%w", err)
	case errors.As(err, &large):
		return c, tooLarge(ceiling)
	case err != nil:
		return c, problemf(http.StatusBadRequest, "PayloadException", "the body did not arrive whole")
	}
	query := r.URL.Query()
	flags := query
	if kind, _, _ := mime.ParseMediaType(c.contentType); kind == "application/x-www-form-urlencoded" {
		// One that is no form has no token, but may be a payload all the same.
		if form, rest, err := formOf(c.body); err == nil && r.Header.Get("token") == "" && query.Get("token") == "" && query.Get("uuid") == "" && form.Get("token") != "" {
			c.token, c.body = form.Get("token"), rest
		}
	}
	for _, t := range []string{query.Get("uuid"), query.Get("token"), r.Header.Get("token")} {
		if t != "" {
			c.token = t // the last of them counts
		}
	}
	c.redirect = strings.EqualFold(flags.Get("pollingRedirectEnabled"), "true")
	c.wait = strings.EqualFold(flags.Get("wait"), "true")
	c.trace = strings.ToValidUTF8(traceID(c.token), "\uFFFD")
	c.keep(r, s.rt.now())
	return c, nil
}

// keep makes the request as it is kept: without the token.
func (c *call) keep(r *http.Request, now time.Time) {
	hide := systems.NewSecrets(nil)
	hide.Hide(c.token)
	address := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: without(r.URL.RawQuery, "token", "uuid")}
	c.kept = &webhooks.Request{ID: webhooks.NewRequestID(now), At: now, Remote: r.RemoteAddr, Method: r.Method,
		URL: hide.Redact(hide.Address(address.String())), Headers: webhooks.KeptHeaders(r.Header, hide.Redact), Body: c.body}
}

// formOf reads a form, and returns what is left of its text without the token.
func formOf(data []byte) (url.Values, []byte, error) {
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, data, problemf(http.StatusBadRequest, "PayloadException", "the body is no form, which its content type says")
	}
	return form, []byte(without(string(data), "token")), nil
}

// without is a form's text without some of its fields, however their names are
// written.
func without(form string, names ...string) string {
	var rest []string
	for pair := range strings.SplitSeq(form, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || !slices.Contains(names, plain) {
			rest = append(rest, pair)
		}
	}
	return strings.Join(rest, "&")
}

// refusal is a request that is not taken in, on its way to the store.
type refusal struct {
	kept *webhooks.Request
	why  string
	hook *webhook // nil: it proves nothing, and only a few like it are kept
}

// mostRefusals is how many may be on their way; of more nothing is kept.
const mostRefusals = 64

// refused has a request kept that is not taken in. The caller does not wait for
// it: the time of the answer would tell that it was refused.
func (s *service) refused(c *call, why string, hook *webhook) {
	c.kept.Body = bytes.Clone(c.kept.Body[:min(len(c.kept.Body), keptOfRefused)])
	select {
	case s.refusals <- refusal{c.kept, why, hook}:
	default:
	}
}

// keepRefused keeps what was refused, until the context ends.
func (s *service) keepRefused(ctx context.Context) {
	for {
		var r refusal
		select {
		case r = <-s.refusals:
		case <-ctx.Done():
			return
		}
		var err error
		if r.hook == nil {
			err = s.inbox.KeepRefused(ctx, r.kept, r.why)
		} else {
			err = s.inbox.Commit(ctx, s.inbox.Mark(r.kept, webhooks.Refused, digest(r.hook.uuid), r.why))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("a request cannot be kept", "error", err)
		}
	}
}

// take makes an event of a call. The request is handed to the store first, as it
// came; then the event, its message and the result that is expected of it stand
// or fall together.
func (s *service) take(ctx context.Context, c *call, hook *webhook) error {
	if hook == nil {
		s.refused(c, "no webhook has the token", nil)
		if err := s.work(ctx, c); err != nil {
			return err
		}
		return s.pad(ctx, c)
	}
	pending, err := s.inbox.Keep(ctx, c.kept)
	if err != nil {
		return err
	}
	err = s.publish(ctx, c, hook)
	if _, waitErr := pending.Wait(ctx); waitErr != nil {
		return errors.Join(err, waitErr)
	}
	if err != nil {
		// That it failed counts for more than that nobody can be told of it.
		_ = s.inbox.Commit(context.WithoutCancel(ctx), s.inbox.Mark(c.kept, webhooks.Refused, digest(hook.uuid), err.Error()))
		return err
	}
	s.counted.add(hook.uuid, s.rt.now())
	s.log.Info("Webhook [" + c.trace + "]: OK")
	// What could not be tidied is tidied later.
	_ = s.inbox.Tidy(context.WithoutCancel(ctx), c.kept.At)
	return nil
}

func (s *service) publish(ctx context.Context, c *call, hook *webhook) error {
	payload, more, err := s.payload(ctx, c, hook)
	if err != nil {
		return err
	}
	e := &event{key: hook.eventKey, namespace: s.rt.hub.cfg.Namespace, trace: c.trace, correlation: c.correlation,
		payload: payload, headers: webhooks.LowerHeaders(c.kept.Headers)}
	all := e.messages(s.rt.hub.cfg.BareKeys)
	w, err := s.rt.topic("").Write(all...)
	if err != nil {
		return err
	}
	result := expected(c.correlation, s.rt.now(), c.trace, c.redirect, s.heard(all))
	return s.rt.commit(ctx, store.Batch{Writes: append(more, w, change(resultsDataset, putOp(result)),
		s.inbox.Mark(c.kept, webhooks.Accepted, digest(hook.uuid), ""))})
}

// heard are the pipelines that get one of the messages.
func (s *service) heard(all []messages.Message) (pipelines []string) {
	for _, l := range s.hooked {
		for _, m := range all {
			if l.pattern.Match(m.Key) {
				pipelines = append(pipelines, l.pipe)
				break
			}
		}
	}
	return pipelines
}

// payload is what the event of a call carries, and what else is to be stored.
func (s *service) payload(ctx context.Context, c *call, hook *webhook) (entity.Value, []store.Write, error) {
	kind, attrs, _ := mime.ParseMediaType(c.contentType)
	switch {
	case hook.payloadType == "ignore":
		return entity.Value{}, nil, nil
	case len(c.body) == 0 && hook.payloadType == "raw":
		return entity.Value{}, nil, nil
	case len(c.body) == 0:
		return entity.NewDict(member("origin", entity.Value{})), nil, nil
	case hook.payloadType == "outbound":
		id := newUUID() + newUUID()
		w := change(outboundDataset, putOp(entity.NewDict(text(entity.IDKey, digest(id)), at("at", s.rt.now()),
			member("body", entity.NewBytes(c.body)), text("contentType", strings.ToValidUTF8(c.contentType, "\uFFFD")))))
		return entity.NewDict(text("origin", s.rt.base(ctx)+"/api/v3/outbound/"+id)), []store.Write{w}, nil
	case kind == "multipart/form-data":
		v, err := filesOf(c.body, attrs["boundary"])
		return v, nil, err
	case hook.payloadType == "raw":
		v, err := rawPayload(kind, c.body)
		return v, nil, err
	}
	return entity.NewDict(text("origin", base64.StdEncoding.EncodeToString(c.body))), nil, nil
}

// received answers a call, whether its token is known or not.
func (s *service) received(w http.ResponseWriter, r *http.Request, c *call, hook *webhook) {
	now := &result{id: c.correlation, created: c.kept.At, redirect: c.redirect}
	if c.wait && !c.redirect {
		if hook == nil {
			_ = systems.Sleep(r.Context(), longestPoll) // who hangs up waits no more
		} else {
			now = s.await(r, now, longestPoll)
		}
	}
	w.Header().Set(correlationHeader, c.correlation)
	status := http.StatusOK
	if c.redirect {
		toResult(w, c.correlation)
		status = http.StatusFound
	}
	if !now.finished.IsZero() && now.status == "error" {
		respond(w, http.StatusInternalServerError, errorResult(http.StatusInternalServerError, now.value))
		return
	}
	state, value := "processing", entity.Value{}
	if !now.finished.IsZero() {
		state, value = now.status, now.value
	}
	respond(w, status, entity.NewDict(member("statusCode", entity.NewInt(int64(status))), text("status", state), member("value", value),
		member("pollingRedirectEnabled", entity.NewBool(c.redirect)), text("correlationId", c.correlation), text("traceId", c.trace),
		member("created", entity.NewInt(now.created.UnixMilli()))))
}
