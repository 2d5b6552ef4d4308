package pipeforce

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/webhooks"
)

// bareNode is a node that has a store, and a clock that is set by hand.
type bareNode struct {
	dialects.Node // what is not used is not there
	store         store.Store
	config        *config.Config
	ahead         atomic.Int64 // how far the clock is ahead of where it began
}

func (n *bareNode) Config() *config.Config { return n.config }
func (n *bareNode) Store() store.Store     { return n.store }
func (n *bareNode) Address() string        { return "http://node.test" }
func (n *bareNode) Now() time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n.ahead.Load()))
}
func (n *bareNode) Transport() http.RoundTripper    { return http.DefaultTransport }
func (n *bareNode) Log() *slog.Logger               { return slog.New(slog.DiscardHandler) }
func (n *bareNode) Pipe(string) (*pipes.Pipe, bool) { return nil, false }

func newBareNode(t *testing.T) (*bareNode, *http.ServeMux) {
	t.Helper()
	st, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return nodeOn(t, st)
}

// nodeOn is a node on a store, which ends with the test.
func nodeOn(t *testing.T, st store.Store) (*bareNode, *http.ServeMux) {
	t.Helper()
	c, finds := config.Parse("n.conf.json", []byte("[]"), config.Options{})
	if finds.HasErrors() {
		t.Fatal(finds)
	}
	n, mux := &bareNode{store: st, config: c}, http.NewServeMux()
	ctx, cancel := context.WithCancel(context.Background())
	stop, err := serve(ctx, n, mux)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		cancel()
		st.Close()
	})
	return n, mux
}

func ask(mux http.Handler, method, path string, form url.Values) (*httptest.ResponseRecorder, map[string]any) {
	q := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, q)
	var answer map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &answer) // nothing is no answer
	return w, answer
}

// A store that takes nothing is told as 503, and nothing was taken then.
func TestStoreAway(t *testing.T) {
	n, mux := newBareNode(t)
	_, hook := ask(mux, "POST", "/api/v3/command/webhook.put", url.Values{"eventKey": {"webhook.x"}})
	address, _ := hook["webhookUrl"].(string)
	path := strings.TrimPrefix(address, "http://node.test")
	w, answer := ask(mux, "POST", path, nil)
	id, _ := answer["correlationId"].(string)
	if w.Code != 200 || id == "" {
		t.Fatal(w.Code, w.Body)
	}
	n.store.Close()
	for _, p := range []string{path, "/api/v3/result?correlationId=" + id, "/api/v3/outbound/" + id} {
		method := "GET"
		if w, answer := ask(mux, method, p, nil); w.Code != 503 || answer["statusMessage"] != "SERVICE_UNAVAILABLE" {
			t.Errorf("%s: %d %s", p, w.Code, w.Body)
		}
	}
}

// Results go when their time is over, unless somebody says that work goes on; what
// is left of them is removed.
func TestForgotten(t *testing.T) {
	n, mux := newBareNode(t)
	call := func() string {
		_, hook := ask(mux, "POST", "/api/v3/command/webhook.put", url.Values{"eventKey": {"webhook.x"}, "payloadType": {"outbound"}})
		token, _ := hook["uuid"].(string)
		_, answer := ask(mux, "POST", "/api/v3/webhook.receive", url.Values{"token": {token}, "a": {"1"}})
		id, _ := answer["correlationId"].(string)
		return id
	}
	status := func(id string) int {
		w, _ := ask(mux, "GET", "/api/v3/result?correlationId="+id, nil)
		return w.Code
	}
	silent, pinged, done, fetched := call(), call(), call(), call()
	for _, id := range []string{done, fetched} {
		if w, _ := ask(mux, "POST", "/api/v3/command/async.complete", url.Values{"correlationId": {id}, "value": {"v"}}); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	}
	if got := status(fetched); got != 200 {
		t.Error("done:", got)
	}
	n.ahead.Add(int64(6 * time.Minute))
	if a, b := status(fetched), status(done); a != 410 || b != 200 {
		t.Error("after six minutes:", a, b)
	}
	n.ahead.Add(int64(20 * time.Minute))
	ask(mux, "POST", "/api/v3/command/async.ping", url.Values{"correlationId": {pinged}})
	n.ahead.Add(int64(5 * time.Minute))
	if a, b := status(silent), status(pinged); a != 410 || b != 202 {
		t.Error("after 31 minutes:", a, b)
	}
	n.ahead.Add(int64(30 * time.Minute))
	rt := &runtime{store: n.store, now: n.Now, hub: hubOf(n)}
	if err := rt.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{resultsDataset, outboundDataset} {
		if info, err := n.store.Info(t.Context(), d); err != nil || info.Live != 0 {
			t.Errorf("%s has %d entities still, %v", d, info.Live, err)
		}
	}
}

// shaky is a store of which a dataset cannot be read for a while.
type shaky struct {
	store.Store
	away atomic.Pointer[string]
}

func (s *shaky) Read(ctx context.Context, dataset string, q store.Query, a *entity.Arena) (store.Page, error) {
	if away := s.away.Load(); away != nil && *away == dataset {
		return store.Page{}, errors.New("the disk is away")
	}
	return s.Store.Read(ctx, dataset, q, a)
}

// A store that does not answer for a while leaves no message unread that completes
// a result.
func TestCompletionsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		st := &shaky{Store: base}
		_, mux := nodeOn(t, st)
		_, hook := ask(mux, "POST", "/api/v3/command/webhook.put", url.Values{"eventKey": {"webhook.x"}})
		token, _ := hook["uuid"].(string)
		_, answer := ask(mux, "POST", "/api/v3/webhook.receive?token="+token, nil)
		id, _ := answer["correlationId"].(string)
		topic := messages.Dataset(messages.DefaultExchange)
		st.away.Store(&topic)
		ask(mux, "POST", "/api/v3/command/message.send", url.Values{"key": {"async.complete." + id}, "payload": {"done"}})
		time.Sleep(time.Minute)
		st.away.Store(nil)
		time.Sleep(time.Minute)
		if w, answer := ask(mux, "GET", "/api/v3/result?correlationId="+id, nil); w.Code != 200 || answer["value"] != "done" {
			t.Error(w.Code, w.Body)
		}
	})
}

// What a run logs is kept up to a bound, in whole characters.
func TestNotes(t *testing.T) {
	x := &exec{}
	x.note("INFO", "a"+strings.Repeat("å", mostNoted))
	x.note("INFO", "more")
	kept := 0
	for _, n := range x.logged {
		if kept += len(n.text); !utf8.ValidString(n.text) {
			t.Errorf("a note of %d bytes is no text", len(n.text))
		}
	}
	if kept != mostNoted {
		t.Errorf("%d bytes are kept, want %d", kept, mostNoted)
	}
}

// What a file is called is what its pipe is called, in any script; what can have no
// name, or is called almost like a pipeline, is told of.
func TestFileNames(t *testing.T) {
	dir := t.TempDir()
	for name, id := range map[string]string{"a b.pi.yaml": "a-b", "pipes/lead.pi.yaml": "lead", "global/app/shop/pipeline/x/lead.pi.yaml": "shop-x-lead",
		"pipelines/größe.pi.yaml": "größe", "pipelines/ü.pi.yaml": "ü", "pipelines/リード.pi.yaml": "リード", "pipelines/..pi.yaml": "", "pipelines/.pi.yaml": ""} {
		if got := pipeID(dir, filepath.Join(dir, name)); got != id {
			t.Errorf("%s is %q, want %q", name, got, id)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "pipelines"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good.pi.yaml", ".pi.yaml", "almost.pi.yml"} {
		if err := os.WriteFile(filepath.Join(dir, "pipelines", name), []byte("pipeline:\n - log: x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pipes, finds := front{}.Compile(dir, front{}.Files(dir), os.ReadFile)
	var told []string
	for _, f := range finds {
		told = append(told, f.Severity.String()+": "+filepath.Base(f.Span.File)+": "+f.Message)
	}
	want := []string{"error: .pi.yaml: the file has no name", "warning: almost.pi.yml: the file is not read: pipelines end in .pi.yaml"}
	if len(pipes) != 1 || !slices.Equal(told, want) {
		t.Errorf("%d pipes, %q", len(pipes), told)
	}
}

// Of requests that are refused and wait to be kept no more is in memory than is kept.
func TestRefusedAreSmall(t *testing.T) {
	s := &service{refusals: make(chan refusal, 1)}
	s.refused(&call{kept: &webhooks.Request{Body: make([]byte, ceiling)}}, "no", nil)
	if r := <-s.refusals; len(r.kept.Body) != keptOfRefused || cap(r.kept.Body) > 2*keptOfRefused {
		t.Errorf("%d bytes of %d", len(r.kept.Body), cap(r.kept.Body))
	}
}

// What a message says of its call is taken for that only if it can be.
func TestIDsOfMessages(t *testing.T) {
	for long, want := range map[string]string{"6936bd:efg35ee": "6936bd:efg35ee", strings.Repeat("x", mostToken+1): ""} {
		x := &exec{program: &program{}}
		x.ofMessage([]messages.Message{{Body: entity.NewDict(text("correlationId", long), text("traceId", long))}})
		if x.ids.correlation != want || x.ids.trace != want {
			t.Errorf("%.20s: %.20q and %.20q", long, x.ids.correlation, x.ids.trace)
		}
	}
}
