package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/webhooks"
)

// receiveHook takes in a webhook. Repeated deliveries are answered like the
// first; why one was refused is told to operators only, unless its body is at
// fault.
func (s *server) receiveHook(w http.ResponseWriter, r *http.Request, id string, hook sources.Hook, in *intake) {
	if !slices.Contains(hook.Methods(), r.Method) {
		w.Header().Set("Allow", strings.Join(hook.Methods(), ", "))
		fail(w, http.StatusMethodNotAllowed, "the pipe takes no "+r.Method)
		return
	}
	if size(r.Header) > hookHeaders {
		fail(w, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the headers are too large: a webhook has %d bytes of them at the most", hookHeaders))
		return
	}
	// A connection that knows no deadlines has those of the server.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(hookTimeout))
	if err := in.read(w, r, min(hook.Limit(), s.o.MaxBody)); err != nil {
		s.badBody(w, err)
		return
	}
	inlet, err := s.engine.Inlet(r.Context(), id)
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	err = inlet.ReceiveHook(r.Context(), hook, requestOf(r, in.body), in.arena)
	var refused *pipes.RefusedError
	switch {
	case err == nil:
		taken(w)
	case errors.As(err, &refused) && refused.Unproven && !errors.Is(refused.Cause, webhooks.ErrRefused):
		// The node lacks the secret, or it is none of the scheme: the sender is to
		// come again when somebody has mended that.
		s.o.Log.Error("request refused: the node cannot verify any", "pipe", id, "error", refused.Cause)
		w.Header().Set("Retry-After", "60")
		fail(w, http.StatusServiceUnavailable, "the node cannot verify requests now; try again later")
	case errors.As(err, &refused) && refused.Unproven:
		s.refuse(w, id, sources.Verdict{Err: refused.Cause})
	case errors.As(err, &refused):
		fail(w, http.StatusBadRequest, refused.Cause.Error())
	default:
		s.notStored(w, r, err)
	}
}

// knock answers requests to receivers by other methods than POST: some webhooks
// come by them, and some senders ask first whether they may send.
func (s *server) knock(w http.ResponseWriter, r *http.Request) {
	p, ok := s.engine.Pipe(r.PathValue("pipe"))
	if !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(r.PathValue("pipe")))
		return
	}
	hook, ok := p.Hook()
	switch {
	case !ok:
		said := "the pipe takes no " + r.Method
		if _, receiver := p.Receiver(); receiver {
			w.Header().Set("Allow", http.MethodPost)
			said += ": entities are posted"
		}
		fail(w, http.StatusMethodNotAllowed, said)
	case r.Method == http.MethodOptions:
		consent(w, r, hook)
	default:
		s.receive(w, r, p.ID())
	}
}

// consent answers whether a sender may send.
func consent(w http.ResponseWriter, r *http.Request, hook sources.Hook) {
	status, answer := http.StatusMethodNotAllowed, http.Header{}
	if c, ok := hook.(sources.Consenting); ok {
		status, answer = c.Consent(r.Header)
	}
	maps.Copy(w.Header(), answer)
	switch status {
	case http.StatusOK:
		w.WriteHeader(status)
	case http.StatusBadRequest:
		fail(w, status, "WebHook-Request-Origin is missing")
	case http.StatusForbidden:
		fail(w, status, "the origin may not send")
	default:
		fail(w, status, "the pipe is not asked for consent: send")
	}
}

func size(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}
