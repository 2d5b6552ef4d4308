package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/pipes"
)

func (s *server) pipes(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	for _, id := range s.engine.Pipes() {
		p, err := s.describe(r, id)
		if err != nil {
			s.failFor(w, r, err)
			return
		}
		all = append(all, p)
	}
	reply(w, http.StatusOK, all)
}

func (s *server) pipe(w http.ResponseWriter, r *http.Request) {
	p, err := s.describe(r, r.PathValue("pipe"))
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	reply(w, http.StatusOK, p)
}

// describe is a pipe as the API shows it: configuration and runtime.
func (s *server) describe(r *http.Request, id string) (map[string]any, error) {
	st, err := s.engine.Status(id)
	if err != nil {
		return nil, err
	}
	p, _ := s.engine.Pipe(id)
	c := s.engine.Component(id)
	offset, err := p.Offset(r.Context())
	if err != nil {
		return nil, err
	}
	runtime := map[string]any{
		"is-running": st.Running, "is-disabled": st.Disabled, "is-valid-config": true, "mode": st.Mode,
		"why-not-running": st.Why, "last-seen": offset,
		"supported-operations": []string{"start", "start-rescan", "stop", "enable", "disable", "update-last-seen"},
	}
	if st.LastErr != nil {
		runtime["last-error"] = st.LastErr.Error()
	}
	if !st.Last.Start.IsZero() {
		runtime["last-run"] = map[string]any{"started": st.Last.Start.UTC().Format(time.RFC3339Nano), "sync_type": st.Last.Kind,
			"entities": st.Last.Read, "changes": st.Last.Changed, "deleted": st.Last.Deleted}
	}
	return map[string]any{
		"_id": id, "type": "pipe", "runtime": runtime, "storage": map[string]any{"dataset": p.Output()},
		"config": map[string]any{"original": rawJSON(c.Original.AppendJSON(nil)), "effective": rawJSON(c.Effective.AppendJSON(nil))},
	}, nil
}

// rawJSON is JSON text that is written as it stands.
type rawJSON []byte

// MarshalJSON returns the text.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func (s *server) pump(w http.ResponseWriter, r *http.Request) {
	p, err := s.describe(r, r.PathValue("pipe"))
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	reply(w, http.StatusOK, p["runtime"])
}

// operate carries out an operation of the pump.
func (s *server) operate(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "a form with an operation is expected")
		return
	}
	id := r.PathValue("pipe")
	p, ok := s.engine.Pipe(id)
	if !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(id))
		return
	}
	if err := s.apply(r, id, p, r.Form.Get("operation")); err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	s.pump(w, r)
}

func (s *server) apply(r *http.Request, id string, p *pipes.Pipe, operation string) error {
	switch operation {
	case "start":
		return s.engine.StartPump(id, false)
	case "start-rescan":
		return s.engine.StartPump(id, true)
	case "stop":
		return s.engine.StopPump(id)
	case "enable":
		return s.engine.SetEnabled(r.Context(), id, true, "")
	case "disable":
		return s.engine.SetEnabled(r.Context(), id, false, r.Form.Get("comment"))
	case "update-last-seen":
		return p.SetOffset(r.Context(), r.Form.Get("last-seen"))
	default:
		return unknownOperation(operation)
	}
}

type unknownOperation string

// Error names the operations there are.
func (u unknownOperation) Error() string {
	return "there is no operation " + strconv.Quote(string(u)) + ": start, start-rescan, stop, enable, disable, update-last-seen"
}

// log answers the pipe's execution log, newest event of each kind or all.
func (s *server) log(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("pipe")
	if _, ok := s.engine.Pipe(id); !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(id))
		return
	}
	s.list(w, r, pipes.LogDataset(id), true)
}
