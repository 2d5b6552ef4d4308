package pipeforce

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/textdist"
)

// correlationHeader names the result of a call.
const correlationHeader = "pipeforce-result-correlationid"

// doors adds what callers call.
func (s *service) doors(mux *http.ServeMux) {
	for pattern, door := range map[string]http.HandlerFunc{
		"/api/v3/webhook.receive":         s.receive,
		"/api/v3/command/webhook.receive": s.receive,
		"/api/v3/command/{name}":          s.command,
		"GET /api/v3/result":              s.result,
		"GET /api/v3/outbound/{id}":       s.outbound,
	} {
		mux.HandleFunc(pattern, s.open(door))
	}
}

// open is a door behind which all is ready.
func (s *service) open(door http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.begin(); err != nil {
			s.storeFailed(w, err)
			return
		}
		door(w, r)
	}
}

// answer writes a value as JSON.
func respond(w http.ResponseWriter, status int, v entity.Value) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	data := append(entity.AppendPlain(nil, v), '\n')
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // who hung up hears nothing
}

// statusName is a status as error results spell it.
func statusName(status int) string {
	return strings.ReplaceAll(strings.ToUpper(http.StatusText(status)), " ", "_")
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, kind, message string) {
	respond(w, status, errorResult(status, entity.NewDict(text("type", kind), member("statusCode", entity.NewInt(int64(status))),
		text("message", strings.ToValidUTF8(message, "\uFFFD")), text("uuid", newUUID()))))
}

func errorResult(status int, v entity.Value) entity.Value {
	return entity.NewDict(text("status", "error"), member("statusCode", entity.NewInt(int64(status))), text("statusMessage", statusName(status)), member("value", v))
}

// failed answers for an error: what the caller did wrong, or that the node could
// not.
func (s *service) failed(w http.ResponseWriter, err error) {
	var p *problem
	if errors.As(err, &p) {
		refuse(w, p.status, p.kind, p.Error())
		return
	}
	s.log.Error("a command failed", "error", err)
	refuse(w, http.StatusInternalServerError, "PipelineException", err.Error())
}

// storeFailed answers for a store that does not take what came.
func (s *service) storeFailed(w http.ResponseWriter, err error) {
	s.log.Error("the store does not answer", "error", err)
	refuse(w, http.StatusServiceUnavailable, "ServiceUnavailableException", "the node cannot store anything now; try again later")
}

// readOnly are commands that may be called by GET: what changes something must
// not be done by an address that a page links to.
func readOnly() []string {
	return []string{"webhook.get", "webhook.receive.logs", "async.get", "async.poll", "async.list"}
}

// mostCommandBody bounds the body of a command.
const mostCommandBody = 4 << 20

// command runs a command for whoever may.
func (s *service) command(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	cmd, _ := find(name)
	switch {
	case cmd == nil:
		message := "there is no command " + strconv.Quote(name)
		if near := textdist.Nearest(name, names()); near != "" {
			message += "; did you mean " + strconv.Quote(near) + "?"
		}
		refuse(w, http.StatusNotFound, "CommandNotFoundException", message)
		return
	case !cmd.door:
		refuse(w, http.StatusBadRequest, "CommandException", cmd.name+" can be used in pipelines only")
		return
	case r.Method != http.MethodPost && (r.Method != http.MethodGet || !slices.Contains(readOnly(), cmd.name)):
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowedException", cmd.name+" is called by POST")
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who, ok := s.rt.hub.caller(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "AuthenticationException", "the command needs the token of a user")
		return
	}
	x := &exec{rt: s.rt, user: who, vars: entity.NewDict(), headers: entity.NewDict(), request: entity.NewDict()}
	a, err := s.params(w, r, cmd, x)
	if err == nil {
		var out entity.Value
		if out, err = x.command(r.Context(), cmd, a); err == nil {
			respond(w, http.StatusOK, out)
			return
		}
	}
	s.failed(w, err)
}

// params reads the parameters of a call from its address and from a form, and the
// body from anything else.
func (s *service) params(w http.ResponseWriter, r *http.Request, cmd *command, x *exec) (args, error) {
	a := args{values: map[string]entity.Value{}}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostCommandBody))
	if err != nil {
		return a, problemf(http.StatusRequestEntityTooLarge, "PayloadException", "the body is larger than %d bytes, or did not arrive whole", mostCommandBody)
	}
	query := r.URL.Query()
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" {
		form, _, err := formOf(data)
		if err != nil {
			return a, err
		}
		for name, values := range form {
			query[name] = append(query[name], values...)
		}
	} else if x.body, err = readBody(r.Header.Get("Content-Type"), data); err != nil {
		return a, problemf(http.StatusBadRequest, "PayloadException", "the body cannot be read: %v", err)
	}
	for name, values := range query {
		p, ok := cmd.param(name)
		switch {
		case !ok || p.raw || slices.Contains([]string{"id", "if", "onError"}, p.name):
			return a, badParam(strconv.Quote(name), "is none of %s", strings.Join(callable(cmd), ", "))
		case len(values) > 1:
			return a, badParam(name, "is given more than once")
		}
		a.values[p.name] = entity.NewString(strings.ToValidUTF8(values[0], "\uFFFD"))
	}
	for _, p := range cmd.params {
		if _, given := a.values[p.name]; p.required && !given {
			return a, badParam(p.name, "is missing")
		}
	}
	return a, nil
}

// callable are the parameters that a command has over HTTP.
func callable(cmd *command) (all []string) {
	for _, p := range cmd.params {
		if !p.raw {
			all = append(all, p.name)
		}
	}
	return all
}

const (
	longestPoll = 25 * time.Second // that wait=true waits
	holdPoll    = 3 * time.Second  // before it is redirected again
)

// result answers whoever asks for a result.
func (s *service) result(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id := query.Get("correlationId")
	if id == "" {
		refuse(w, http.StatusBadRequest, "ParameterException", "the parameter correlationId is missing")
		return
	}
	found, err := s.rt.result(r.Context(), id)
	switch {
	case err != nil:
		s.storeFailed(w, err)
		return
	case found == nil:
		s.gone(w, id)
		return
	}
	redirect := found.redirect
	if given := query.Get("pollingRedirectEnabled"); given != "" {
		redirect = strings.EqualFold(given, "true")
	}
	if found.finished.IsZero() {
		wait := strings.EqualFold(query.Get("wait"), "true")
		switch {
		case redirect:
			found = s.await(r, found, holdPoll)
		case s.polls.tooSoon(id, s.rt.now()):
			w.Header().Set("Retry-After", "3")
			refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", "ask for a result every three seconds at the most")
			return
		case wait:
			found = s.await(r, found, longestPoll)
		}
	}
	s.tell(w, r, found, redirect)
}

func (s *service) gone(w http.ResponseWriter, id string) {
	respond(w, http.StatusGone, entity.NewDict(text("correlationId", strings.ToValidUTF8(id, "\uFFFD")), member("statusCode", entity.NewInt(http.StatusGone)),
		text("statusMessage", "Gone"), member("created", entity.NewInt(s.rt.now().UnixMilli()))))
}

// await waits until a result is finished, or for so long.
func (s *service) await(r *http.Request, found *result, most time.Duration) *result {
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	for {
		next := s.news.next()
		now, err := s.rt.result(r.Context(), found.id)
		if err != nil || now == nil {
			return found
		}
		if found = now; !found.finished.IsZero() {
			return found
		}
		select {
		case <-next:
		case <-timeout.C:
			return found
		case <-r.Context().Done():
			return found
		}
	}
}

// tell answers with a result as far as it is known.
func (s *service) tell(w http.ResponseWriter, r *http.Request, found *result, redirect bool) {
	w.Header().Set(correlationHeader, found.id)
	switch {
	case found.finished.IsZero() && redirect:
		toResult(w, found.id)
		respond(w, http.StatusFound, found.shown(true))
		return
	case found.finished.IsZero():
		respond(w, http.StatusAccepted, found.shown(true))
		return
	}
	if found.fetched.IsZero() {
		if err := s.rt.mark(r.Context(), found.id+"~fetched"); err != nil {
			s.storeFailed(w, err)
			return
		}
	}
	if found.status == "error" {
		respond(w, http.StatusInternalServerError, errorResult(http.StatusInternalServerError, found.value))
		return
	}
	respond(w, http.StatusOK, found.shown(true))
}

// toResult leads a caller to where the result will be.
func toResult(w http.ResponseWriter, id string) {
	w.Header().Set("Location", "/api/v3/result?correlationId="+id+"&pollingRedirectEnabled=true")
	w.Header().Set("Retry-After", "3")
}

// outbound hands out a payload that was kept for a pipeline.
func (s *service) outbound(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if len(id) > mostToken {
		s.gone(w, "")
		return
	}
	found, err := s.rt.get(r.Context(), outboundDataset, digest(id))
	switch {
	case err != nil:
		s.storeFailed(w, err)
		return
	case found[0].IsNull() || s.rt.now().Sub(moment(found[0], "at")) > outboundFor:
		s.gone(w, "")
		return
	}
	body, _ := found[0].Get("body")
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if kind := str(found[0], "contentType"); kind != "" {
		h.Set("pipeforce-content-type", kind)
	}
	h.Set("Content-Disposition", "attachment")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body.Octets()) // who hung up hears nothing
}
