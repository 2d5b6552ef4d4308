package membrane

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/webhooks"
)

// receive takes in a global webhook. An address that is not known is answered like
// one whose token is wrong.
func (d *desk) receive(w http.ResponseWriter, r *http.Request) {
	integration, key := r.PathValue("integration"), r.PathValue("webhook")
	h := d.hooks[hookName{integration, key}]
	var known *tokens
	if h != nil {
		var err error
		if known, err = loadTokens(r.Context(), d.node.Store(), integration, key); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	if !known.accepts(r.PathValue("token"), d.node.Now()) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if i, _, err := h.find(); err != nil || i.cfg.Archived {
		w.WriteHeader(http.StatusGone)
		return
	}
	body, err := webhooks.ReadBody(w, r, h.Limit())
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, webhooks.ErrHeaders):
		w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
	case errors.As(err, &tooLarge):
		tell(w, http.StatusRequestEntityTooLarge, "too_large", "the body is larger than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
	case err != nil:
		tell(w, http.StatusBadRequest, "bad_request", "the body did not arrive whole")
	default:
		d.take(w, r, h, body)
	}
}

// take has the request handled and stored, and answers.
func (d *desk) take(w http.ResponseWriter, r *http.Request, h *webhook, body []byte) {
	inlet, err := d.node.Inlet(r.Context(), h.env.PipeID)
	if err != nil {
		d.refuse(w, h, err)
		return
	}
	// The token is no business of those who read what was received.
	address := "http://" + r.Host + "/webhooks/g/" + h.cfg.Integration + "/" + h.cfg.Key + "/***"
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	q := sources.Request{URL: address, Params: r.URL.Query(), Header: r.Header, Body: body, Method: r.Method, Remote: r.RemoteAddr}
	v := &visit{webhook: h}
	if err := inlet.ReceiveHook(r.Context(), v, q, entity.NewArena()); err != nil {
		d.refuse(w, h, err)
		return
	}
	for _, id := range v.matched {
		d.wake(id)
	}
	v.answer.write(w)
}

// wake has the pipes of a subscription run.
func (d *desk) wake(subscription string) {
	for _, pipe := range d.pipes[subscription] {
		d.node.Wake(pipe)
	}
}

func (a *answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	// Whatever a connector answers, a browser must take it for nothing of the
	// node's.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox")
	w.WriteHeader(a.status)
	// A caller that has gone away is nobody's error.
	_, _ = w.Write(a.body)
}

// kindOf names an error for those who look at it.
func kindOf(err error) string {
	var thrown *jsrun.Thrown
	var over *jsrun.ExceededError
	var result *resultError
	var bad *badRequest
	switch {
	case errors.As(err, &thrown):
		return thrown.Name
	case errors.As(err, &over):
		return over.What + "_limit"
	case errors.As(err, &result):
		return result.code
	case errors.As(err, &bad):
		return "bad_request"
	default:
		return "unavailable"
	}
}

// statusOf is the answer to an error.
func statusOf(err error) int {
	var thrown *jsrun.Thrown
	var over *jsrun.ExceededError
	var result *resultError
	var bad *badRequest
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.As(err, &over) && over.What == jsrun.Input:
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &thrown):
		switch thrown.Name {
		case "BadRequestError":
			return http.StatusBadRequest
		case "UnauthorizedError":
			return http.StatusUnauthorized
		case "NotFoundError":
			return http.StatusNotFound
		}
		return http.StatusInternalServerError
	case errors.As(err, &result):
		return http.StatusInternalServerError
	default:
		// A worker that was ended, or a store that does not answer: the sender
		// should try again.
		return http.StatusServiceUnavailable
	}
}

// refuse answers a request that was not taken in. What a handler threw is told to
// operators, and to the sender if the integration says so.
func (d *desk) refuse(w http.ResponseWriter, h *webhook, err error) {
	status, kind, message := statusOf(err), kindOf(err), http.StatusText(statusOf(err))
	var bad *badRequest
	var hidden *handlerError
	i, _, findErr := h.find()
	expose := errors.As(err, &bad) || findErr == nil && i.cfg.ExposeErrors
	if expose && errors.As(err, &hidden) {
		message = hidden.Error()
	}
	var refused *pipes.RefusedError
	if !errors.As(err, &refused) {
		d.node.Log().Warn("a global webhook was not taken in", "integration", h.cfg.Integration, "webhook", h.cfg.Key, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	tell(w, status, kind, message)
}

// tell answers an error.
func tell(w http.ResponseWriter, status int, kind, message string) {
	reply := map[string]any{"error": map[string]any{"type": kind, "message": message}}
	writeJSON(w, status, reply)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A caller that has gone away is nobody's error.
	_ = json.NewEncoder(w).Encode(body)
}

// background keeps subscriptions as they should be: made when they are needed,
// tried again when they failed, archived when nobody needs them.
func (d *desk) background(ctx context.Context) {
	if err := d.archive(ctx); err != nil && ctx.Err() == nil {
		d.node.Log().Warn("subscriptions that nobody needs could not be archived", "error", err)
	}
	told := map[string]string{} // what was last said of a subscription
	for {
		next := d.subscribeAll(ctx, told)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(time.Until(next), time.Second)):
		}
	}
}

// subscribeAll makes what is missing or due, and tells when to look again.
func (d *desk) subscribeAll(ctx context.Context, told map[string]string) time.Time {
	next := time.Now().Add(retryMost)
	for _, id := range d.ids {
		s := d.sources[id]
		sub, err := s.ensure(ctx, ifDue)
		if ctx.Err() != nil {
			return next
		}
		say := ""
		switch {
		case err != nil:
			say, next = err.Error(), earlier(next, time.Now().Add(retryFirst))
		case sub.Status == failed:
			say, next = sub.Error, earlier(next, time.Now().Add(sub.Next.Sub(s.now())))
		default:
			say = sub.Warning
		}
		before, seen := told[id]
		if good := err == nil && sub.Status == subscribed; good && (!seen || before != say) {
			d.wake(id) // the pipe may have failed for want of it
		}
		if say != "" && before != say {
			d.node.Log().Warn("a subscription is not as it should be", "subscription", id, "event", s.cfg.Event, "connection", s.cfg.Connection, "reason", say)
		}
		told[id] = say
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// archive puts away the subscriptions that no pipe needs.
func (d *desk) archive(ctx context.Context) error {
	all, err := d.registry.list(ctx, func(s *subscription) bool { return s.Archived.IsZero() && d.sources[s.ID] == nil })
	for _, s := range all {
		s.Status, s.Archived = unsubscribed, d.node.Now()
		err = errors.Join(err, d.registry.put(ctx, s))
	}
	return err
}
