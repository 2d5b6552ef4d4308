package pipeforce

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/store/local"
)

// A node that has no pipelines keeps nothing for them until somebody calls, and goes
// on with what there is when it is started again.
func TestNothingUntilCalled(t *testing.T) {
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	ours := func() int {
		t.Helper()
		all, err := st.Datasets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	served := func(first bool) {
		t.Helper()
		n, mux := &bareNode{store: st, config: &config.Config{}}, http.NewServeMux()
		stop, err := serve(context.WithoutCancel(t.Context()), n, mux)
		if err != nil {
			t.Fatal(err)
		}
		if first && ours() != 0 {
			t.Errorf("there are %d datasets before anybody has called", ours())
		}
		w, hook := ask(mux, "POST", "/api/v3/command/webhook.put", url.Values{"eventKey": {"webhook.x"}})
		token, _ := hook["uuid"].(string)
		if w.Code != 200 || token == "" || ours() == 0 {
			t.Error(w.Code, w.Body, ours())
		}
		if w, _ := ask(mux, "POST", "/api/v3/webhook.receive?token="+token, url.Values{"a": {"1"}}); w.Code != 200 {
			t.Error(w.Code, w.Body)
		}
		stop()
		if w, _ := ask(mux, "GET", "/api/v3/result?correlationId=x", nil); w.Code != 503 {
			t.Error("behind the end: ", w.Code, w.Body)
		}
	}
	served(true)
	served(false)
}
