package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/sluiceio/sluice/store"
)

// dropDataset deletes a dataset.
func (s *server) dropDataset(w http.ResponseWriter, r *http.Request) {
	s.dropped(w, r, s.engine.DropDataset(r.Context(), datasetOf(r)))
}

// dropSinkDatasets deletes what pipes have written, so that they all begin anew.
func (s *server) dropSinkDatasets(w http.ResponseWriter, r *http.Request) {
	s.dropped(w, r, s.engine.DropSinkDatasets(r.Context()))
}

func (s *server) dropped(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	taken(w)
}

// indexes tells of a dataset's indexes.
func (s *server) indexes(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	info, err := s.engine.Store().Info(r.Context(), datasetOf(r))
	if x, able := s.engine.Store().(store.Indexed); able && err == nil {
		var known []store.IndexInfo
		known, err = x.Indexes(r.Context(), info.Name)
		for _, i := range known {
			all = append(all, map[string]any{"_id": strconv.FormatUint(uint64(i.Number), 10), "index_int_id": i.Number, "expression": i.Name,
				"version": 2, "max-updated": int64(i.UpTo), "in-use": i.InUse})
		}
	}
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	reply(w, http.StatusOK, all)
}

// dropIndex deletes an index that nobody uses. Others would only be made anew.
func (s *server) dropIndex(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("index"), 10, 32)
	if err != nil {
		fail(w, http.StatusBadRequest, "an index is named by its index_int_id, a whole number")
		return
	}
	err = store.ErrNoIndex
	if x, able := s.engine.Store().(store.Indexed); able {
		err = x.DropIndex(r.Context(), datasetOf(r), uint32(number))
	}
	if errors.Is(err, store.ErrInUse) {
		fail(w, http.StatusConflict, err.Error()+": a pipe has asked for it since the node was started; it can be deleted when the node was started without that pipe")
		return
	}
	s.dropped(w, r, err)
}
