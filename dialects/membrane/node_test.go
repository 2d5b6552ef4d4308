package membrane_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/dialects/membrane"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems"
	"golang.org/x/tools/txtar"
)

// TestMain is a worker for scripts if it is called as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "js-worker" {
		if err := jsrun.Work(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// node is a folder and the node that serves it.
type node struct {
	t       *testing.T
	dir     string
	store   store.Store
	dialect dialects.Dialect
	api     *httptest.Server // the other side
	broken  atomic.Bool      // it answers with errors
	ahead   atomic.Int64     // how far the store's clock is ahead, in nanoseconds
	back    atomic.Int64     // by how much the node's clock was set back, in nanoseconds
	finds   diag.List
	log     lockedText
	engine  *engine.Engine
	stop    func()
	front   *httptest.Server
	door    atomic.Pointer[http.Handler]
}

// served is what the dialect sees.
type served struct {
	*engine.Engine
	n *node
}

func (s served) Address() string              { return s.n.front.URL }
func (s served) Reload(context.Context) error { return nil }

// unpack writes an archive into a folder, with what is given over it.
func unpack(t testing.TB, dir, archive string, change func(name, text string) string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		write(t, dir, f.Name, change(f.Name, string(f.Data)))
	}
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func asItIs(_, text string) string { return text }

// newNode serves the files of an archive. Its scripts have the time that a busy
// machine needs.
func newNode(t *testing.T, archive string, change func(name, text string) string) *node {
	t.Helper()
	return newNodeWithin(t, archive, change, time.Minute)
}

// newNodeWithin ends scripts that take longer than so long.
func newNodeWithin(t *testing.T, archive string, change func(name, text string) string, limit time.Duration) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir()}
	n.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.broken.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id": %s}`, strings.Split(r.URL.Path, "/")[1])
	}))
	t.Cleanup(n.api.Close)
	unpack(t, n.dir, archive, change)
	st, err := local.Open("mem", local.Options{InMemory: true, Clock: func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	n.store = st
	pool := jsrun.NewPool(jsrun.Options{Time: limit})
	t.Cleanup(pool.Close)
	n.dialect = membrane.With(pool)
	n.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.handler(w, r) }))
	t.Cleanup(n.front.Close)
	n.open()
	t.Cleanup(n.close)
	return n
}

func (n *node) handler(w http.ResponseWriter, r *http.Request) {
	(*n.door.Load()).ServeHTTP(w, r)
}

// open loads the folder and serves it.
func (n *node) open() {
	n.t.Helper()
	sets, err := engine.Standard()
	if err != nil {
		n.t.Fatal(err)
	}
	sets = sets.With(n.dialect.Sources, n.dialect.Transforms, n.dialect.Sinks, n.dialect.Systems)
	c, finds := config.Load([]string{n.dir}, config.Options{Fronts: []config.Front{n.dialect.Front}, Env: map[string]*jsonpos.Node{"api": {Kind: jsonpos.String, Text: n.api.URL}},
		Environ: []string{"SLUICE_SECRET_acme_secret=connector-secret", "SLUICE_SECRET_globex_secret=globex-hidden"}})
	if !finds.HasErrors() {
		finds.Add(engine.Check(n.t.Context(), c, sets)...)
	}
	if n.finds = finds; finds.HasErrors() {
		n.t.Fatal(finds)
	}
	n.engine, err = engine.Open(n.t.Context(), engine.Options{Config: c, Store: n.store, Sets: sets, Now: func() time.Time { return time.Now().Add(-time.Duration(n.back.Load())) },
		Transport: systems.NewTransport(systems.GuardOptions{AllowInternal: true}), Log: slog.New(slog.NewTextHandler(&n.log, nil))})
	if err != nil {
		n.t.Fatal(err)
	}
	var serveErr error
	h := server.New(n.engine, server.Options{More: func(mux *http.ServeMux) {
		n.stop, serveErr = n.dialect.Serve(n.t.Context(), served{n.engine, n}, mux)
	}})
	if serveErr != nil {
		n.t.Fatal(serveErr)
	}
	n.door.Store(&h)
	n.engine.Start()
}

func (n *node) close() {
	n.stop()
	n.engine.Close()
}

// call makes a request and returns status and body.
func (n *node) call(method, at, body string, headers ...string) (int, string) {
	n.t.Helper()
	if !strings.HasPrefix(at, "http") {
		at = n.front.URL + at
	}
	r, err := http.NewRequestWithContext(n.t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// asked is a call of the API whose answer is JSON.
func asked[T any](n *node, method, at string) T {
	n.t.Helper()
	status, text := n.call(method, at, "")
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil || status != http.StatusOK {
		n.t.Fatalf("%s %s: %d %s %v", method, at, status, text, err)
	}
	return v
}

// uri is the address of a webhook.
func (n *node) uri(integration, key string) string {
	n.t.Helper()
	for _, h := range asked[[]map[string]any](n, "GET", "/integrations/"+integration+"/global-webhooks") {
		if h["key"] == key {
			return h["uri"].(string)
		}
	}
	n.t.Fatalf("%s has no webhook %s", integration, key)
	return ""
}

const jsonBody = "application/json"

func (n *node) post(uri, body string) (int, string) {
	n.t.Helper()
	return n.call("POST", uri, body, "Content-Type", jsonBody)
}

// payloads are the payloads in a dataset, in their order, as JSON.
func (n *node) payloads(dataset string) string {
	n.t.Helper()
	page, err := n.store.Read(n.t.Context(), dataset, store.Query{Since: store.Start, Limit: 1000}, entity.NewArena())
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, e := range page.Entities {
		v, _ := e.Get("payload")
		all = append(all, string(entity.AppendPlain(nil, v)))
	}
	return strings.Join(all, " ")
}

// last is the newest entity of a dataset, as JSON.
func (n *node) last(dataset string) string {
	n.t.Helper()
	page, err := n.store.Read(n.t.Context(), dataset, store.Query{Since: store.Start, Limit: 1, Reverse: true}, entity.NewArena())
	if err != nil || len(page.Entities) == 0 {
		return ""
	}
	return string(entity.AppendPlain(nil, page.Entities[0]))
}

// until waits until the answer is what is wanted.
func (n *node) until(what, want string, ask func() string) {
	n.t.Helper()
	var got string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if got = ask(); got == want {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	n.t.Errorf("%s: got %q, want %q", what, got, want)
}

type subscriptionPage struct{ Items []map[string]any }

// subscribed tells the state of each subscription of a connection.
func (n *node) subscribed(connection string) string {
	n.t.Helper()
	var all []string
	for _, s := range asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId="+connection).Items {
		all = append(all, fmt.Sprintf("%v %v %v %v", s["externalEventId"], s["status"], s["globalWebhookKey"], s["globalWebhookEventSelector"]))
	}
	return strings.Join(all, "; ")
}

// ready waits until all subscriptions are.
func (n *node) ready(count int) {
	n.t.Helper()
	n.until("subscriptions", fmt.Sprint(count), func() string {
		good := 0
		for _, s := range asked[subscriptionPage](n, "GET", "/external-event-subscriptions").Items {
			if s["status"] == "subscribed" {
				good++
			}
		}
		return fmt.Sprint(good)
	})
}

// lockedText gathers what several goroutines write.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
