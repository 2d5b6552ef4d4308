package enginetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
)

// ear is somebody who wants to be called.
type ear struct {
	*httptest.Server
	calls  chan string
	status atomic.Int32
}

func newEar(t *testing.T) *ear {
	e := &ear{calls: make(chan string, 100)}
	e.status.Store(200)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(int(e.status.Load()))
		e.calls <- fmt.Sprint(r.Method, " ", r.URL.Path, " ", body)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ear) hears(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-e.calls:
		if got != want {
			t.Fatalf("heard %s, want %s", got, want)
		}
	case <-t.Context().Done():
		t.Fatal("heard nothing")
	}
}

// Whoever asks is called when the dataset changes, also by the node that follows
// this one, until he answers that he does not know what it is about.
func TestListeners(t *testing.T) {
	st, ear := memory(t), newEar(t)
	conf := `[{"_id": "a", "type": "pipe", "source": {"type": "embedded", "entities": []}, "pump": {"mode": "manual"}}]`
	e := open(t, st, parse(t, conf))
	e.Start()
	l := engine.Listener{Dataset: "a", URL: ear.URL + "/x", Token: "t1"}
	if err := e.Listen(t.Context(), l, store.Start); err != nil {
		t.Fatal(err)
	}
	put(t, st, "a", entities(t, `{"_id": "1"}`), false)
	ear.hears(t, "POST /x map[token:t1]")
	other := engine.Listener{Dataset: "a", URL: ear.URL + "/y", Token: "t2"}
	if err := e.Listen(t.Context(), other, store.Start); err != nil { // there is something already
		t.Fatal(err)
	}
	got := map[string]bool{<-ear.calls: true, <-ear.calls: true}
	if !got["POST /x map[token:t1]"] || !got["POST /y map[token:t2]"] {
		t.Fatal(got)
	}
	e.Close()
	e = open(t, st, parse(t, conf))
	e.Start()
	ear.status.Store(404)
	put(t, st, "a", entities(t, `{"_id": "2"}`), false)
	got = map[string]bool{<-ear.calls: true, <-ear.calls: true}
	if len(got) != 2 {
		t.Fatal(got)
	}
	for keys := []string{"once"}; len(keys) > 0; { // the answer is judged after it was given
		var err error
		if keys, err = st.States(t.Context(), "listener/"); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []engine.Listener{
		{Dataset: "a", URL: "ftp://x", Token: "t"}, {Dataset: "a", URL: "http://u:p@x/", Token: "t"}, {Dataset: "a", URL: ear.URL}, {Dataset: "a", Token: "t"},
		{Dataset: "a", URL: "http://x/" + strings.Repeat("x", 3000), Token: "t"},
	} {
		if err := e.Listen(t.Context(), bad, 0); !errors.Is(err, engine.ErrListener) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	l.Dataset = "nowhere"
	if err := e.Listen(t.Context(), l, 0); !errors.Is(err, store.ErrNoDataset) {
		t.Error(err)
	}
}
