package server

import (
	"bufio"
	"errors"
	"net/http"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

func (s *server) datasets(w http.ResponseWriter, r *http.Request) {
	infos, err := s.engine.Store().Datasets(r.Context())
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	all := []any{}
	for _, i := range infos {
		all = append(all, describeDataset(i))
	}
	reply(w, http.StatusOK, all)
}

func (s *server) dataset(w http.ResponseWriter, r *http.Request) {
	info, err := s.engine.Store().Info(r.Context(), datasetOf(r))
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	trip, err := s.engine.Trip(r.Context(), info.Name)
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	about := describeDataset(info)
	if trip != nil {
		about["circuit-breaker"] = describeTrip(trip)
	}
	reply(w, http.StatusOK, about)
}

func describeDataset(i store.Info) map[string]any {
	return map[string]any{"_id": i.Name, "runtime": map[string]any{
		"populated": i.Populated, "generation": i.Generation, "max-updated": int64(i.Last),
		"count-log": i.Versions, "count-index-exists": i.Live, "count-index-deleted": i.Deleted, "bytes": i.Bytes}}
}

// entities answers the entities of a dataset as one JSON list.
func (s *server) entities(w http.ResponseWriter, r *http.Request) {
	s.list(w, r, datasetOf(r), true)
}

// listing is what a caller may ask of a list of entities.
type listing struct {
	q       store.Query
	limit   int
	deleted bool
}

func parseListing(r *http.Request, history bool) (listing, error) {
	l := listing{q: store.Query{Since: store.Start, History: history}, limit: -1, deleted: true}
	flags := map[string]*bool{"history": &l.q.History, "deleted": &l.deleted, "reverse": &l.q.Reverse}
	for name, into := range flags {
		if text := r.URL.Query().Get(name); text != "" {
			v, err := strconv.ParseBool(text)
			if err != nil {
				return l, errors.New(name + " is true or false")
			}
			*into = v
		}
	}
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return l, errors.New("limit is a whole number")
		}
		l.limit = n
	}
	if text := r.URL.Query().Get("since"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return l, errors.New("since is the _updated of an entity")
		}
		l.q.Since = store.Offset(n)
	}
	return l, nil
}

// list streams entities page by page, so that a dataset of any size costs the
// memory of a page.
func (s *server) list(w http.ResponseWriter, r *http.Request, dataset string, history bool) {
	l, err := parseListing(r, history)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	info, err := s.engine.Store().Info(r.Context(), dataset)
	if errors.Is(err, store.ErrNoDataset) && len(dataset) > 7 && dataset[:7] == "system:" {
		reply(w, http.StatusOK, []any{}) // nothing has happened yet
		return
	}
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Dataset-Populated", strconv.FormatBool(info.Populated))
	h.Set("X-Dataset-Max-Updated", strconv.FormatInt(int64(info.Last), 10))
	h.Set("X-Dataset-Generation", info.Generation)
	if at, ok, err := s.engine.Completeness().Of(r.Context(), dataset, dataset); ok && err == nil {
		h.Set("X-Dataset-Completeness", strconv.FormatInt(at, 10))
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := s.stream(r, out, dataset, l); err != nil {
		// The list stays open: a reader sees that it is not whole.
		s.o.Log.Error("list ended early", "dataset", dataset, "error", err)
		panic(http.ErrAbortHandler)
	}
	if out.Flush() != nil {
		return
	}
}

func (s *server) stream(r *http.Request, out *bufio.Writer, dataset string, l listing) error {
	out.WriteByte('[')
	arena, first := entity.NewArena(), true
	var buf []byte
	for left := l.limit; left != 0; {
		l.q.Limit = 500
		if left > 0 {
			l.q.Limit = min(500, left)
		}
		arena.Reset()
		page, err := s.engine.Store().Read(r.Context(), dataset, l.q, arena)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if !l.deleted && entity.Deleted(e) {
				continue
			}
			if !first {
				out.WriteByte(',')
			}
			first = false
			buf = entity.AppendJSON(buf[:0], e)
			if _, err := out.Write(buf); err != nil {
				return nil // the caller has gone away
			}
			if left > 0 {
				left--
			}
		}
		if page.End {
			break
		}
		l.q.Since = page.Next
	}
	out.WriteString("]\n")
	return nil
}

// entity answers the latest version of one entity.
func (s *server) entity(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("entity_id")
	if id == "" {
		fail(w, http.StatusBadRequest, "entity_id is missing")
		return
	}
	found, err := s.engine.Store().Get(r.Context(), datasetOf(r), []string{id}, entity.NewArena())
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if len(found) == 0 || found[0].IsNull() {
		if found, err = s.byIDs(r, datasetOf(r), id); err != nil {
			s.failFor(w, r, err)
			return
		}
	}
	if len(found) == 0 || found[0].IsNull() {
		fail(w, http.StatusNotFound, "there is no such entity")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(entity.AppendJSON(nil, found[0]), '\n'))
}

// datasetOf is the dataset a request names.
func datasetOf(r *http.Request) string { return sources.Canonical(r.PathValue("dataset")) }
