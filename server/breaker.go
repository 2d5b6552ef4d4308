package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/sinks"
)

// operateDataset carries out an operation on a dataset.
func (s *server) operateDataset(w http.ResponseWriter, r *http.Request) {
	asked := operation(w, r, "commit-circuit-breaker", "rollback-circuit-breaker")
	if asked == "" {
		return
	}
	err := s.engine.ResolveTrip(r.Context(), r.PathValue("dataset"), asked == "commit-circuit-breaker")
	switch {
	case errors.Is(err, sinks.ErrNotTripped):
		fail(w, http.StatusConflict, err.Error())
	case err != nil:
		s.failFor(w, r, err)
	default:
		s.dataset(w, r)
	}
}

// describeTrip is a dataset's circuit breaker; nil if it has not tripped.
func describeTrip(t *sinks.Trip) any {
	if t == nil {
		return nil
	}
	return map[string]any{"tripped": true, "why": t.Why(), "pipe": t.Pipe, "at": t.At.UTC().Format(time.RFC3339),
		"changes": t.Changes, "limit": t.Limit, "uncommitted": sinks.Uncommitted(t.Dataset)}
}
