package server

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/transforms"
)

// The names of SDShare, by which entities are followed as RDF: a collection tells
// where its fragments are, the feed of fragments which resources have changed, and a
// fragment what is so of one.
const (
	atomNS        = "http://www.w3.org/2005/Atom"
	sdshareNS     = "http://www.sdshare.org/2012/core/"
	fragmentsFeed = sdshareNS + "fragmentsfeed"
	atomType      = "application/atom+xml"
	triplesType   = "application/n-triples"
)

// originParam is the parameter of a fragment's address that names the source entity
// to make it of, where that has another id.
const originParam = "sdshare_origin"

// place is where something has its feeds.
type place struct {
	title string
	base  string     // the address of what has feeds
	keep  url.Values // parameters of the request that links go on with
}

func placeOf(r *http.Request, kind, name string) place {
	p := place{name, scheme(r) + "://" + r.Host + "/api/" + kind + "/" + url.PathEscape(name), r.URL.Query()}
	for _, own := range []string{"since", "limit", originParam} {
		p.keep.Del(own)
	}
	return p
}

// id names one of the feeds, whatever parameters it is asked for with.
func (p place) id(what string) string { return p.base + "/sdshare-" + what }

// link leads to one of the feeds. More are names and values of parameters.
func (p place) link(what string, more ...string) string {
	q := url.Values{}
	for name, values := range p.keep {
		q[name] = values
	}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if len(q) == 0 {
		return p.id(what)
	}
	return p.id(what) + "?" + q.Encode()
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

// feed is an Atom feed on its way to one reader.
type feed struct {
	place
	what    string
	limit   int // after so many it tells where it goes on; 0 or less: never
	now     time.Time
	triples *transforms.Triples
	entries int
	last    entity.Value // the _updated of the last entry
	made    bytes.Buffer
	xml     *xml.Encoder
}

var _ sinks.Document = (*feed)(nil)

func newFeed(p place, what string, limit int, t *transforms.Triples) *feed {
	f := &feed{place: p, what: what, limit: limit, now: time.Now().UTC(), triples: t}
	f.xml = xml.NewEncoder(&f.made)
	return f
}

func (f *feed) element(name string, v any) error {
	return f.xml.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: name}})
}

// take appends what was made.
func (f *feed) take(dst []byte, err error) ([]byte, error) {
	if err = errors.Join(err, f.xml.Flush()); err != nil {
		return dst, err
	}
	dst = append(dst, f.made.Bytes()...)
	f.made.Reset()
	return dst, nil
}

func (*feed) start() xml.StartElement {
	return xml.StartElement{Name: xml.Name{Local: "feed"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: atomNS}}}
}

// Begin implements Document.
func (f *feed) Begin(dst []byte) ([]byte, error) {
	err := f.xml.EncodeToken(f.start())
	for _, m := range [][2]string{{"title", f.title}, {"id", f.id(f.what)}, {"updated", f.now.Format(time.RFC3339Nano)}} {
		err = errors.Join(err, f.element(m[0], m[1]))
	}
	err = errors.Join(err, f.element("author", struct {
		Name string `xml:"name"`
	}{"Sluice"}))
	return f.take(append(dst, xml.Header...), err)
}

// Append implements Document: it tells of one resource that has changed.
func (f *feed) Append(dst []byte, e entity.Value) ([]byte, bool, error) {
	id, _ := entity.ID(e)
	resource, err := f.triples.Resource(e)
	if err != nil {
		return dst, false, &sinks.EntityError{ID: string([]byte(id)), Err: err}
	}
	what, more := "fragments/"+url.PathEscape(id), []string{}
	if origin, ok := e.Get(pipes.OriginKey); ok && origin.Text() != id {
		more = []string{originParam, origin.Text()}
	}
	dst, err = f.take(dst, f.element("entry", struct {
		Title    string   `xml:"title"`
		ID       string   `xml:"id"`
		Updated  string   `xml:"updated"`
		Link     atomLink `xml:"link"`
		Resource string   `xml:"http://www.sdshare.org/2012/core/ resource"`
	}{id, f.id(what), f.updated(e).Format(time.RFC3339Nano), atomLink{"alternate", triplesType, f.link(what, more...)}, resource}))
	f.entries++
	if f.limit > 0 && f.entries >= f.limit {
		v, _ := e.Get(entity.UpdatedKey)
		f.last = v.Clone()
	}
	return dst, true, err
}

// updated is when an entity was written. One of which that is not known may have
// changed right now.
func (f *feed) updated(e entity.Value) time.Time {
	if ts, ok := e.Get(entity.TSKey); ok {
		if micros, ok := ts.Int64(); ok {
			return time.UnixMicro(micros).UTC()
		}
	}
	v, _ := e.Get(entity.UpdatedKey)
	if at, err := time.Parse(time.RFC3339Nano, string(entity.AppendBare(nil, v))); err == nil {
		return at.UTC()
	}
	return f.now
}

// End implements Document. A feed that was ended by its limit tells where it goes on.
func (f *feed) End(dst []byte) ([]byte, error) {
	var err error
	if since := string(entity.AppendBare(nil, f.last)); !f.last.IsNull() {
		err = f.pointer("next", f.link(f.what, "since", since, "limit", strconv.Itoa(f.limit)))
	}
	return f.take(dst, errors.Join(err, f.xml.EncodeToken(f.start().End())))
}

func (f *feed) pointer(rel, href string) error {
	return f.element("link", atomLink{rel, atomType, href})
}

// fragment is what is so of one resource, on its way to one reader: of one that is
// deleted, or that there is not, nothing.
type fragment struct {
	id      string
	triples *transforms.Triples
}

// Begin implements Document.
func (fragment) Begin(dst []byte) ([]byte, error) { return dst, nil }

// Append implements Document.
func (f fragment) Append(dst []byte, e entity.Value) ([]byte, bool, error) {
	id, _ := entity.ID(e)
	if id != f.id {
		return dst, false, nil
	}
	if entity.Deleted(e) {
		return dst, true, nil
	}
	text, err := f.triples.Of(e)
	if err != nil {
		return dst, false, &sinks.EntityError{ID: f.id, Err: err}
	}
	return append(dst, text...), true, nil
}

// End implements Document.
func (fragment) End(dst []byte) ([]byte, error) { return dst, nil }
