package server

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/jinja"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
	"github.com/sluiceio/sluice/webhooks"
)

// notStored answers entities that the pipe could not take: the caller's fault
// if they lack an _id, the rule's fault otherwise.
func (s *server) notStored(w http.ResponseWriter, r *http.Request, err error) {
	var noID *sinks.NoIDError
	if errors.As(err, &noID) {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	var outdated *sinks.OutdatedError
	if errors.As(err, &outdated) {
		behind(w, outdated)
		return
	}
	var conflict *pipes.SequenceError
	if errors.As(err, &conflict) {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	if errors.Is(err, store.ErrConflict) {
		fail(w, http.StatusConflict, "another request of a full sync came at the same time; begin anew")
		return
	}
	var waits *pipes.WaitError
	if errors.As(err, &waits) || errors.Is(err, sinks.ErrTripped) || errors.Is(err, webhooks.ErrDisabled) || errors.Is(err, webhooks.ErrQueueFull) {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	if errors.Is(err, store.ErrNoDataset) { // it is made anew when the pipe is loaded, or has just been deleted
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	if errors.Is(err, sinks.ErrVersion) {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	status, said := unfit(err)
	if status == 0 {
		s.failFor(w, r, err)
		return
	}
	s.o.Log.Error("a posted entity could not be taken in", "method", r.Method, "path", r.URL.Path, "error", err)
	fail(w, status, said)
}

// unfit tells the caller what of the pipe his entities do not fit, 0 if that is not
// the matter. Places, and what rules and systems say, are for the node's log.
func unfit(err error) (status int, said string) {
	var template *jinja.Error
	var answered *systems.StatusError
	var call *systems.CallError
	var blocked *systems.BlockedError
	var network net.Error
	var transform *transforms.EntityError
	var sink *sinks.EntityError
	_, rule := dtl.IsRunError(err)
	switch {
	case rule:
		return http.StatusUnprocessableEntity, "a rule of the pipe failed on an entity; nothing was stored"
	case errors.As(err, &template):
		return http.StatusUnprocessableEntity, untemplated(err, template)
	case errors.As(err, &answered), errors.As(err, &call), errors.As(err, &blocked), errors.As(err, &network) && !ofMachine(network):
		return http.StatusBadGateway, "a system that the pipe calls did not answer as it should; the node's log says how"
	case errors.As(err, &transform):
		return http.StatusUnprocessableEntity, "a transform of the pipe failed on an entity; nothing was stored"
	case errors.As(err, &sink):
		return http.StatusUnprocessableEntity, err.Error()
	}
	return 0, ""
}

// ofMachine tells apart an error number, which passes for an error of the network also
// if a disk gave it.
func ofMachine(err net.Error) bool {
	_, number := err.(syscall.Errno)
	return number
}

// untemplated names the template that could not be worked out, and what it lacks.
// What else may be wrong with one can hold secrets, and stays in the log.
func untemplated(err error, e *jinja.Error) string {
	which, _, shown := strings.Cut(err.Error(), e.Error())
	if !shown { // the name of what it lacks was a secret
		return "a template of the pipe cannot be worked out; the node's log says which"
	}
	which = strings.TrimSuffix(strings.TrimSuffix(which, "template: "), ": ")
	why := "the node's log says why"
	if e.Code == jinja.CodeUndefined {
		why = e.Msg
	}
	return "a template of the pipe cannot be worked out: " + which + ": " + why
}
