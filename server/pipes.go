package server

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
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
	st, err := s.engine.Status(r.Context(), id)
	if err != nil {
		return nil, err
	}
	p, _ := s.engine.Pipe(id)
	c := s.engine.Component(id)
	runtime, err := s.runtime(r, p, st)
	if err != nil {
		return nil, err
	}
	return only(r.URL.Query().Get("fields"), map[string]any{
		"_id": id, "type": "pipe", "runtime": runtime, "storage": map[string]any{"dataset": p.Output()},
		"config": map[string]any{"original": rawJSON(c.Original.AppendJSON(nil)), "effective": rawJSON(effective(p, c.Effective).AppendJSON(nil))},
	}), nil
}

// only keeps the parts of a pipe that were asked for, if any were.
func only(fields string, pipe map[string]any) map[string]any {
	if fields == "" {
		return pipe
	}
	wanted := strings.Split(fields, ",")
	for _, part := range []string{"runtime", "storage", "config"} {
		if !slices.Contains(wanted, part) {
			delete(pipe, part)
		}
	}
	return pipe
}

// runtime is the state of a pipe's pump.
func (s *server) runtime(r *http.Request, p *pipes.Pipe, st engine.Status) (map[string]any, error) {
	offset, err := p.Offset(r.Context())
	if err != nil {
		return nil, err
	}
	rescanning, _ := s.engine.Rescanning(p.ID())
	outOfSync, err := p.OutOfSync(r.Context())
	if err != nil {
		return nil, err
	}
	runtime := map[string]any{
		"is-rescanning": rescanning,
		"out-of-sync":   append([]string{}, outOfSync...),
		"state":         "Deployed", "is-running": st.Running, "is-disabled": st.Disabled, "is-valid-config": true,
		"config-errors": []any{}, "mode": st.Mode, "last-seen": offset, "queues": s.queues(r, p, offset),
		"why-not-running": st.Why.Text, "why": describeReason(st.Why),
		"supported-operations": operations(), "dependencies": dependsOn(p),
	}
	waiting, dead, err := p.Failures(r.Context())
	if err != nil {
		return nil, err
	}
	runtime["failed-entities"] = map[string]any{"retryable": waiting, "dead": dead}
	if !st.Due.IsZero() {
		runtime["next-run"] = st.Due.UTC().Format(time.RFC3339Nano)
	}
	if st.LastErr != nil {
		runtime["last-error"] = st.LastErr.Error()
	}
	if !st.Last.Start.IsZero() {
		runtime["last-run"] = map[string]any{"started": st.Last.Start.UTC().Format(time.RFC3339Nano), "sync_type": st.Last.Kind,
			"entities": st.Last.Read, "changes": st.Last.Changed, "deleted": st.Last.Deleted}
	}
	return runtime, nil
}

func describeReason(r engine.Reason) map[string]any {
	m := map[string]any{"code": r.Code, "text": r.Text}
	for key, value := range map[string]string{"dataset": r.Dataset, "system": r.System, "pipe": r.Pipe} {
		if value != "" {
			m[key] = value
		}
	}
	return m
}

// queues says how many versions the source has that the pipe has not read, if
// it reads one dataset on from where it was; null where that is not known.
func (s *server) queues(r *http.Request, p *pipes.Pipe, offset string) map[string]any {
	q := map[string]any{"source": nil, "dependencies": s.dependencies(r, p)}
	in := p.Inputs()
	if len(in) != 1 || !p.Pumped() {
		return q
	}
	since := int64(store.Start)
	if offset != "" {
		n, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			return q
		}
		since = n
	}
	if _, last, err := s.engine.Store().Head(r.Context(), in[0]); err == nil {
		q["source"] = max(int64(last)-since, 0)
	}
	return q
}

// dependencies is how much of each tracked dataset has yet to be followed.
func (s *server) dependencies(r *http.Request, p *pipes.Pipe) map[string]any {
	left := map[string]any{}
	followed, err := p.Followed(r.Context())
	for d, at := range followed {
		if _, last, headErr := s.engine.Store().Head(r.Context(), d); err == nil && headErr == nil {
			left[d] = max(last-at, 0)
		}
	}
	return left
}

// rawJSON is JSON text that is written as it stands.
type rawJSON []byte

// MarshalJSON returns the text.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func (s *server) pump(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("pipe")
	p, ok := s.engine.Pipe(id)
	if !ok {
		s.failFor(w, r, engine.ErrNoPipe)
		return
	}
	st, err := s.engine.Status(r.Context(), id)
	if err == nil {
		var runtime map[string]any
		if runtime, err = s.runtime(r, p, st); err == nil {
			reply(w, http.StatusOK, map[string]any{"_id": id, "runtime": runtime})
			return
		}
	}
	s.failFor(w, r, err)
}

// operate carries out an operation of the pump.
func (s *server) operate(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	id := r.PathValue("pipe")
	p, ok := s.engine.Pipe(id)
	if !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(id))
		return
	}
	if err := s.apply(r, id, p, r.Form.Get("operation")); err != nil {
		s.notDone(w, r, err)
		return
	}
	s.pump(w, r)
}

// notDone answers an operation that was not carried out.
func (s *server) notDone(w http.ResponseWriter, r *http.Request, err error) {
	var unknown unknownOperation
	switch {
	case errors.As(err, &unknown), sources.IsOffset(err), errors.Is(err, errNoLastSeen):
		fail(w, http.StatusBadRequest, err.Error())
	case slices.ContainsFunc([]error{store.ErrFull, store.ErrClosed, store.ErrCorrupt}, func(of error) bool { return errors.Is(err, of) }):
		s.failFor(w, r, err)
	default:
		fail(w, http.StatusConflict, err.Error())
	}
}

func (s *server) apply(r *http.Request, id string, p *pipes.Pipe, operation string) error {
	switch operation {
	case "start":
		return s.engine.StartPump(id, false)
	case "start-rescan":
		return s.engine.StartPump(id, true)
	case "reset-rescan":
		return s.engine.ResetRescan(r.Context(), id)
	case "reset-tracking":
		return p.ResetTracking(r.Context())
	case "stop":
		return s.engine.StopPump(id)
	case "enable":
		return s.engine.SetEnabled(r.Context(), id, true, engine.Switch{})
	case "disable":
		return s.engine.SetEnabled(r.Context(), id, false, engine.Switch{By: caller(r), Comment: r.Form.Get("comment")})
	case "update-last-seen":
		if !r.Form.Has("last-seen") {
			return errNoLastSeen
		}
		return p.SetOffset(r.Context(), r.Form.Get("last-seen"))
	default:
		return s.mend(r, id, operation)
	}
}

// caller is who called, as far as a node without authentication can know.
func caller(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "the API"
	}
	return "the API, called from " + host
}

// errNoLastSeen is a reset that nobody may have meant.
var errNoLastSeen = errors.New("last-seen is missing; an empty one resets the pipe")

type unknownOperation string

// Error names the operations there are.
func (u unknownOperation) Error() string {
	if u == "" {
		return "no operation is named: it comes as a form (application/x-www-form-urlencoded), operation=start for example; there are " + strings.Join(operations(), ", ")
	}
	return "there is no operation " + strconv.Quote(string(u)) + ": " + strings.Join(operations(), ", ")
}

// log answers the pipe's execution log, newest event of each kind or all.
func (s *server) log(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.logged(w, r); ok {
		s.list(w, r, pipes.LogDataset(id))
	}
}

// logOptions is entitiesOptions of the execution log.
func (s *server) logOptions(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.logged(w, r); ok {
		s.options(w, r, pipes.LogDataset(id), "GET, HEAD, OPTIONS")
	}
}

// logged is the pipe whose log is asked for; false if it has answered that there is none.
func (s *server) logged(w http.ResponseWriter, r *http.Request) (id string, ok bool) {
	id = r.PathValue("pipe")
	if _, ok = s.engine.Pipe(id); !ok {
		fail(w, http.StatusNotFound, "there is no pipe "+strconv.Quote(id))
	}
	return id, ok
}
