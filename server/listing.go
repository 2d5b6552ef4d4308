package server

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
)

// listing is what a caller may ask of a list of entities.
type listing struct {
	q         store.Query
	limit     int  // -1: none
	deleted   bool // tombstones too
	populated bool // or nothing at all
	held      bool // what a circuit breaker holds back too
	subset    string
	index     *dtl.Index // of the subset
}

// has tells whether an entity is in the subset, if one is asked for.
func (l *listing) has(e entity.Value) bool {
	if l.subset == "" {
		return true
	}
	in := false
	if !entity.Deleted(e) {
		l.index.Keys(e, func(key []byte) { in = in || bytes.Equal(key, l.q.Key) })
	}
	return in
}

func parseListing(r *http.Request) (listing, error) {
	l := listing{q: store.Query{Since: store.Start, History: true}, limit: -1, deleted: true}
	params := r.URL.Query()
	flags := map[string]*bool{"history": &l.q.History, "deleted": &l.deleted, "reverse": &l.q.Reverse,
		"populated": &l.populated, "uncommitted": &l.held}
	for name, into := range flags {
		if params.Get(name) == "" {
			continue
		}
		v, err := flag(params, name)
		if err != nil {
			return l, err
		}
		*into = v
	}
	l.deleted = l.deleted || l.q.History // a history is none without them
	if text := params.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return l, errors.New("limit is a whole number")
		}
		l.limit = n
	}
	if text := params.Get("since"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return l, errors.New("since is the _updated of an entity")
		}
		l.q.Since = max(store.Offset(n), store.Start)
	}
	l.subset = params.Get("subset")
	return l, nil
}

// filtered tells whether the newest version of the dataset may be left out.
func (l *listing) filtered() bool { return l.subset != "" || !l.deleted }

// errNoSubset is a subset that the dataset has no index for. Indexes are made
// by pipes, never by requests.
var errNoSubset = errors.New("the dataset has no such subset: an index of the sink, or a pipe that reads the subset, makes it one")

// narrow restricts the list to its subset.
func (l *listing) narrow(lib *dtl.Lib, info store.Info) error {
	if l.subset == "" {
		return nil
	}
	n, bad := jsonpos.Parse("subset", []byte(l.subset))
	if len(bad) > 0 {
		return errors.New("subset is no JSON: " + bad[0].Error())
	}
	s, finds := dtl.CompileSubset(info.Name, n, dtl.Options{Lib: lib})
	if s == nil {
		text := `["eq", <expression over _S.>, <literal>] is expected`
		if len(finds) > 0 {
			text = finds[0].Message
		}
		return errors.New("subset: " + text)
	}
	i := slices.IndexFunc(info.Indexes, func(name string) bool {
		return name == s.Index.Name || strings.HasPrefix(name, s.Index.Name+" in ")
	})
	if i < 0 {
		return errNoSubset
	}
	l.q.Index, l.q.Key, l.index = info.Indexes[i], s.Key, s.Index
	return nil
}
