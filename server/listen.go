package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
)

// listen registers the address in the parameter webhook; false if it answered the
// request.
func (s *server) listen(w http.ResponseWriter, r *http.Request, dataset string) bool {
	q := r.URL.Query()
	if !q.Has("webhook") {
		return true
	}
	since := store.Start
	if q.Has("since") {
		n, err := strconv.ParseInt(q.Get("since"), 10, 64)
		if err != nil {
			fail(w, http.StatusBadRequest, "since is the _updated of an entity")
			return false
		}
		since = store.Offset(n)
	}
	err := s.engine.Listen(r.Context(), engine.Listener{Dataset: dataset, URL: q.Get("webhook"), Token: q.Get("token")}, since)
	switch {
	case errors.Is(err, engine.ErrListener):
		fail(w, http.StatusBadRequest, err.Error())
	case err != nil:
		s.failFor(w, r, err)
	}
	return err == nil
}

// mostToken bounds the body of a call from another node.
const mostToken = 4 << 10

// signal starts a pipe because the node that it reads from has something new. 404
// has that node forget to call.
func (s *server) signal(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostToken)).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, `the body is {"token": …}`)
		return
	}
	if err := s.engine.Signal(r.Context(), r.PathValue("pipe"), body.Token); errors.Is(err, engine.ErrNoPipe) {
		fail(w, http.StatusNotFound, "there is no such pipe, or it did not ask for this call")
		return
	} else if err != nil {
		s.failFor(w, r, err)
		return
	}
	taken(w)
}
