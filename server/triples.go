package server

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
)

// rdfBeside is how large RDF may be that is read beside other. Until it is stored it
// takes up to twenty times as much, so what is larger is read one after the other.
const rdfBeside = 1 << 20

// receiveTriples takes in RDF by SDShare push, on the way of all posted entities.
func (s *server) receiveTriples(w http.ResponseWriter, r *http.Request) {
	p, posted, ok := s.receiver(w, r.PathValue("pipe"))
	if !ok {
		return
	}
	receiver, ok := posted.(sources.TripleReceiver)
	if !ok {
		fail(w, http.StatusMethodNotAllowed, "the pipe takes no RDF, which the source http_endpoint does")
		return
	}
	if !holdsTriples(r.Header.Get("Content-Type")) {
		fail(w, http.StatusUnsupportedMediaType, "RDF is posted as N-Triples in UTF-8, with the Content-Type application/n-triples or text/plain")
		return
	}
	in := s.intakes.get()
	if !s.admit(w, r, p.ID(), receiver, in) {
		s.intakes.put(in)
		return
	}
	if len(in.body) > rdfBeside {
		select {
		case s.rdf <- struct{}{}:
			defer func() { <-s.rdf }()
		case <-r.Context().Done():
			s.intakes.put(in)
			return // nobody waits for an answer any more
		}
	}
	entities, err := described(r, receiver, in)
	s.store(w, r, p, in, entities, err)
}

// described are the entities of the resources that a request is about.
func described(r *http.Request, receiver sources.TripleReceiver, in *intake) ([]entity.Value, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // left out, a resource would neither be stored nor deleted
		return nil, errors.New("the parameters of the address are not escaped as they must be")
	}
	if full, _ := flag(q, "is_full"); full {
		return nil, errors.New("a full sync is posted as JSON, to /api/receivers/{pipe}/entities")
	}
	return receiver.DecodeTriples(in.body, q["resource"], in.arena)
}

// onlyPosts answers other methods where RDF is posted.
func onlyPosts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", http.MethodPost)
	fail(w, http.StatusMethodNotAllowed, "RDF is posted; this was "+r.Method)
}

// holdsTriples tells whether a body of this type is N-Triples.
func holdsTriples(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/n-triples" && kind != "text/plain" {
		return false
	}
	charset := params["charset"]
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}
