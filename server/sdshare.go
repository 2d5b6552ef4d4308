package server

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// The names of SDShare, by which a dataset is followed as RDF: a collection tells
// where its fragments are, the feed of fragments which resources have changed, and a
// fragment what is so of one.
const (
	atomNS        = "http://www.w3.org/2005/Atom"
	sdshareNS     = "http://www.sdshare.org/2012/core/"
	fragmentsFeed = sdshareNS + "fragmentsfeed"
	atomType      = "application/atom+xml"
	triplesType   = "application/n-triples"
)

// sdshare routes the feeds of datasets.
func (s *server) sdshare(mux *http.ServeMux) {
	const path = "/api/datasets/{dataset}/sdshare-"
	mux.HandleFunc("GET "+path+"collection", s.collection)
	mux.HandleFunc("GET "+path+"fragments", s.fragments)
	mux.HandleFunc("GET "+path+"fragments/{entity...}", s.fragment)
}

func (s *server) triples() *transforms.Triples { return transforms.NewTriples(s.engine.Namespaces()) }

// feedURL is the address of something of a dataset's feeds.
func feedURL(r *http.Request, dataset, what string) string {
	return scheme(r) + "://" + r.Host + "/api/datasets/" + url.PathEscape(dataset) + "/sdshare-" + what
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

// collection tells where the fragments are.
func (s *server) collection(w http.ResponseWriter, r *http.Request) {
	name := datasetOf(r)
	if _, err := s.engine.Store().Info(r.Context(), name); err != nil {
		s.failFor(w, r, err)
		return
	}
	s.feed(w, r, name, "collection", func(x *xml.Encoder) error {
		return element(x, "link", atomLink{Rel: fragmentsFeed, Type: atomType, Href: feedURL(r, name, "fragments")})
	})
}

// fragments lists the resources that have changed at or after since.
func (s *server) fragments(w http.ResponseWriter, r *http.Request) {
	name := datasetOf(r)
	var since time.Time
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			fail(w, http.StatusBadRequest, "since is the updated of an entry, such as 2025-01-02T03:04:05Z")
			return
		}
	}
	if _, err := s.engine.Store().Info(r.Context(), name); err != nil {
		s.failFor(w, r, err)
		return
	}
	t := s.triples()
	s.feed(w, r, name, "fragments", func(x *xml.Encoder) error {
		return s.eachLatest(r.Context(), name, func(e entity.Value) error {
			ts, _ := e.Get(entity.TSKey)
			micros, _ := ts.Int64()
			if at := time.UnixMicro(micros).UTC(); !at.Before(since) {
				return entry(x, r, name, t, e, at)
			}
			return nil
		})
	})
}

func (s *server) eachLatest(ctx context.Context, name string, do func(e entity.Value) error) error {
	a := entity.NewArena()
	for q := (store.Query{Since: store.Start, Limit: 500}); ; {
		a.Reset()
		page, err := s.engine.Store().Read(ctx, name, q, a)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if err := do(e); err != nil {
				return err
			}
		}
		if page.End {
			return nil
		}
		q.Since = page.Next
	}
}

// entry tells of one resource that has changed.
func entry(x *xml.Encoder, r *http.Request, dataset string, t *transforms.Triples, e entity.Value, at time.Time) error {
	id, _ := entity.ID(e)
	resource, err := t.Resource(e)
	if err != nil {
		return fmt.Errorf("entity %q: %w", id, err)
	}
	href := feedURL(r, dataset, "fragments") + "/" + url.PathEscape(id)
	return element(x, "entry", struct {
		Title    string   `xml:"title"`
		ID       string   `xml:"id"`
		Updated  string   `xml:"updated"`
		Link     atomLink `xml:"link"`
		Resource string   `xml:"http://www.sdshare.org/2012/core/ resource"`
	}{id, href, at.Format(time.RFC3339Nano), atomLink{"alternate", triplesType, href}, resource})
}

func element(x *xml.Encoder, name string, v any) error {
	return x.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: name}})
}

// feed writes an Atom feed. One that fails after its beginning breaks off.
func (s *server) feed(w http.ResponseWriter, r *http.Request, dataset, what string, body func(*xml.Encoder) error) {
	w.Header().Set("Content-Type", atomType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	sent := &patient{w: w, control: http.NewResponseController(w)}
	out := bufio.NewWriterSize(sent, 64<<10)
	x := xml.NewEncoder(struct{ io.Writer }{out}) // which hides that it has a buffer: else each element would be sent
	start := xml.StartElement{Name: xml.Name{Local: "feed"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: atomNS}}}
	out.WriteString(xml.Header)
	err := x.EncodeToken(start)
	for _, m := range [][2]string{{"title", dataset}, {"id", feedURL(r, dataset, what)}, {"updated", time.Now().UTC().Format(time.RFC3339Nano)}} {
		err = errors.Join(err, element(x, m[0], m[1]))
	}
	err = errors.Join(err, element(x, "author", struct {
		Name string `xml:"name"`
	}{"Sluice"}))
	if err == nil {
		err = body(x)
	}
	if err == nil {
		err = errors.Join(x.EncodeToken(start.End()), x.Flush(), out.Flush())
	}
	switch {
	case err == nil || sent.gone != nil:
	case sent.begun:
		s.o.Log.Error("feed ended early", "dataset", dataset, "error", err)
		s.breakOff(w, r)
	default:
		clear(w.Header())
		s.failFor(w, r, err)
	}
}

// fragment answers what is so of one resource; of one that is deleted, nothing.
func (s *server) fragment(w http.ResponseWriter, r *http.Request) {
	found, err := s.engine.Store().Get(r.Context(), datasetOf(r), []string{r.PathValue("entity")}, nil)
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if found[0].IsNull() {
		fail(w, http.StatusNotFound, "the dataset has no such entity")
		return
	}
	text := ""
	if !entity.Deleted(found[0]) {
		if text, err = s.triples().Of(found[0]); err != nil {
			fail(w, http.StatusInternalServerError, "the entity cannot be written as RDF: "+err.Error())
			return
		}
	}
	w.Header().Set("Content-Type", triplesType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text))
}
