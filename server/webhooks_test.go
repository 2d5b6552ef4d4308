package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store/local"
)

// E-11, X-2: addresses of this machine and of the cloud's metadata are refused
// before anything is sent, and the API tells so; deliveries are listed, made
// again and recovered.
func TestWebhooksOverAPI(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the guard let a request through") }))
	t.Cleanup(inside.Close)
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	conf := `[{"_id": "a", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]},
		"sink": {"type": "webhook", "url": "ADDRESS", "retry": "none"}},
		{"_id": "meta", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}]},
		"sink": {"type": "webhook", "url": "http://169.254.169.254/latest?token=hush", "retry": "none"}},
		{"_id": "c", "type": "pipe", "source": {"type": "embedded", "entities": []}}]`
	e, s := node(t, st, strings.Replace(conf, "ADDRESS", strings.Replace(inside.URL, "127.0.0.1", "localhost", 1), 1))
	run := func() {
		t.Helper()
		if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	run()
	post := func(path string, form ...string) string {
		v := url.Values{}
		for i := 0; i < len(form); i += 2 {
			v.Set(form[i], form[i+1])
		}
		resp, err := http.PostForm(s.URL+"/api/webhooks/"+path, v)
		return ask(t, resp, err)
	}
	get := func(path string) string {
		resp, err := http.Get(s.URL + "/api/webhooks" + path)
		return ask(t, resp, err)
	}
	id := regexp.MustCompile(`"_id":"(msg_[A-Z0-9]+)"`).FindStringSubmatch(get("/a/deliveries?status=failed"))[1]
	for _, step := range []struct{ got, want string }{
		{get(""), `"_id":"a"`},
		{get("/a"), `"deliveries":{"delivered":0,"failed":1,"pending":0}`},
		{get("/meta"), `"address":"http://169.254.169.254/latest?token=***"`},
		{get("/c"), `404 {"error":{"message":"the pipe feeds no webhook"`},
		{get("/none"), `404 `},
		{get("/a/deliveries"), `127.0.0.1 is an internal address`},
		{get("/a/deliveries/" + id), `"blocked":true`},
		{get("/a/deliveries/none"), `404 {"error":{"message":"there is no such delivery"`},
		{get("/a/deliveries?status=odd"), `400 `},
		{get("/a/deliveries?limit=x"), `400 `},
		{get("/meta/deliveries"), `169.254.169.254 is an internal address`},
		{post("a/deliveries/"+id, "operation", "redeliver"), `"status":"pending"`},
		{post("a/deliveries/"+id, "operation", "redeliver"), `"status":"pending"`}, // it is to be made at once already
		{post("a/deliveries/none", "operation", "redeliver"), `404 `},
		{post("a/deliveries/"+id, "operation", "burn"), `400 {"error":{"message":"there is no operation \"burn\": redeliver"`},
		{post("a", "operation", "disable", "comment", "on holiday"), `"why":"on holiday"`},
		{get("/a"), `"enabled":false`},
		{post("a", "operation", "enable"), `"enabled":true`},
		{post("a", "operation", "test"), `"delivery":"msg_`},
		{post("a", "operation", "recover", "since", "yesterday"), `400 {"error":{"message":"since is a time such as`},
		{post("c", "operation", "test"), `404 `},
	} {
		if !strings.Contains(step.got, step.want) {
			t.Errorf("%s\nlacks %s", step.got, step.want)
		}
	}
	run()
	for _, step := range []struct{ got, want string }{
		{get("/a/deliveries/" + id), `"manual":true`},
		{post("a", "operation", "recover", "since", "2020-01-01T00:00:00Z"), `"recovered":3`},
	} {
		if !strings.Contains(step.got, step.want) {
			t.Errorf("%s\nlacks %s", step.got, step.want)
		}
	}
	if all := get("/meta/deliveries") + get("/meta/deliveries/"+regexp.MustCompile(`"_id":"(msg_[A-Z0-9]+)"`).FindStringSubmatch(get("/meta/deliveries"))[1]); strings.Contains(all, "hush") {
		t.Error("a token of the address is told")
	}
}
