package server

import (
	"net/http"

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

// datasetOf is the dataset a request names.
func datasetOf(r *http.Request) string { return sources.Canonical(r.PathValue("dataset")) }
