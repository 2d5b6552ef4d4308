package server

import (
	"net/http"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
)

// takenAs answers with what became of the one entity that was posted, whose _updated
// its sender needs for the next change; false if that cannot be told.
func (s *server) takenAs(w http.ResponseWriter, r *http.Request, dataset string, in *intake) bool {
	if len(in.batch.Entities) != 1 {
		return false
	}
	id, _ := entity.ID(in.batch.Entities[0])
	is, err := s.engine.Store().Get(r.Context(), dataset, []string{id}, entity.NewArena())
	if err != nil || is[0].IsNull() {
		return false // it is stored all the same
	}
	entities(w, http.StatusOK, entity.Member{Key: "updated_entity", Value: is[0]})
	return true
}

// behind answers a sender that has not seen the stored version, with all it needs to
// merge: what it has seen, what it sent and what is there.
func behind(w http.ResponseWriter, o *sinks.OutdatedError) {
	members := []entity.Member{
		{Key: "error", Value: entity.NewDict(
			entity.Member{Key: "status", Value: entity.NewInt(http.StatusConflict)},
			entity.Member{Key: "message", Value: entity.NewString(o.Error())})},
		{Key: "input_entity", Value: o.Input},
	}
	if !o.Existing.IsNull() {
		members = append(members, entity.Member{Key: "existing_entity", Value: o.Existing})
	}
	if !o.Ancestor.IsNull() {
		members = append(members, entity.Member{Key: "common_ancestor_entity", Value: o.Ancestor})
	}
	entities(w, http.StatusConflict, members...)
}

// entities writes an answer that holds entities.
func entities(w http.ResponseWriter, status int, members ...entity.Member) {
	body := append(entity.AppendJSON(nil, entity.NewDict(members...)), '\n')
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = jsonType, noSniff
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body)
}
