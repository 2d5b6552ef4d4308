package server

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
)

// receive takes in posted entities: it judges the request on its raw bytes,
// and answers 200 only when the entities survive a power cut.
func (s *server) receive(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("pipe")
	p, ok := s.engine.Pipe(id)
	if !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(id))
		return
	}
	receiver, ok := p.Receiver()
	if !ok {
		fail(w, http.StatusMethodNotAllowed, "the pipe takes no posts")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.o.MaxBody))
	if err != nil {
		s.badBody(w, err)
		return
	}
	verdict := receiver.Check(r.Context(), sources.Request{
		URL: "http://" + r.Host + r.URL.RequestURI(), Params: r.URL.Query(), Header: r.Header, Body: body})
	if !verdict.Accepted {
		s.refuse(w, id, verdict)
		return
	}
	s.store(w, r, id, receiver, body)
}

func (s *server) badBody(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, "the body is larger than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
		return
	}
	fail(w, http.StatusBadRequest, "the body did not arrive whole")
}

// refuse answers a request that the validation_expression did not accept. Why
// it failed goes to the operator's log only.
func (s *server) refuse(w http.ResponseWriter, pipe string, v sources.Verdict) {
	text := v.Text
	if v.Err != nil {
		s.o.Log.Warn("request refused: the validation_expression failed", "pipe", pipe, "error", v.Err)
		text = ""
	}
	if text == "" {
		text = "the request was not accepted"
	}
	fail(w, http.StatusForbidden, text)
}

func (s *server) store(w http.ResponseWriter, r *http.Request, id string, receiver sources.Receiver, body []byte) {
	arena := entity.NewArena()
	entities, err := receiver.Decode(body, arena)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	inlet, err := s.engine.Inlet(r.Context(), id)
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if _, err := inlet.Receive(r.Context(), &entity.Batch{Arena: arena, Entities: entities}); err != nil {
		s.notStored(w, r, err)
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

// notStored answers entities that the pipe could not take: the caller's fault
// if they lack an _id, the rule's fault otherwise.
func (s *server) notStored(w http.ResponseWriter, r *http.Request, err error) {
	var noID *sinks.NoIDError
	if errors.As(err, &noID) {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if run, ok := dtl.IsRunError(err); ok {
		s.o.Log.Error("a rule failed on a posted entity", "error", run)
		fail(w, http.StatusUnprocessableEntity, "a rule of the pipe failed on an entity; nothing was stored")
		return
	}
	s.failFor(w, r, err)
}
