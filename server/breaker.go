package server

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/sinks"
)

// operateDataset carries out an operation on a dataset.
func (s *server) operateDataset(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "a form with an operation is expected")
		return
	}
	operation := r.Form.Get("operation")
	if operation != "commit-circuit-breaker" && operation != "rollback-circuit-breaker" {
		fail(w, http.StatusBadRequest, "there is no operation "+strconv.Quote(operation)+": commit-circuit-breaker, rollback-circuit-breaker")
		return
	}
	err := s.engine.ResolveTrip(r.Context(), r.PathValue("dataset"), operation == "commit-circuit-breaker")
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
