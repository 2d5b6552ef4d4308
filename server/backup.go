package server

import (
	"net/http"

	"github.com/sluiceio/sluice/store"
)

// backup answers a backup of all data, made while the node goes on.
func (s *server) backup(w http.ResponseWriter, r *http.Request) {
	b, ok := s.engine.Store().(store.Backer)
	if !ok {
		fail(w, http.StatusNotImplemented, "this node's store makes no backups of itself")
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Disposition", `attachment; filename="backup.tar"`)
	sent := &patient{w: w, control: http.NewResponseController(w)}
	err := b.Backup(r.Context(), sent)
	switch {
	case err == nil || sent.gone != nil:
	case sent.begun:
		s.o.Log.Error("backup broke off", "error", err)
		s.breakOff(w, r)
	default:
		clear(w.Header())
		s.failFor(w, r, err)
	}
}
