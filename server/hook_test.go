package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/webhooks"
)

const hookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func hookNode(t *testing.T, st *local.Store, conf string) (*engine.Engine, string) {
	t.Helper()
	c, finds := config.Parse("conf.json", []byte(conf), config.Options{Environ: []string{"SLUICE_SECRET_key=" + hookKey,
		"SLUICE_SECRET_word=open-sesame", "SLUICE_SECRET_old=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}})
	if finds.HasErrors() {
		t.Fatal(finds)
	}
	e, s := nodeOf(t, st, c)
	return e, s.URL
}

func memoryStore(t *testing.T) *local.Store {
	t.Helper()
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// signedBy returns the headers of a delivery.
func signedBy(t *testing.T, scheme, key, id, body string, at time.Time) http.Header {
	t.Helper()
	s, err := webhooks.New(scheme, "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Sign(&webhooks.Message{ID: id, Time: at, Body: []byte(body)}, webhooks.Keys{key})
	if err != nil {
		t.Fatal(err)
	}
	h.Set("Content-Type", "application/json")
	return h
}

func send(t *testing.T, at, pipe string, h http.Header, body string) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/api/receivers/"+pipe+"/entities", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header = h
	resp, err := http.DefaultClient.Do(q)
	return ask(t, resp, err)
}

func all(t *testing.T, at, dataset string) string {
	t.Helper()
	resp, err := http.Get(at + "/api/datasets/" + dataset + "/entities?history=false&deleted=false")
	return ask(t, resp, err)
}

const hookPipes = `[{"_id": "std", "type": "pipe", "source": {"type": "webhook", "signature": "standard", "secret": "$SECRET(key)", "previous_secret": "$SECRET(old)", "max_body_bytes": 1000}},
	{"_id": "hub", "type": "pipe", "source": {"type": "webhook", "signature": "github", "secret": "$SECRET(word)"}},
	{"_id": "path", "type": "pipe", "source": {"type": "webhook", "signature": "bearer", "secret": "$SECRET(word)", "event_id_path": "event.id"}},
	{"_id": "lost", "type": "pipe", "source": {"type": "webhook", "signature": "bearer", "secret": "$SECRET(missing)"}},
	{"_id": "fails", "type": "pipe", "source": {"type": "webhook", "signature": "none"}, "transform": {"type": "dtl", "rules": {"default": [["fail!", "no"]]}}}]`

// M-6, M-9, X-1: what is proven is taken in once, what is not is refused, and
// either is kept as it came without anything secret.
func TestReceiveWebhooks(t *testing.T) {
	_, at := hookNode(t, memoryStore(t), hookPipes)
	now, body := time.Now(), "{\"odd\" :  \"\\u00e5 ~t\", \"n\": 1.50}"
	good := signedBy(t, "standard", hookKey, "m1", body, now)
	word := http.Header{"Authorization": {"Bearer open-sesame"}, "Content-Type": {"application/json"}}
	for _, step := range []struct {
		name, pipe string
		header     http.Header
		body, want string
	}{
		{"good", "std", good, body, "200 {}"},
		{"again", "std", good, body, "200 {}"},
		{"again, signed anew", "std", signedBy(t, "standard", hookKey, "m1", body, now.Add(time.Second)), body, "200 {}"},
		{"the secret before", "std", signedBy(t, "standard", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "m2", body, now), body, "200 {}"},
		{"old", "std", signedBy(t, "standard", hookKey, "m3", body, now.Add(-6*time.Minute)), body, "403 "},
		{"from the future", "std", signedBy(t, "standard", hookKey, "m3", body, now.Add(6*time.Minute)), body, "403 "},
		{"another body", "std", good, body + " ", "403 "},
		{"no proof", "std", http.Header{}, body, "403 "},
		{"too large", "std", good, strings.Repeat("x", 1001), "413 "},
		{"large headers", "std", http.Header{"X-Large": {strings.Repeat("x", 40<<10)}}, body, "431 "},
		{"no JSON", "std", signedBy(t, "standard", hookKey, "m4", "{", now), "{", "400 "},
		{"by github", "hub", signedBy(t, "github", "open-sesame", "d1", body, now), body, "200 {}"},
		{"by github again", "hub", signedBy(t, "github", "open-sesame", "d1", body, now), body, "200 {}"},
		{"by path", "path", word, `{"event": {"id": 7}}`, "200 {}"},
		{"by path again", "path", word, `{"event": {"id": 7}, "more": 1}`, "200 {}"},
		{"without an id", "path", word, `[]`, "200 {}"},
		{"without an id again", "path", word, `[]`, "200 {}"},
		{"the secret is not set", "lost", word, `{}`, "503 "},
		{"a rule fails", "fails", http.Header{}, `{}`, "422 "},
	} {
		if got := send(t, at, step.pipe, step.header.Clone(), step.body); !strings.HasPrefix(got, step.want) || strings.Contains(got, "sesame") {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	for dataset, want := range map[string]int{"std": 2, "hub": 1, "path": 3, "lost": 0, "fails": 0,
		"system:webhook-requests:std": 5, "system:webhook-refused:std": 4, "system:webhook-requests:lost": 0, "system:webhook-refused:lost": 1, "system:webhook-requests:fails": 1, "system:webhook-events:std": 2} {
		text := all(t, at, dataset)
		if got := strings.Count(text, `"_id":`); got != want || strings.Contains(text, "sesame") {
			t.Errorf("%s has %d entities, want %d: %s", dataset, got, want, text)
		}
	}
	if text := all(t, at, "std"); !strings.Contains(text, `"_id":"m1"`) || !strings.Contains(text, `"odd":"å ~t"`) && !strings.Contains(text, `~~t`) && !strings.Contains(text, `\u00e5 ~t`) {
		t.Error(text)
	}
	raw := all(t, at, "system:webhook-requests:std") + all(t, at, "system:webhook-refused:std")
	for _, want := range []string{`"outcome":"accepted"`, `"outcome":"duplicate"`, `"outcome":"refused"`, `{\"odd\" :  \"\\u00e5 ~t\", \"n\": 1.50}`, `"webhook-id":"m1"`} {
		if !strings.Contains(raw, want) {
			t.Errorf("lacks %s:\n%s", want, raw)
		}
	}
}

// Of many deliveries of one event at once one is taken in, and all are
// answered alike.
func TestReceiveWebhookAtOnce(t *testing.T) {
	_, at := hookNode(t, memoryStore(t), hookPipes)
	var group sync.WaitGroup
	for i := range 20 {
		h := http.Header{"Authorization": {"Bearer open-sesame"}, "Content-Type": {"application/json"}}
		group.Go(func() {
			if got := send(t, at, "path", h, fmt.Sprintf(`{"event": {"id": "one"}, "i": %d}`, i)); !strings.HasPrefix(got, "200 {}") {
				t.Error(got)
			}
		})
	}
	group.Wait()
	resp, err := http.Get(at + "/api/datasets/path/entities?history=true")
	if text := ask(t, resp, err); strings.Count(text, `"_id"`) != 1 {
		t.Error(text)
	}
}

// What a node has taken in it knows after a restart; after the window the id
// is anybody's again.
func TestWebhookWindow(t *testing.T) {
	st, now := memoryStore(t), time.Now()
	box := &webhooks.Inbox{Pipe: "p", Store: st, Window: time.Hour, MostRequests: 100, MostEvents: 1000}
	if err := box.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		r := &webhooks.Request{ID: webhooks.NewRequestID(now), At: now.Add(time.Duration(i) * time.Minute)}
		p, err := box.Keep(t.Context(), r)
		if err == nil {
			_, err = p.Wait(t.Context())
		}
		if err == nil {
			err = box.Commit(t.Context(), box.Remember(fmt.Sprintf("e%d", i), r))
		}
		if err == nil {
			err = box.Tidy(t.Context(), r.At)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again := &webhooks.Inbox{Pipe: "p", Store: st, Window: time.Hour}
	at := now.Add(299 * time.Minute)
	for id, want := range map[string]bool{"e299": true, "e240": true, "e239": false, "e0": false, "other": false} {
		if got, err := again.Known(t.Context(), id, at); got != want || err != nil {
			t.Errorf("%s: %v %v", id, got, err)
		}
	}
	for dataset, most := range map[string]int64{webhooks.RequestsDataset("p"): 164, webhooks.EventsDataset("p"): 124} {
		if info, err := st.Info(t.Context(), dataset); err != nil || info.Live > most {
			t.Errorf("%s: %d %v", dataset, info.Live, err)
		}
	}
}

// What proves nothing takes little room, however much of it comes: the
// beginnings of the last, and how many there were besides.
func TestRefusedTakeLittleRoom(t *testing.T) {
	st, now := memoryStore(t), time.Now()
	box := &webhooks.Inbox{Pipe: "p", Store: st}
	if err := box.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	head := http.Header{"X-Large": {strings.Repeat("h", 30<<10)}, "X-Small": {"yes"}}
	large := []byte(strings.Repeat("b", 1<<20))
	keep := func(n int) {
		for i := range n {
			r := &webhooks.Request{ID: fmt.Sprint("r", i), At: now, Headers: head, URL: "http://x/" + strings.Repeat("u", 10<<10), Body: large}
			if err := box.KeepRefused(t.Context(), r, "no"); err != nil {
				t.Fatal(err)
			}
		}
	}
	keep(1000)
	now = now.Add(25 * time.Second)
	keep(1000)
	info, err := st.Info(t.Context(), webhooks.RefusedDataset("p"))
	if err != nil || info.Live > 100 || info.Versions != 102 || info.Bytes > 100*20<<10 {
		t.Errorf("%+v %v", info, err)
	}
	page, err := st.Read(t.Context(), webhooks.RefusedDataset("p"), store.Query{Since: 99}, nil)
	if err != nil || len(page.Entities) != 2 {
		t.Fatal(page, err)
	}
	missed, _ := page.Entities[0].Get("not_kept_before")
	body, _ := page.Entities[0].Get("body")
	size, _ := page.Entities[0].Get("body_bytes")
	headers, _ := page.Entities[0].Get("headers")
	if missed.String() != "900" || size.String() != "1048576" || len(body.Text()) != 4<<10 || headers.String() != `{"x-small":"yes"}` {
		t.Errorf("%s not kept before, %s bytes, %d kept, headers %s", missed, size, len(body.Text()), headers)
	}
}

// Webhooks come by the methods that are configured, and a sender that asks
// hears whether it may send.
func TestWebhookMethods(t *testing.T) {
	_, at := hookNode(t, memoryStore(t), `[{"_id": "any", "type": "pipe", "source": {"type": "webhook", "signature": "bearer", "secret": "$SECRET(word)", "methods": ["GET", "DELETE", "POST"], "allowed_origins": ["a.example", "b.example"], "allowed_rate": 60}},
		{"_id": "open", "type": "pipe", "source": {"type": "webhook", "signature": "none", "allowed_origins": ["*"]}},
		{"_id": "list", "type": "pipe", "source": {"type": "http_endpoint"}}, {"_id": "plain", "type": "pipe", "source": {"type": "webhook", "signature": "none"}}]`)
	word := http.Header{"Authorization": {"Bearer open-sesame"}, "Webhook-Id": {"g1"}}
	asks := func(more ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	for _, c := range []struct {
		method, pipe string
		header       http.Header
		status       int
		answer       string
	}{
		{"GET", "any", word, 200, ""},
		{"DELETE", "any", http.Header{"Authorization": word["Authorization"]}, 200, ""},
		{"GET", "any", nil, 403, ""},
		{"PUT", "any", word, 405, "Allow: GET, DELETE, POST"},
		{"HEAD", "any", word, 405, "Allow: GET, DELETE, POST"},
		{"GET", "open", nil, 405, "Allow: POST"},
		{"GET", "list", nil, 405, "Allow: POST"},
		{"GET", "nobody", nil, 404, ""},
		{"OPTIONS", "any", asks("WebHook-Request-Origin", "A.example", "WebHook-Request-Rate", "120"), 200, "Allow: GET, DELETE, POST, OPTIONS; WebHook-Allowed-Origin: A.example; WebHook-Allowed-Rate: 60"},
		{"OPTIONS", "any", asks("WebHook-Request-Origin", "b.example", "WebHook-Request-Rate", "10"), 200, "Allow: GET, DELETE, POST, OPTIONS; WebHook-Allowed-Origin: b.example; WebHook-Allowed-Rate: 10"},
		{"OPTIONS", "any", asks("WebHook-Request-Origin", "evil.example"), 403, "Allow: GET, DELETE, POST, OPTIONS"},
		{"OPTIONS", "any", nil, 400, "Allow: GET, DELETE, POST, OPTIONS"},
		{"OPTIONS", "open", asks("WebHook-Request-Origin", "x"), 200, "Allow: POST, OPTIONS; WebHook-Allowed-Origin: x; WebHook-Allowed-Rate: *"},
		{"OPTIONS", "plain", asks("WebHook-Request-Origin", "x"), 405, "Allow: POST"},
	} {
		q, err := http.NewRequestWithContext(t.Context(), c.method, at+"/api/receivers/"+c.pipe+"/entities?v=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header = c.header.Clone()
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		var answer []string
		for _, name := range []string{"Allow", "WebHook-Allowed-Origin", "WebHook-Allowed-Rate"} {
			if v := resp.Header.Get(name); v != "" {
				answer = append(answer, name+": "+v)
			}
		}
		if got := strings.Join(answer, "; "); resp.StatusCode != c.status || got != c.answer {
			t.Errorf("%s %s %v: %d %s", c.method, c.pipe, c.header, resp.StatusCode, got)
		}
	}
	text := all(t, at, "any")
	for _, want := range []string{`"method":"GET","received"`, `"method":"DELETE"`, `"params":{"v":"1"},"body":null`} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s: %s", want, text)
		}
	}
}

// The bodies of what is kept are bounded together, those of before a restart too.
func TestRequestsTakeBoundedRoom(t *testing.T) {
	st, now := memoryStore(t), time.Now()
	const size, most = 64 << 10, 1 << 20
	body := []byte(strings.Repeat("b", size))
	for life := range 2 {
		box := &webhooks.Inbox{Pipe: "p", Store: st, Window: time.Hour, MostRequests: 1000, MostEvents: 1000, MostBytes: most}
		if err := box.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 130 {
			r := &webhooks.Request{ID: fmt.Sprintf("r%d-%03d", life, i), At: now, Body: body}
			p, err := box.Keep(t.Context(), r)
			if err == nil {
				_, err = p.Wait(t.Context())
			}
			if err == nil {
				err = box.Tidy(t.Context(), now)
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := st.Info(t.Context(), webhooks.RequestsDataset("p")); err != nil || info.Live > most/size+64 {
				t.Fatalf("%d requests are kept, %v", info.Live, err)
			}
		}
	}
	info, err := st.Info(t.Context(), webhooks.RequestsDataset("p"))
	if err != nil || info.Live < most/size-1 {
		t.Errorf("%d requests are kept, %v", info.Live, err)
	}
}
