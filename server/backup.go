package server

import (
	"net/http"

	"github.com/sluiceio/sluice/store"
)

// backup answers a backup of all data, made while the node goes on. One that
// breaks off is told by the tar file's missing end.
func (s *server) backup(w http.ResponseWriter, r *http.Request) {
	b, ok := s.engine.Store().(store.Backer)
	if !ok {
		fail(w, http.StatusNotImplemented, "this node's store makes no backups of itself")
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Disposition", `attachment; filename="backup.tar"`)
	if err := b.Backup(r.Context(), w); err != nil {
		s.o.Log.Error("backup broke off", "error", err)
		// The status has been sent: only a broken connection tells.
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	}
}
