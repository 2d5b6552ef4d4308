package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/sinks"
)

// shareParam is the parameter of an address that says by which link it is asked for.
const shareParam = "shareable_link"

// mostShare bounds what is asked for a link.
const mostShare = 16 << 10

// shares routes the links by which somebody may read a publisher.
func (s *server) shares(mux *http.ServeMux) {
	const path = "/api/publishers/{pipe}/shareable-links"
	mux.HandleFunc("GET "+path, s.listShares)
	mux.HandleFunc("POST "+path, s.share)
	mux.HandleFunc("DELETE "+path+"/{link}", s.unshare)
}

func (s *server) listShares(w http.ResponseWriter, r *http.Request) {
	pipe := r.PathValue("pipe")
	all, err := s.engine.Shares(r.Context(), pipe)
	list := make([]any, 0, len(all))
	for _, l := range all {
		var shown any
		if shown, err = s.shown(r, pipe, l); err != nil {
			break
		}
		list = append(list, shown)
	}
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	reply(w, http.StatusOK, list)
}

func (s *server) share(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Exp         float64 `json:"exp"`
		Description string  `json:"description"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostShare)).Decode(&asked); err != nil {
		fail(w, http.StatusBadRequest, `the body is {"exp": seconds since 1970, "description": text}`)
		return
	}
	pipe := r.PathValue("pipe")
	l, err := s.engine.Share(r.Context(), pipe, asked.Exp, asked.Description)
	if errors.Is(err, engine.ErrShare) {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	var shown any
	if err == nil {
		shown, err = s.shown(r, pipe, l)
	}
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	reply(w, http.StatusOK, shown)
}

func (s *server) unshare(w http.ResponseWriter, r *http.Request) {
	err := s.engine.Unshare(r.Context(), r.PathValue("pipe"), r.PathValue("link"))
	switch {
	case errors.Is(err, engine.ErrNoShare):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		s.failFor(w, r, err)
	default:
		taken(w)
	}
}

// shown is a link as the API describes it, with an address for each form of the
// document.
func (s *server) shown(r *http.Request, pipe string, l engine.Share) (any, error) {
	token, err := s.engine.ShareToken(r.Context(), pipe, l)
	if err != nil {
		return nil, err
	}
	p, _ := s.engine.Pipe(pipe)
	sink, _ := p.Publisher()
	routes := []string{sink.Route()}
	if f, ok := sink.(sinks.Forms); ok && f.Form("excel") != nil {
		routes = append(routes, "excel")
	}
	if hasFeeds(sink) {
		routes = append(routes, "sdshare-collection", "sdshare-fragments")
	}
	urls := make([]string, len(routes))
	for i, route := range routes {
		u := url.URL{Scheme: scheme(r), Host: r.Host, Path: "/api/publishers/" + pipe + "/" + route, RawQuery: url.Values{shareParam: {token}}.Encode()}
		urls[i] = u.String()
	}
	return struct {
		engine.Share
		URLs []string `json:"urls"`
	}{l, urls}, nil
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// shared checks the link that a reader comes by; false if it has answered that it
// is none.
func (s *server) shared(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	if !q.Has(shareParam) {
		return true
	}
	err := s.engine.CheckShare(r.Context(), r.PathValue("pipe"), q.Get(shareParam))
	switch {
	case errors.Is(err, engine.ErrNoShare):
		fail(w, http.StatusForbidden, err.Error())
	case err != nil:
		s.failFor(w, r, err)
	}
	return err == nil
}
