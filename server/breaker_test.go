package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store/local"
)

// node serves a configuration over a store.
func node(t *testing.T, st *local.Store, conf string) (*engine.Engine, *httptest.Server) {
	t.Helper()
	c, _ := config.Parse("conf.json", []byte(conf), config.Options{})
	return nodeOf(t, st, c)
}

func nodeOf(t *testing.T, st *local.Store, c *config.Config, change ...func(o *engine.Options)) (*engine.Engine, *httptest.Server) {
	t.Helper()
	sets, err := engine.Standard()
	if err != nil {
		t.Fatal(err)
	}
	o := engine.Options{Config: c, Store: st, Sets: sets}
	for _, c := range change {
		c(&o)
	}
	e, err := engine.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(server.New(e, server.Options{}))
	t.Cleanup(func() { s.Close(); e.Close() })
	return e, s
}

func ask(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(b))
}

func TestBreaker(t *testing.T) {
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	conf := `[{"_id": "out", "type": "pipe", "sink": {"circuit_breaker_threshold_count": 1}, "source": {"type": "embedded", "entities": [{"_id": "1", "n": %d}, {"_id": "2", "n": %[1]d}]}}]`
	e, _ := node(t, st, fmt.Sprintf(conf, 1))
	if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	e, s := node(t, st, fmt.Sprintf(conf, 2))
	if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	at := s.URL + "/api/datasets/out"
	post := func(operation string) string {
		resp, err := http.PostForm(at, url.Values{"operation": {operation}})
		return ask(t, resp, err)
	}
	get := func(path string) string {
		resp, err := http.Get(at + path)
		return ask(t, resp, err)
	}
	for _, step := range []struct{ got, want string }{
		{get(""), `"circuit-breaker":{"at":`},
		{get(""), `"why":"the circuit breaker of dataset \"out\" has tripped: a run would change 2 entities or more, 1 are allowed`},
		{get("/entities"), `"n":1`},
		{post("blow"), `400 {"error":{"message":"there is no operation \"blow\"`},
		{post("commit-circuit-breaker"), `200 {"_id":"out"`},
		{get("/entities"), `"n":2`},
		{post("rollback-circuit-breaker"), `409 {"error"`},
	} {
		if !strings.Contains(step.got, step.want) {
			t.Errorf("the answer %s\nshould have %s", step.got, step.want)
		}
	}
	if got := get(""); strings.Contains(got, "circuit-breaker") {
		t.Error(got)
	}
}
