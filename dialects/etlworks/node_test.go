package etlworks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/dialects/etlworks"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store/local"
)

const (
	adminSecret = "an-example-secret-for-administrators"
	address     = "http://127.0.0.1:9042"
)

var library = sync.OnceValues(engine.Standard)

// got is a request that a receiver got.
type got struct {
	at     time.Time
	method string
	header http.Header
	body   string
}

func (g got) event() string { return g.header.Get("X-Etl-Webhook-Event") }
func (g got) id() string    { return g.header.Get("X-Etl-Webhook-Event-Id") }

// receivers answer by host; those that are not named answer 200.
type receivers struct {
	mu     sync.Mutex
	got    map[string][]got
	answer map[string]func(q *http.Request, n int) (*http.Response, error)
}

func (r *receivers) RoundTrip(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = io.ReadAll(q.Body); err != nil {
			return nil, err
		}
	}
	host := q.URL.Hostname()
	r.mu.Lock()
	r.got[host] = append(r.got[host], got{time.Now(), q.Method, q.Header.Clone(), string(body)})
	n, f := len(r.got[host]), r.answer[host]
	r.mu.Unlock()
	if f == nil {
		return answer(200)
	}
	return f(q, n)
}

func (r *receivers) of(host string) []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[host])
}

func answer(status int, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("as you wish"))}, nil
}

// node is a node with the dialect, as the command line serves it.
type node struct {
	*engine.Engine
	t       testing.TB
	st      *local.Store
	conf    string
	secrets []string
	out     http.RoundTripper
	door    http.Handler
	stop    func()
}

func newNode(t testing.TB, conf string, out http.RoundTripper) *node {
	t.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, st: st, conf: conf, out: out, secrets: []string{"SLUICE_SECRET_" + etlworks.AdminSecret + "=" + adminSecret}}
	n.start()
	return n
}

func (n *node) close() {
	n.stop()
	n.Engine.Close()
	if err := n.st.Close(); err != nil {
		n.t.Error(err)
	}
}

// load reads the configuration with what stands in the store.
func (n *node) load(ctx context.Context) (engine.Options, error) {
	sets, err := library()
	if err != nil {
		return engine.Options{}, err
	}
	d := etlworks.Dialect()
	more, finds := d.Stored(ctx, n.st)
	c, others := config.Parse("test.conf.json", []byte(n.conf), config.Options{Environ: n.secrets, More: more})
	finds.Add(others...)
	sets = sets.With(d.Sources, d.Transforms, d.Sinks, d.Systems)
	if !finds.HasErrors() {
		finds.Add(engine.Check(ctx, c, sets)...)
	}
	if finds.HasErrors() {
		return engine.Options{}, fmt.Errorf("%v", finds)
	}
	c.Secrets.Beside(d.Secrets(context.WithoutCancel(ctx), n.st, func(name string) (string, bool) { return c.Secrets.Lookup("", name) }))
	return engine.Options{Config: c, Store: n.st, Sets: sets, Transport: n.out, Log: slog.New(slog.NewTextHandler(n.t.Output(), nil))}, nil
}

func (n *node) start() {
	n.t.Helper()
	o, err := n.load(n.t.Context())
	if err == nil {
		err = n.open(o)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) open(o engine.Options) error {
	e, err := engine.Open(n.t.Context(), o)
	if err != nil {
		return err
	}
	n.Engine = e
	// The dialect keeps the node that it was given.
	served := &node{Engine: e, t: n.t, st: n.st}
	n.door = server.New(e, server.Options{More: func(mux *http.ServeMux) {
		n.stop, err = etlworks.Dialect().Serve(n.t.Context(), reloading{served, n}, mux)
	}})
	e.Start()
	return err
}

// reloading is the node as the dialect sees it.
type reloading struct {
	*node
	whole *node
}

func (r reloading) Address() string { return address }

func (r reloading) Reload(ctx context.Context) error { return r.whole.reload(ctx) }

func (n *node) reload(ctx context.Context) error {
	o, err := n.load(ctx)
	if err != nil {
		return err
	}
	n.stop()
	n.Engine.Close()
	o.After = n.Engine
	return n.open(o)
}

// restart ends the node and starts it anew, with another configuration.
func (n *node) restart(conf string) {
	n.t.Helper()
	n.stop()
	n.Engine.Close()
	n.conf = conf
	n.start()
}

func (n *node) token(role string) string {
	n.t.Helper()
	token, err := etlworks.NewToken(adminSecret, "somebody", role, time.Now(), 10*time.Minute)
	if err != nil {
		n.t.Fatal(err)
	}
	return token
}

// call makes a request with a token and returns status and answer.
func (n *node) call(method, path, token, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:9042", "127.0.0.1:50000"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	n.door.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// must makes a request as an administrator and returns the JSON answer.
func (n *node) must(want int, method, path, body string) string {
	n.t.Helper()
	status, text := n.call(method, path, n.token("administrator"), body)
	if status != want {
		n.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return text
}

// hook makes a webhook to a host and returns its id.
func (n *node) hook(host, more string) int64 {
	n.t.Helper()
	var made struct{ ID int64 }
	text := n.must(201, "POST", "/rest/v1/webhooks", fmt.Sprintf(`{"name": %q, "url": "https://%s/hook"%s}`, host, host, more))
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.ID == 0 {
		n.t.Fatal(text, err)
	}
	pass(tick)
	return made.ID
}

// view reads the newest events of a webhook.
func (n *node) view(id int64) (all []etlworks.Event) {
	n.t.Helper()
	if err := json.Unmarshal([]byte(n.must(200, "GET", fmt.Sprintf("/rest/v1/webhooks/%d/events", id), "")), &all); err != nil {
		n.t.Fatal(err)
	}
	return all
}

// runs has a pipe run a number of times.
func (n *node) runs(pipe string, times int) {
	n.t.Helper()
	for range times {
		if err := n.StartPump(pipe, false); err != nil {
			n.t.Fatal(err)
		}
		pass(tick)
	}
}

// tick is how long the node may take to do what is due now.
const tick = 100 * time.Millisecond

// pass lets time pass until all that follows has happened.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// orders is a pipe whose every run is worth a record.
const orders = `{"_id": "orders", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "a"}]},
	"pump": {"mode": "manual", "log_events_noop_runs": true}}`

// inNode runs f with a node whose clock is nobody's.
func inNode(t *testing.T, conf string, f func(t *testing.T, n *node, r *receivers)) {
	t.Helper()
	if _, err := library(); err != nil { // made outside, where time is nobody's concern
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &receivers{got: map[string][]got{}, answer: map[string]func(*http.Request, int) (*http.Response, error){}}
		n := newNode(t, conf, r)
		defer n.close()
		pass(time.Second)
		f(t, n, r)
	})
}

var errRefused = errors.New("connection refused")
