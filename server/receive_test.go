package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/systems"
)

// Whoever posts what cannot be taken in is told what is wrong, and that it is for him,
// for the configuration or for another system to be mended.
func TestReceiversSayWhatIsWrong(t *testing.T) {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "s3cret", http.StatusTeapot) }))
	defer vendor.Close()
	conf, _ := config.Parse("conf.json", []byte(`[
		{"_id": "plain", "type": "pipe", "source": {"type": "http_endpoint"}},
		{"_id": "key", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "message", "exchange": "x", "key": "order.{{ kind }}"}},
		{"_id": "header", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "message", "exchange": "x", "key": "a", "headers": {"X-A": "{{ n | float }}{{ n.x.y }}"}}},
		{"_id": "property", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "message", "exchange": "x", "key_property": "kind"}},
		{"_id": "url", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "rest", "system": "s", "operation": "put"}},
		{"_id": "called", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "rest", "system": "s", "operation": "call"}},
		{"_id": "gone", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "json", "system": "u", "url": "/x"}},
		{"_id": "xml", "type": "pipe", "source": {"type": "http_endpoint"}, "transform": {"type": "xml", "xml-property": "x"}},
		{"_id": "once", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "dataset", "prevent_multiple_versions": true}},
		{"_id": "s", "type": "system:rest", "url_pattern": "`+vendor.URL+`%s", "operations": {
			"put": {"url": "/{{ kind }}", "method": "POST"}, "call": {"url": "/", "method": "POST"},
			"dark": {"url": "/{{ properties[secret('key')] }}", "method": "POST"}}},
		{"_id": "dark", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"type": "rest", "system": "s", "operation": "dark"}},
		{"_id": "u", "type": "system:url", "base_url": "http://127.0.0.1:1"}]`), config.Options{})
	conf.Secrets.Beside(func(string) (string, bool) { return "s3cret", true })
	_, s := nodeOf(t, inMemory(t), conf, func(o *engine.Options) {
		o.Transport = systems.NewTransport(systems.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	})
	const json = "application/json"
	for _, c := range []struct{ pipe, kind, body, want string }{
		{"plain", json, ``, `400 {"error":{"message":"the body is empty: post an entity, or a list of entities; an empty list is []"`},
		{"plain", json, `[]`, `200 {}`},
		{"plain", json, `{}`, `400 {"error":{"message":"entity 1 of 1 has no _id; a dataset needs a string"`},
		{"plain", "", `{"_id": "1"}`, `200 {}`},
		{"plain", "text/plain", `{"_id": "1"}`, `200 {}`},
		{"plain", "application/x-ndjson", "{\"_id\": \"1\"}\n{\"_id\": \"2\"}", `several entities are a list: [{…}, {…}]`},
		{"plain", "application/xml", "<a/>", `entities are JSON, and the Content-Type is application/xml`},
		{"plain", "application/x-www-form-urlencoded", "a=1", `entities are JSON, and the Content-Type is application/x-www-form-urlencoded`},
		{"plain", json, "\ufeff{}", `the body begins with a byte order mark: send it without`},
		{"plain", json, "\xff\xfe{\x00}\x00", `the body looks like UTF-16: send UTF-8`},
		{"plain", json, "{\x00}\x00", `the body looks like UTF-16: send UTF-8`},
		{"plain", json, "\x1f\x8b\x08", `the body is compressed: send it as it is`},
		{"plain", json, `[{"_id": "1"}, {"_id"`, `400 {"error":{"message":"line 1, column 22: `},
		{"key", json, `{"_id": "1"}`, `422 {"error":{"message":"a template of the pipe cannot be worked out: entity \"1\": key: 'kind' is undefined"`},
		{"header", json, `{"_id": "1", "n": 1}`, `422 {"error":{"message":"a template of the pipe cannot be worked out: entity \"1\": headers: X-A: `},
		{"property", json, `{"_id": "1"}`, `422 {"error":{"message":"entity \"1\": key: the entity's \"kind\" is of type null; a key is a text"`},
		{"url", json, `{"_id": "1"}`, `422 {"error":{"message":"a template of the pipe cannot be worked out: entity \"1\": system \"s\", operation \"put\": url: 'kind' is undefined"`},
		{"dark", json, `{"_id": "1"}`, `422 {"error":{"message":"a template of the pipe cannot be worked out`},
		{"called", json, `{"_id": "1"}`, `502 {"error":{"message":"a system that the pipe calls did not answer as it should; the node's log says how"`},
		{"gone", json, `{"_id": "1"}`, `502 {"error":{"message":"a system that the pipe calls`},
		{"xml", json, `{"_id": "1"}`, `422 {"error":{"message":"a transform of the pipe failed on an entity; nothing was stored"`},
		{"once", json, `[{"_id": "1"}, {"_id": "1", "n": 2}]`, `409 {"error":{"message":"entity \"1\": prevent_multiple_versions forbids`},
	} {
		resp, err := http.Post(s.URL+"/api/receivers/"+c.pipe+"/entities", c.kind, strings.NewReader(c.body))
		if got := ask(t, resp, err); !strings.Contains(got, c.want) || strings.Contains(got, "conf.json") || strings.Contains(got, "s3cret") {
			t.Errorf("%s, %s %q: the answer %s\nshould have %s", c.pipe, c.kind, c.body, got, c.want)
		}
	}
	for path, want := range map[string]string{
		"/api/receivers/plain":           `404 {"error":{"message":"there is no POST /api/receivers/plain; entities are posted to /api/receivers/plain/entities"`,
		"/api/receivers/plain/entities/": `entities are posted to /api/receivers/plain/entities"`,
		"/api/pipes/plain/pump":          `400 {"error":{"message":"no operation is named: it comes as a form`,
	} {
		resp, err := http.Post(s.URL+path, json, strings.NewReader(`{"operation": "start"}`))
		if got := ask(t, resp, err); !strings.Contains(got, want) {
			t.Errorf("%s: the answer %s\nshould have %s", path, got, want)
		}
	}
	q, _ := http.NewRequest(http.MethodPost, s.URL+"/api/receivers/plain/entities", strings.NewReader("xx"))
	q.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(q)
	if got := ask(t, resp, err); !strings.Contains(got, "415 ") || !strings.Contains(got, "Content-Encoding gzip, which is not taken") {
		t.Errorf("a compressed body: %s", got)
	}
}

// TestPostsAtOnce posts from many sides. What one request needs serves the next while
// the first still waits for the disk, and what is stored must be what was posted.
func TestPostsAtOnce(t *testing.T) {
	st := inMemory(t)
	e, _ := node(t, st, `[{"_id": "plain", "type": "pipe", "source": {"type": "http_endpoint"}},
		{"_id": "made", "type": "pipe", "source": {"type": "http_endpoint"}, "transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["add", "length", ["length", "_S.text"]]]}}}]`)
	address := openDoor(t, server.New(e, server.Options{}))
	const sides, posts = 16, 40
	body := func(side, i int) string {
		return fmt.Sprintf(`{"_id":"%d-%d","text":"%s"}`, side, i, strings.Repeat(string(rune('a'+side)), 10+side*i))
	}
	var all sync.WaitGroup
	for side := range sides {
		all.Go(func() {
			for i := range posts {
				for _, pipe := range []string{"plain", "made"} {
					resp, err := http.Post("http://"+address+"/api/receivers/"+pipe+"/entities", "application/json", strings.NewReader(body(side, i)))
					if got := ask(t, resp, err); !strings.HasPrefix(got, "200 ") {
						t.Error(got)
						return
					}
				}
			}
		})
	}
	all.Wait()
	for side := range sides {
		for i := range posts {
			sent, id := body(side, i), fmt.Sprintf("%d-%d", side, i)
			made := strings.TrimSuffix(sent, "}") + fmt.Sprintf(`,"length":%d}`, 10+side*i)
			for dataset, want := range map[string]string{"plain": sent, "made": made} {
				got, err := st.Get(t.Context(), dataset, []string{id}, entity.NewArena())
				if err != nil {
					t.Fatal(err)
				}
				if is, _, _ := strings.Cut(got[0].String(), `,"_updated"`); is+"}" != want {
					t.Errorf("%s: %.200s} is stored, not %.200s", dataset, is, want)
				}
			}
		}
	}
}
