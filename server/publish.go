package server

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/xlsxtext"
	"github.com/sluiceio/sluice/jinja"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// mostEditions is how many documents are made at once: each holds a batch of
// entities, and its reader may be slow.
const mostEditions = 64

// publish routes what publishers offer.
func (s *server) publish(mux *http.ServeMux) {
	for _, route := range []string{"entities", "csv", "xml", "excel"} {
		path := "/api/publishers/{pipe}/" + route
		ask := func(w http.ResponseWriter, r *http.Request) { s.edition(w, r, route) }
		mux.HandleFunc("GET "+path, ask)
		mux.HandleFunc("GET "+path+"/{filename}", ask)
		mux.HandleFunc("OPTIONS "+path+"/", publisherOptions)
	}
	s.shares(mux)
}

// publisherOptions tells office programs that they may read and nothing else.
func publisherOptions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD, OPTIONS")
	w.WriteHeader(http.StatusOK)
}

// edition makes a document for one reader.
func (s *server) edition(w http.ResponseWriter, r *http.Request, route string) {
	if !s.shared(w, r) {
		return
	}
	p, err := s.engine.Publisher(r.PathValue("pipe"))
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	sink, _ := p.Publisher()
	if sink = form(sink, route); sink == nil {
		sink, _ = p.Publisher()
		fail(w, http.StatusNotFound, "the pipe publishes /api/publishers/"+p.ID()+"/"+sink.Route()+", not "+route)
		return
	}
	asked, err := askedOf(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	asked.Form = sink
	if r.URL.Query().Has("linked_excel_file") {
		s.linked(w, r, sink)
		return
	}
	s.printed(w, r, p, asked)
}

// printed makes the document if there are not too many at once.
func (s *server) printed(w http.ResponseWriter, r *http.Request, p *pipes.Pipe, asked pipes.Asked) {
	select {
	case s.editions <- struct{}{}:
		defer func() { <-s.editions }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "too many documents are being read at once")
		return
	}
	if s.head(w, r, p, asked.Form) && r.Method != http.MethodHead {
		s.print(w, r, p, asked)
	}
}

// form is the publisher itself, or the one of another form that it has; nil if it
// has none.
func form(p sinks.Publisher, route string) sinks.Publisher {
	if p.Route() == route {
		return p
	}
	if f, ok := p.(sinks.Forms); ok {
		return f.Form(route)
	}
	return nil
}

// linked answers a spreadsheet that gets its data from here.
func (s *server) linked(w http.ResponseWriter, r *http.Request, sink sinks.Publisher) {
	l, ok := sink.(sinks.Linking)
	if !ok {
		fail(w, http.StatusBadRequest, "linked_excel_file is for csv only")
		return
	}
	q := r.URL.Query()
	name := q.Get("linked_excel_file")
	q.Del("linked_excel_file")
	address := url.URL{Scheme: scheme(r), Host: r.Host, Path: r.URL.Path, RawQuery: q.Encode()}
	file, err := l.Link(address.String())
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if name == "" {
		name = "linked.xlsx"
	}
	h := w.Header()
	h.Set("Content-Type", xlsxtext.ContentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	_, _ = w.Write(file)
}

// askedOf reads the parameters of a request; all of them are there for "_B.".
func askedOf(r *http.Request) (pipes.Asked, error) {
	all := r.URL.Query()
	q := pipes.Asked{Since: all.Get("since"), Limit: -1}
	if text := all.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return q, errors.New("limit is a whole number")
		}
		q.Limit = n
	}
	var members []entity.Member
	all.Del(shareParam)
	all.Del(originParam)
	for name, values := range all {
		v := entity.NewString(values[0])
		if len(values) > 1 {
			list := make([]entity.Value, len(values))
			for i, text := range values {
				list[i] = entity.NewString(text)
			}
			v = entity.NewList(list...)
		}
		members = append(members, entity.Member{Key: name, Value: v})
	}
	slices.SortFunc(members, func(a, b entity.Member) int { return cmp.Compare(a.Key, b.Key) })
	q.Params = entity.NewDict(members...)
	return q, nil
}

// head sets the headers; false if it has answered an error instead.
func (s *server) head(w http.ResponseWriter, r *http.Request, p *pipes.Pipe, sink sinks.Publisher) bool {
	h := w.Header()
	h.Set("Content-Type", sink.ContentType())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "sandbox") // no script in a document may speak to the node
	if d := sink.Disposition(r.PathValue("filename")); d != "" {
		h.Set("Content-Disposition", d)
	}
	in := p.Inputs()
	if !sink.Continues() || len(in) != 1 {
		return true
	}
	info, err := s.engine.Store().Info(r.Context(), in[0])
	if errors.Is(err, store.ErrNoDataset) {
		return true // it is as good as empty
	}
	if err == nil {
		err = s.about(h, r.Context(), info)
	}
	if err != nil {
		s.failFor(w, r, err)
		return false
	}
	if p.Filters() {
		h.Set("X-Dataset-Filtered", "true")
	}
	return true
}

// print writes the document.
func (s *server) print(w http.ResponseWriter, r *http.Request, p *pipes.Pipe, q pipes.Asked) {
	s.send(w, r, p.ID(), func(out io.Writer) error { return p.Publish(r.Context(), q, out) })
}

// notPublished answers a document that could not be begun.
func (s *server) notPublished(w http.ResponseWriter, r *http.Request, err error) {
	var wait *pipes.WaitError
	var shape *sinks.EntityError
	var template *jinja.Error
	switch {
	case errors.As(err, &wait):
		fail(w, http.StatusServiceUnavailable, wait.Reason)
	case errors.As(err, &shape):
		s.o.Log.Error("an entity cannot be published", "path", r.URL.Path, "error", err)
		fail(w, http.StatusInternalServerError, err.Error())
	case sources.IsOffset(err):
		fail(w, http.StatusBadRequest, err.Error())
	case errors.As(err, &template):
		s.o.Log.Error("a template failed on an entity that is published", "path", r.URL.Path, "error", err)
		fail(w, http.StatusInternalServerError, untemplated(err, template))
	default:
		if run, ok := dtl.IsRunError(err); ok {
			s.o.Log.Error("a rule failed on an entity that is published", "path", r.URL.Path, "error", run)
			fail(w, http.StatusInternalServerError, "a rule of the pipe failed on an entity; the node's log says which")
			return
		}
		s.failFor(w, r, err)
	}
}
