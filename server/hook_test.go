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
		{"the secret is not set", "lost", word, `{}`, "403 "},
		{"a rule fails", "fails", http.Header{}, `{}`, "422 "},
	} {
		if got := send(t, at, step.pipe, step.header.Clone(), step.body); !strings.HasPrefix(got, step.want) || strings.Contains(got, "sesame") {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	for dataset, want := range map[string]int{"std": 2, "hub": 1, "path": 3, "lost": 0, "fails": 0,
		"system:webhook-requests:std": 9, "system:webhook-requests:lost": 1, "system:webhook-requests:fails": 1, "system:webhook-events:std": 2} {
		text := all(t, at, dataset)
		if got := strings.Count(text, `"_id":`); got != want || strings.Contains(text, "sesame") {
			t.Errorf("%s has %d entities, want %d: %s", dataset, got, want, text)
		}
	}
	if text := all(t, at, "std"); !strings.Contains(text, `"_id":"m1"`) || !strings.Contains(text, `"odd":"å ~t"`) && !strings.Contains(text, `~~t`) && !strings.Contains(text, `\u00e5 ~t`) {
		t.Error(text)
	}
	raw := all(t, at, "system:webhook-requests:std")
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
