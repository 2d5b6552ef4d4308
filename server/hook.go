package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
)

const (
	// hookTimeout is how long the body of a webhook may take to come.
	hookTimeout = 10 * time.Second
	// hookHeaders is how many bytes its headers may have.
	hookHeaders = 32 << 10
)

// receiveHook takes in a webhook. Repeated deliveries are answered like the
// first; why one was refused is told to operators only, unless its body is at
// fault.
func (s *server) receiveHook(w http.ResponseWriter, r *http.Request, id string, hook sources.Hook, in *intake) {
	if size(r.Header) > hookHeaders {
		fail(w, http.StatusRequestHeaderFieldsTooLarge, "the headers are too large")
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
	case errors.As(err, &refused) && refused.Unproven:
		s.refuse(w, id, sources.Verdict{Err: refused.Cause})
	case errors.As(err, &refused):
		fail(w, http.StatusBadRequest, refused.Cause.Error())
	default:
		s.notStored(w, r, err)
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
