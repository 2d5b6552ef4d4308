package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// wanted is what a caller may ask of one entity.
type wanted struct {
	dataset, id string
	at          *store.Offset // the version there; nil is the latest
	listing
}

func parseWanted(r *http.Request) (want wanted, err error) {
	params := r.URL.Query()
	want.dataset, want.id = datasetOf(r), params.Get("entity_id")
	if id := r.PathValue("entity"); id != "" {
		want.id = id
	}
	if want.id == "" {
		return want, errors.New("entity_id is missing")
	}
	if text := params.Get("offset"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return want, errors.New("offset is the _updated of an entity")
		}
		want.at = (*store.Offset)(&n)
	}
	if params.Get("uncommitted") != "" {
		want.held, err = flag(params, "uncommitted")
	}
	want.subset = params.Get("subset")
	return want, err
}

// entity answers one version of one entity: the latest unless another is asked for.
func (s *server) entity(w http.ResponseWriter, r *http.Request) {
	want, err := parseWanted(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	info, err := s.engine.Store().Info(r.Context(), want.dataset)
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if !s.narrowed(w, &want.listing, info) {
		return
	}
	e, err := s.find(r, &want)
	switch {
	case err != nil:
		s.failFor(w, r, err)
	case e.IsNull() || !want.has(e):
		fail(w, http.StatusNotFound, "there is no such entity")
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(entity.AppendJSON(nil, systems.Outward(e)), '\n'))
	}
}

// find returns the version that is asked for, null if there is none.
func (s *server) find(r *http.Request, want *wanted) (entity.Value, error) {
	ctx, st, a := r.Context(), s.engine.Store(), entity.NewArena()
	if want.at != nil {
		e, err := st.GetAt(ctx, want.dataset, *want.at, a)
		if id, _ := entity.ID(e); err == nil && id == want.id {
			return e, nil
		}
		return entity.Value{}, err
	}
	if want.held {
		found, err := st.Get(ctx, sinks.Uncommitted(want.dataset), []string{want.id}, a)
		if err != nil && !errors.Is(err, store.ErrNoDataset) || err == nil && !found[0].IsNull() {
			return first(found), err
		}
	}
	found, err := st.Get(ctx, want.dataset, []string{want.id}, a)
	if err == nil && found[0].IsNull() {
		found, err = s.byIDs(r, want.dataset, want.id)
	}
	return first(found), err
}

func first(found []entity.Value) entity.Value {
	if len(found) == 0 {
		return entity.Value{}
	}
	return found[0]
}
