package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
)

// posts takes in what is posted to receivers under plain addresses, which need not be
// looked for in the table of doors; that one takes them for the same.
func (s *server) posts(doors http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, toReceiver := strings.CutPrefix(r.URL.Path, "/api/receivers/")
		id, entities := strings.CutSuffix(rest, "/entities")
		if !toReceiver || !entities || r.Method != http.MethodPost || r.URL.RawPath != "" || strings.Trim(id, ".") == "" || strings.IndexByte(id, '/') >= 0 {
			doors.ServeHTTP(w, r)
			return
		}
		s.receive(w, r, id)
	})
}

// receive takes in entities that are posted to a pipe: it judges the request on its
// raw bytes, and answers 200 only when the entities survive a power cut.
func (s *server) receive(w http.ResponseWriter, r *http.Request, id string) {
	p, receiver, ok := s.receiver(w, id)
	if !ok {
		return
	}
	in := s.intakes.get()
	if hook, ok := p.Hook(); ok {
		s.receiveHook(w, r, p.ID(), hook, in)
	} else if s.admit(w, r, p.ID(), receiver, in) {
		entities, err := receiver.Decode(in.body, in.arena)
		s.store(w, r, p, in, entities, err)
		return
	}
	s.intakes.put(in)
}

// receiver is the pipe that entities are posted to; false if it has answered that
// there is none.
func (s *server) receiver(w http.ResponseWriter, id string) (*pipes.Pipe, sources.Receiver, bool) {
	p, ok := s.engine.Pipe(id)
	if !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(id))
		return nil, nil, false
	}
	receiver, ok := p.Receiver()
	if !ok {
		fail(w, http.StatusMethodNotAllowed, "the pipe takes no posts")
	}
	return p, receiver, ok
}

// admit reads the body of a request that the receiver lets in; false if it has
// answered one that it does not.
func (s *server) admit(w http.ResponseWriter, r *http.Request, id string, receiver sources.Receiver, in *intake) bool {
	if err := in.read(w, r, s.o.MaxBody); err != nil {
		s.badBody(w, err)
		return false
	}
	verdict := receiver.Check(r.Context(), requestOf(r, in.body))
	if !verdict.Accepted {
		s.refuse(w, id, verdict)
	}
	return verdict.Accepted
}

// requestOf is a request as receivers judge it.
func requestOf(r *http.Request, body []byte) sources.Request {
	q := sources.Request{URL: "http://" + r.Host + r.URL.RequestURI(), Header: r.Header, Body: body, Method: r.Method, Remote: r.RemoteAddr}
	if r.URL.RawQuery != "" {
		q.Params = r.URL.Query()
	}
	return q
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
		s.o.Log.Warn("request refused: it could not be verified", "pipe", pipe, "error", v.Err)
		text = ""
	}
	if text == "" {
		text = "the request was not accepted"
	}
	fail(w, http.StatusForbidden, text)
}

// store stores the entities of a request, unless there was an error in its body. The
// intake serves others as soon as the store has what it needs of it: so few are in use
// although many wait for the disk, and those that are stay in the processor's cache.
func (s *server) store(w http.ResponseWriter, r *http.Request, p *pipes.Pipe, in *intake, entities []entity.Value, err error) {
	t, ok := s.offer(w, r, p.ID(), in, entities, err)
	answersWith := ok && len(entities) == 1 && p.Locks()
	if !answersWith {
		s.intakes.put(in)
	}
	if !ok {
		return
	}
	_, err = t.Wait(r.Context())
	switch {
	case err != nil:
		s.notStored(w, r, err)
	case !answersWith || !s.takenAs(w, r, p.Output(), in):
		taken(w)
	}
	if answersWith {
		s.intakes.put(in)
	}
}

// offer hands over what is to be stored; false if it has answered why it cannot be.
func (s *server) offer(w http.ResponseWriter, r *http.Request, id string, in *intake, entities []entity.Value, err error) (t pipes.Taken, ok bool) {
	if err != nil {
		unreadable(w, r, in.body, err)
		return t, false
	}
	said, err := push(r, in.body)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return t, false
	}
	inlet, err := s.engine.Inlet(r.Context(), id)
	if err != nil {
		s.failFor(w, r, err)
		return t, false
	}
	in.batch = entity.Batch{Arena: in.arena, Entities: entities}
	if t, err = inlet.BeginPush(r.Context(), &in.batch, said); err != nil {
		s.notStored(w, r, err)
	}
	return t, err == nil
}

// completeness reads up to when the sender says it is complete, 0 if it does
// not say.
func completeness(r *http.Request) (int64, error) {
	text := r.Header.Get("X-Dataset-Completeness")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, errors.New("X-Dataset-Completeness is a positive whole number: microseconds since 1970")
	}
	return n, nil
}

// taken answers that everything is stored.
func taken(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = jsonType, noSniff
	w.Write(empty)
}

var (
	jsonType = []string{"application/json"}
	noSniff  = []string{"nosniff"}
	empty    = []byte("{}\n")
)
