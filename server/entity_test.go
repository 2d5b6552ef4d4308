package server_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store/local"
)

const receivers = `[
	{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"indexes": ["_S.x"]}},
	{"_id": "locked", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"enable_optimistic_locking": true}},
	{"_id": "first", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"prevent_multiple_versions": true}},
	{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}}]`

// poster posts entities to receivers and asks for paths.
func poster(t *testing.T) (post func(pipe, body string) string, get func(path string) string, base string) {
	t.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	_, s := node(t, st, receivers)
	post = func(pipe, body string) string {
		resp, err := http.Post(s.URL+"/api/receivers/"+pipe+"/entities", "application/json", strings.NewReader(body))
		return ask(t, resp, err)
	}
	get = func(path string) string {
		resp, err := http.Get(s.URL + "/api/datasets/" + path)
		return ask(t, resp, err)
	}
	return post, get, s.URL
}

// One entity may be asked for as it was, and as part of a subset.
func TestEntityAsItWas(t *testing.T) {
	post, get, _ := poster(t)
	post("in", `[{"_id": "1", "x": 1}, {"_id": "2", "x": 1}]`)
	post("in", `[{"_id": "1", "x": 2}, {"_id": "2", "_deleted": true}]`)
	subset := func(x string) string { return "&subset=" + url.QueryEscape(`["eq", "_S.x", `+x+`]`) }
	for _, c := range []struct{ path, want string }{
		{"in/entity?entity_id=1", `"x":2`},
		{"in/entity?entity_id=1&offset=2", `"x":2`},
		{"in/entity?entity_id=1&offset=0", `"x":1`},
		{"in/entity?entity_id=1&offset=1", "404"},
		{"in/entity?entity_id=1&offset=9", "404"},
		{"in/entity?entity_id=1&offset=one", "400"},
		{"in/entity?entity_id=1" + subset("2"), `"x":2`},
		{"in/entity?entity_id=1" + subset("1"), "404"},
		{"in/entity?entity_id=1&offset=0" + subset("1"), `"x":1`},
		{"in/entity?entity_id=2" + subset("1"), "404"},
		{"in/entity?entity_id=1&subset=" + url.QueryEscape(`["eq", "_S.y", 1]`), "404"},
		{"in/entity?entity_id=1&subset=x", "400"},
		{"in/entity?entity_id=3", "404"},
		{"in/entity", "400"},
		{"in/entities/1", `"x":2`},
		{"in/entities/3", "404"},
	} {
		if got := get(c.path); !strings.Contains(got, c.want) {
			t.Errorf("%s is %s, want %s", c.path, got, c.want)
		}
	}
}

// Who posts to a sink that locks learns what became of the entity, or all it takes to
// merge.
func TestOptimisticLockingAnswers(t *testing.T) {
	post, _, _ := poster(t)
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"_id": "1", "x": 1}`, []string{"200", `"updated_entity":{"_id":"1","x":1,"_updated":0`}},
		{`{"_id": "1", "x": 2, "_updated": 0}`, []string{"200", `"updated_entity":{"_id":"1","x":2,"_updated":1`}},
		{`{"_id": "1", "x": 3, "_updated": 0}`, []string{"409", `"input_entity":{"_id":"1","x":3,"_updated":0}`,
			`"existing_entity":{"_id":"1","x":2,"_updated":1`, `"common_ancestor_entity":{"_id":"1","x":1,"_updated":0`, "somebody else"}},
		{`{"_id": "1", "x": 3}`, []string{"409", `"existing_entity":{"_id":"1","x":2`}},
		{`{"_id": "2", "_updated": 5}`, []string{"409", `"input_entity":{"_id":"2"`}},
		{`[{"_id": "2"}, {"_id": "3"}]`, []string{"200", "{}"}},
	} {
		got := post("locked", c.body)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s is answered %s, want %s", c.body, got, want)
			}
		}
	}
}

// A second version where only one may be is the caller's conflict, and told.
func TestPreventedVersionIsTold(t *testing.T) {
	post, _, _ := poster(t)
	post("first", `{"_id": "1", "x": 1}`)
	if got := post("first", `{"_id": "1", "x": 2}`); !strings.Contains(got, "409") || !strings.Contains(got, `entity \"1\": prevent_multiple_versions`) {
		t.Errorf("it is answered %s", got)
	}
}

// Operations come as forms of either encoding.
func TestMultipartOperation(t *testing.T) {
	_, _, base := poster(t)
	for _, c := range []struct{ path, operation, want string }{
		{"pipes/out/pump", "disable", `"is-disabled":true`},
		{"pipes/out/pump", "", "400"},
		{"datasets/out", "commit-circuit-breaker", "409"},
	} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		if err := form.WriteField("operation", c.operation); err != nil {
			t.Fatal(err)
		}
		form.Close()
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+"/api/"+c.path, &body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", form.FormDataContentType())
		resp, err := http.DefaultClient.Do(req)
		if got := ask(t, resp, err); !strings.Contains(got, c.want) {
			t.Errorf("%s of %s is answered %s", c.operation, c.path, got)
		}
	}
}
