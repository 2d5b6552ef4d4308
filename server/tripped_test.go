package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What a circuit breaker holds back may be published later: nothing is taken in
// meanwhile that would be older then.
func TestTrippedTakesNothingIn(t *testing.T) {
	_, s := node(t, inMemory(t), `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"circuit_breaker_threshold_count": 1}}]`)
	const in, out = "/api/receivers/in/entities", "/api/datasets/in/entities"
	resolve := func(do string) {
		resp, err := http.PostForm(s.URL+"/api/datasets/in", url.Values{"operation": {do + "-circuit-breaker"}})
		if got := ask(t, resp, err); !strings.HasPrefix(got, "200 ") {
			t.Fatal(got)
		}
	}
	play(t, s.URL, []step{
		{in, `[{"_id": "a", "n": 1}]`, "200 {}"},
		{in + "?is_full=true&sequence_id=1&request_id=1&is_first=true", `[{"_id": "a", "n": 2}, {"_id": "b"}]`, `503 {"error":{"message":"circuit breaker tripped`},
		{in, `[{"_id": "a", "n": 3}]`, `503 {"error":{"message":"does not run: the circuit breaker of dataset \"in\" has tripped`},
		{out, `[{"_id": "a", "n": 3}]`, `409 {"error":{"message":"the circuit breaker of dataset \"in\" has tripped`},
	})
	resolve("commit")
	play(t, s.URL, []step{
		{out + "?history=false", "", `"_id":"a","n":2`},
		{in, `[{"_id": "a", "n": 3}]`, "200 {}"},
		{out, `[{"_id": "a", "n": 4}]`, "200 {}"},
	})
}

// Operations that cannot be are told from those that cannot be now.
func TestOperationsAreChecked(t *testing.T) {
	_, s := node(t, inMemory(t), `[{"_id": "in", "type": "pipe", "source": {"type": "embedded", "entities": []}},
		{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}},
		{"_id": "both", "type": "pipe", "source": {"type": "union_datasets", "datasets": ["in", "out"]}}]`)
	for _, c := range []struct{ pipe, form, want string }{
		{"out", "operation=fly", `400 {"error":{"message":"there is no operation \"fly\"`},
		{"out", "operation=update-last-seen&last-seen=x", `400 {"error":{"message":"the offset \"x\" is no place in a dataset`},
		{"out", "operation=update-last-seen&last-seen=-2", `400 `},
		{"out", "operation=update-last-seen&last-seen=7", `"last-seen":"7"`},
		{"out", "operation=update-last-seen&last-seen=", `"last-seen":""`},
		{"both", "operation=update-last-seen&last-seen=7", `400 {"error":{"message":"the offset \"7\" has 1 parts for 2 datasets`},
		{"both", "operation=update-last-seen&last-seen=7,8", `"last-seen":"7,8"`},
		{"out", "operation=repost", `409 `},
	} {
		resp, err := http.Post(s.URL+"/api/pipes/"+c.pipe+"/pump", "application/x-www-form-urlencoded", strings.NewReader(c.form))
		if got := ask(t, resp, err); !strings.Contains(got, c.want) {
			t.Errorf("%s: the answer %s\nshould have %s", c.form, got, c.want)
		}
	}
}
