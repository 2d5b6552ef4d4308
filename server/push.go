package server

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// maxToken bounds the ids of a push: they are kept.
const maxToken = 1024

// push reads what a request says by the JSON push protocol. What is no full
// sync may say whatever it likes.
func push(r *http.Request, body []byte) (p pipes.Push, err error) {
	if p.Complete, err = completeness(r); err != nil || r.URL.RawQuery == "" {
		return p, err
	}
	q := r.URL.Query()
	p.Sequence, p.Request, p.Previous, p.Body = q.Get("sequence_id"), q.Get("request_id"), q.Get("previous_request_id"), body
	if p.Full, err = flag(q, "is_full"); err != nil || !p.Full {
		return p, err
	}
	if p.First, err = flag(q, "is_first"); err != nil {
		return p, err
	}
	if p.Last, err = flag(q, "is_last"); err != nil {
		return p, err
	}
	if p.Sequence == "" || p.Request == "" {
		return p, errors.New("a full sync (is_full=true) needs sequence_id and request_id")
	}
	if len(p.Sequence) > maxToken || len(p.Request) > maxToken {
		return p, errors.New("sequence_id and request_id have at most " + strconv.Itoa(maxToken) + " bytes")
	}
	return p, nil
}

// flag reads a parameter that is true or false, in any case; false if it is
// missing.
func flag(q url.Values, name string) (bool, error) {
	text := q.Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return false, errors.New(name + " is true or false")
	}
	return v, nil
}

// putEntities writes posted entities to a dataset as they are, past all pipes.
func (s *server) putEntities(w http.ResponseWriter, r *http.Request) {
	dataset := datasetOf(r)
	if strings.HasPrefix(dataset, "system:") {
		fail(w, http.StatusForbidden, "datasets of the node itself take no posts")
		return
	}
	if s.engine.Copied(dataset) {
		fail(w, http.StatusConflict, "the dataset is a copy of another one: it takes no posts")
		return
	}
	if trip, err := s.engine.Trip(r.Context(), dataset); err != nil {
		s.failFor(w, r, err)
		return
	} else if trip != nil {
		fail(w, http.StatusConflict, trip.Why())
		return
	}
	force, err := flag(r.URL.Query(), "force")
	if full, _ := flag(r.URL.Query(), "is_full"); full {
		err = errors.New("a full sync is posted to a receiver, /api/receivers/{pipe}/entities, not to a dataset")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	in := s.intakes.get()
	defer s.intakes.put(in)
	if err := in.read(w, r, s.o.MaxBody); err != nil {
		s.badBody(w, err)
		return
	}
	ops, err := posted(in, force)
	if err != nil {
		unreadable(w, r, in.body, err)
		return
	}
	if _, err = s.engine.Store().Info(r.Context(), dataset); err == nil && len(ops) > 0 {
		var p store.Pending
		p, err = s.engine.Store().Append(r.Context(), &store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: ops}}})
		if err == nil {
			_, err = p.Wait(r.Context())
		}
	}
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	taken(w)
}

// posted makes the changes of a body: one entity, or a list of them. With force
// they are changes even if they equal what is there.
func posted(in *intake, force bool) ([]store.Op, error) {
	v, err := entity.Decode(in.arena, in.body, entity.DecodeOptions{})
	if err != nil {
		return nil, err
	}
	entities := []entity.Value{v}
	if v.Kind() == entity.List {
		entities = v.Elems()
	}
	ops := make([]store.Op, 0, len(entities))
	for i, e := range entities {
		if _, ok := entity.ID(e); !ok {
			return nil, errors.New("entity " + strconv.Itoa(i+1) + " has no _id that is a string")
		}
		ops = append(ops, store.Op{Kind: store.Put, Entity: e, Force: force})
	}
	return ops, nil
}
