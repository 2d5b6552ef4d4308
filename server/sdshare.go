package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// sdshare routes the feeds of datasets and publishers.
func (s *server) sdshare(mux *http.ServeMux) {
	const datasets, publishers = "GET /api/datasets/{dataset}/sdshare-", "GET /api/publishers/{pipe}/sdshare-"
	mux.HandleFunc(datasets+"collection", s.collection)
	mux.HandleFunc(datasets+"fragments", s.fragments)
	mux.HandleFunc(datasets+"fragments/{entity...}", s.fragment)
	mux.HandleFunc(publishers+"collection", s.publishedCollection)
	mux.HandleFunc(publishers+"fragments", s.publishedFragments)
	mux.HandleFunc(publishers+"fragments/{entity...}", s.publishedFragment)
}

func (s *server) triples() *transforms.Triples { return transforms.NewTriples(s.engine.Namespaces()) }

// feedForm is a feed or a fragment as another form of a publisher.
type feedForm struct {
	route, contentType string
	continues          bool
	document           sinks.Document
}

// Route implements Publisher.
func (f feedForm) Route() string { return f.route }

// ContentType implements Publisher.
func (f feedForm) ContentType() string { return f.contentType }

// Disposition implements Publisher.
func (feedForm) Disposition(string) string { return "" }

// Continues implements Publisher.
func (f feedForm) Continues() bool { return f.continues }

// Document implements Publisher.
func (f feedForm) Document() sinks.Document { return f.document }

// since reads where a feed goes on: a time, from which on it tells of what was
// written, or else the offset behind which it begins.
func since(q *pipes.Asked) {
	if at, err := time.Parse(time.RFC3339Nano, q.Since); err == nil {
		// Entries tell microseconds: what is less was left out there.
		q.Since, q.From = "", at.UnixMicro()
	}
}

// feedPublisher is the pipe whose feeds were asked for; false if it has answered
// that it has none.
func (s *server) feedPublisher(w http.ResponseWriter, r *http.Request) (*pipes.Pipe, bool) {
	if !s.shared(w, r) {
		return nil, false
	}
	p, err := s.engine.Publisher(r.PathValue("pipe"))
	if err != nil {
		s.failFor(w, r, err)
		return nil, false
	}
	if sink, _ := p.Publisher(); !hasFeeds(sink) {
		fail(w, http.StatusNotFound, "the pipe publishes /api/publishers/"+p.ID()+"/"+sink.Route()+", and no feeds of SDShare, which are those of an http_endpoint")
		return nil, false
	}
	return p, true
}

// hasFeeds tells whether there are feeds of what a sink publishes: entities, which
// tables and the like are not.
func hasFeeds(sink sinks.Publisher) bool { return sink.Route() == "entities" }

func (s *server) publishedCollection(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.feedPublisher(w, r); ok {
		s.collectionOf(w, r, placeOf(r, "publishers", p.ID()))
	}
}

// askedFeed is the pipe whose feeds were asked for, and what of it; false if it has
// answered.
func (s *server) askedFeed(w http.ResponseWriter, r *http.Request) (p *pipes.Pipe, q pipes.Asked, ok bool) {
	if p, ok = s.feedPublisher(w, r); !ok {
		return nil, q, false
	}
	q, err := askedOf(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
	}
	return p, q, err == nil
}

func (s *server) publishedFragments(w http.ResponseWriter, r *http.Request) {
	p, q, ok := s.askedFeed(w, r)
	if !ok {
		return
	}
	q.Origins = true
	if len(p.Inputs()) > 0 { // its offsets are numbers; elsewhere a time may be one
		since(&q)
	}
	f := newFeed(placeOf(r, "publishers", p.ID()), "fragments", 0, s.triples())
	if p.InOrder() {
		f.limit = q.Limit
	}
	q.Form = feedForm{"sdshare-fragments", atomType, true, f}
	s.printed(w, r, p, q)
}

func (s *server) publishedFragment(w http.ResponseWriter, r *http.Request) {
	p, q, ok := s.askedFeed(w, r)
	if !ok {
		return
	}
	id := r.PathValue("entity")
	q.Since, q.Limit, q.Of = "", 1, id
	if origin := r.URL.Query().Get(originParam); origin != "" {
		q.Of = origin
	}
	q.Form = feedForm{"sdshare-fragments", triplesType, false, fragment{id, s.triples()}}
	s.printed(w, r, p, q)
}

// collection tells where the fragments of a dataset are.
func (s *server) collection(w http.ResponseWriter, r *http.Request) {
	name := datasetOf(r)
	if _, err := s.engine.Store().Info(r.Context(), name); err != nil {
		s.failFor(w, r, err)
		return
	}
	s.collectionOf(w, r, placeOf(r, "datasets", name))
}

func (s *server) collectionOf(w http.ResponseWriter, r *http.Request, at place) {
	f := newFeed(at, "collection", 0, s.triples())
	feedHeaders(w, atomType)
	s.send(w, r, at.title, func(out io.Writer) error {
		b, err := f.Begin(nil)
		if err == nil {
			b, err = f.take(b, f.pointer(fragmentsFeed, at.link("fragments")))
		}
		return ended(out, f, b, err)
	})
}

// ended writes what is left of a document.
func ended(out io.Writer, d sinks.Document, b []byte, err error) error {
	if err == nil {
		b, err = d.End(b)
	}
	if err == nil {
		_, err = out.Write(b)
	}
	return err
}

func feedHeaders(w http.ResponseWriter, kind string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// fragments lists the resources of a dataset that have changed.
func (s *server) fragments(w http.ResponseWriter, r *http.Request) {
	name, q := datasetOf(r), pipes.Asked{}
	l := store.Query{Since: store.Start, Limit: 500}
	q, err := askedOf(r)
	if since(&q); err == nil && q.Since != "" {
		var n int64
		if n, err = strconv.ParseInt(q.Since, 10, 64); err != nil {
			err = errors.New("since is the updated of an entry, such as 2025-01-02T03:04:05Z, or the _updated of an entity")
		}
		l.Since = max(store.Offset(n), store.Start)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if _, err := s.engine.Store().Info(r.Context(), name); err != nil {
		s.failFor(w, r, err)
		return
	}
	f := newFeed(placeOf(r, "datasets", name), "fragments", q.Limit, s.triples())
	feedHeaders(w, atomType)
	s.send(w, r, name, func(out io.Writer) error { return s.latest(r.Context(), out, name, l, q, f) })
}

// latest writes a document of what a dataset has.
func (s *server) latest(ctx context.Context, out io.Writer, name string, l store.Query, q pipes.Asked, d sinks.Document) error {
	a, left := entity.NewArena(), q.Limit
	b, err := d.Begin(nil)
	for err == nil && left != 0 {
		a.Reset()
		var page store.Page
		if page, err = s.engine.Store().Read(ctx, name, l, a); err != nil {
			break
		}
		for _, e := range page.Entities {
			if left == 0 || q.Old(e) {
				continue
			}
			if b, _, err = d.Append(b, e); err != nil {
				return err
			}
			left--
		}
		if _, err = out.Write(b); err != nil || page.End {
			b = b[:0]
			break
		}
		b, l.Since = b[:0], page.Next
	}
	return ended(out, d, b, err)
}

// send writes a document. One that fails after its beginning breaks off; nothing is
// sent before the first bytes are many enough, so that what fails soon is answered as
// an error.
func (s *server) send(w http.ResponseWriter, r *http.Request, name string, write func(out io.Writer) error) {
	sent := &patient{w: w, control: http.NewResponseController(w)}
	out := bufio.NewWriterSize(sent, 64<<10)
	err := write(out)
	if err == nil {
		err = out.Flush()
	}
	switch {
	case err == nil || sent.gone != nil:
	case sent.begun:
		if r.Context().Err() == nil { // nobody is left to miss the rest else
			s.o.Log.Error("document ended early", "of", name, "error", err)
		}
		s.breakOff(w, r)
	default:
		clear(w.Header()) // they were the document's
		s.notPublished(w, r, err)
	}
}

// fragment answers what is so of one resource of a dataset; of one that is deleted,
// nothing.
func (s *server) fragment(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("entity")
	found, err := s.engine.Store().Get(r.Context(), datasetOf(r), []string{id}, nil)
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if found[0].IsNull() {
		fail(w, http.StatusNotFound, "the dataset has no such entity")
		return
	}
	text, _, err := fragment{id, s.triples()}.Append(nil, found[0])
	if err != nil {
		s.notPublished(w, r, err)
		return
	}
	feedHeaders(w, triplesType)
	_, _ = w.Write(text)
}
