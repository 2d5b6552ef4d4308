// Package server is the node's HTTP door: receivers and the node API, thin
// over the engine.
package server

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// Options bound what callers may do.
type Options struct {
	// MaxBody bounds a posted body, in bytes; 0 means 104857600.
	MaxBody int64
	// Log receives what operators should know.
	Log *slog.Logger
	// More adds doors to those of the node.
	More func(mux *http.ServeMux)
}

type server struct {
	engine  *engine.Engine
	o       Options
	intakes intakes
	// editions are the documents being made for readers.
	editions chan struct{}
	// rdf is held by who takes in much RDF.
	rdf chan struct{}
}

// New returns the handler of a node in developer mode: everybody who can reach
// it may call everything, so it must be bound to a loopback address only.
// Pages of other sites cannot use the caller's browser to reach it.
func New(e *engine.Engine, o Options) http.Handler {
	if o.MaxBody == 0 {
		o.MaxBody = 104857600
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{engine: e, o: o, editions: make(chan struct{}, mostEditions), rdf: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/{$}", s.node)
	mux.HandleFunc("GET /api/health", s.health)
	mux.HandleFunc("POST /api/receivers/{pipe}/entities", func(w http.ResponseWriter, r *http.Request) { s.receive(w, r, r.PathValue("pipe")) })
	mux.HandleFunc("/api/receivers/{pipe}/entities", s.knock)
	mux.HandleFunc("POST /api/receivers/{pipe}/sdshare-push-receiver", s.receiveTriples)
	mux.HandleFunc("/api/receivers/{pipe}/sdshare-push-receiver", onlyPosts)
	mux.HandleFunc("GET /api/pipes", s.pipes)
	mux.HandleFunc("GET /api/pipes/{pipe}", s.pipe)
	mux.HandleFunc("GET /api/pipes/{pipe}/pump", s.pump)
	mux.HandleFunc("POST /api/pipes/{pipe}/pump", s.operate)
	mux.HandleFunc("GET /api/pipes/{pipe}/log", s.log)
	mux.HandleFunc("OPTIONS /api/pipes/{pipe}/log", s.logOptions)
	mux.HandleFunc("POST /api/pipes/delete-all-sink-datasets", s.dropSinkDatasets)
	mux.HandleFunc("POST /api/pipes/{pipe}/webhook", s.signal)
	mux.HandleFunc("GET /api/backup", s.backup)
	mux.HandleFunc("GET /api/datasets", s.datasets)
	mux.HandleFunc("GET /api/datasets/{dataset}", s.dataset)
	mux.HandleFunc("POST /api/datasets/{dataset}", s.operateDataset)
	mux.HandleFunc("DELETE /api/datasets/{dataset}", s.dropDataset)
	mux.HandleFunc("GET /api/datasets/{dataset}/indexes", s.indexes)
	mux.HandleFunc("DELETE /api/datasets/{dataset}/indexes/{index}", s.dropIndex)
	mux.HandleFunc("GET /api/datasets/{dataset}/entities", s.entities)
	mux.HandleFunc("OPTIONS /api/datasets/{dataset}/entities", s.entitiesOptions)
	mux.HandleFunc("POST /api/datasets/{dataset}/entities", s.putEntities)
	mux.HandleFunc("GET /api/datasets/{dataset}/entity", s.entity)
	mux.HandleFunc("GET /api/datasets/{dataset}/entities/{entity...}", s.entity) // as it was called before
	s.publish(mux)
	s.sdshare(mux)
	s.hooks(mux)
	s.hookPages(mux)
	if o.More != nil {
		o.More(mux)
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is no "+r.Method+" "+r.URL.Path+besides(r.URL.Path))
	})
	return localOnly(http.NewCrossOriginProtection().Handler(s.posts(mux)))
}

// besides names the address that somebody may have meant who wants to post to a
// receiver.
func besides(path string) string {
	rest, ok := strings.CutPrefix(path, "/api/receivers/")
	pipe, _, _ := strings.Cut(rest, "/")
	if !ok || pipe == "" {
		return ""
	}
	return "; entities are posted to /api/receivers/" + pipe + "/entities"
}

// localOnly refuses requests that came here by a name other than this
// machine's own: a page that had its name point here would look local else.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if host != "localhost" && host != "127.0.0.1" {
			if ip := net.ParseIP(strings.Trim(host, "[]")); ip == nil || !ip.IsLoopback() {
				fail(w, http.StatusForbidden, "this node answers to its loopback address only")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) node(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"status": map[string]any{"developer_mode": true}})
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	if _, err := s.engine.Store().Datasets(r.Context()); err != nil {
		fail(w, http.StatusServiceUnavailable, "the store does not answer")
		return
	}
	reply(w, http.StatusOK, map[string]any{"status": "ok"})
}

// reply writes a JSON answer.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A caller that has gone away is nobody's error.
	_ = json.NewEncoder(w).Encode(body)
}

// fail writes an error answer: a sentence fit for the caller's eyes.
func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"error": map[string]any{"status": status, "message": message}})
}

// failFor answers an error of the engine or the store.
func (s *server) failFor(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, engine.ErrNoPipe), errors.Is(err, store.ErrNoDataset), errors.Is(err, store.ErrNoIndex):
		fail(w, http.StatusNotFound, err.Error())
	case errors.Is(err, engine.ErrRunning), errors.Is(err, engine.ErrOwn), errors.Is(err, store.ErrConflict), errors.Is(err, pipes.ErrFixedOffset):
		fail(w, http.StatusConflict, err.Error())
	case errors.Is(err, engine.ErrNotReceiver), errors.Is(err, pipes.ErrNotPublisher):
		fail(w, http.StatusMethodNotAllowed, err.Error())
	case errors.Is(err, engine.ErrDisabled), errors.Is(err, store.ErrClosed):
		fail(w, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, store.ErrTooLarge):
		fail(w, http.StatusRequestEntityTooLarge, err.Error())
	case errors.Is(err, store.ErrFull):
		fail(w, http.StatusInsufficientStorage, err.Error())
	default:
		s.o.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		fail(w, http.StatusInternalServerError, "the node could not do it; its log says why")
	}
}
