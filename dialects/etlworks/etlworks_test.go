package etlworks_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sluiceio/sluice/dialects/etlworks"
	"github.com/sluiceio/sluice/engine"
)

// documented is the webhook of the vendor's documentation.
const documented = `{"name": "Webhook", "description": "test", "events": ["Flow.Executed"], "url": "https://example.com/hook", "method": "POST",
	"contentType": "application/json", "includeEntity": true, "headers": [{"key": "X-Custom-Header", "value": "some value"}],
	"secret": "ZjZlZDdlOWE3OGQ0NTk4MTU1MjkzNDA0", "basicUser": "admin", "basicPass": "admin"}`

// E-1: only administrators make webhooks, and what they make has an integer id.
func TestAdministratorsOnly(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		expired, err := etlworks.NewToken(adminSecret, "x", "administrator", time.Now().Add(-time.Hour), time.Minute)
		forged, err2 := etlworks.NewToken(strings.ToUpper(adminSecret), "x", "administrator", time.Now(), time.Minute)
		if err = errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"role":"administrator","exp":9999999999}`)) + "."
		for _, c := range []struct {
			token string
			want  int
		}{{n.token("operator"), 403}, {n.token(""), 403}, {"", 401}, {expired, 401}, {forged, 401}, {unsigned, 401}, {"nonsense", 401}} {
			for _, call := range [][2]string{{"POST", "/rest/v1/webhooks"}, {"GET", "/rest/v1/webhooks"}, {"GET", "/rest/v1/webhooks/1"}, {"PUT", "/rest/v1/webhooks/1"},
				{"DELETE", "/rest/v1/webhooks/1"}, {"GET", "/rest/v1/webhooks/1/events"}, {"POST", "/rest/v1/webhooks/1/test"}, {"GET", "/rest/v1/flows/orders"}, {"GET", "/rest/v1/what"}} {
				if status, text := n.call(call[0], call[1], c.token, documented); status != c.want || !strings.Contains(text, `"message"`) {
					t.Errorf("%v with %.20q: %d %s", call, c.token, status, text)
				}
			}
		}
		var made map[string]any
		if err := json.Unmarshal([]byte(n.must(201, "POST", "/rest/v1/webhooks", documented)), &made); err != nil {
			t.Fatal(err)
		}
		if id, ok := made["id"].(float64); !ok || id != 1 || made["enabled"] != true || made["secret"] != "ZjZlZDdlOWE3OGQ0NTk4MTU1MjkzNDA0" || made["basicPass"] != "***" {
			t.Errorf("%v", made)
		}
		if text := n.must(200, "GET", "/rest/v1/webhooks/1", ""); strings.Contains(text, "ZjZlZDdl") || !strings.Contains(text, `"secret":"***"`) {
			t.Error(text)
		}
		n.secrets = nil
		n.restart(n.conf)
		if status, text := n.call("GET", "/rest/v1/webhooks", n.token("administrator"), ""); status != 403 || !strings.Contains(text, "etlworks_admin") {
			t.Errorf("without a secret: %d %s", status, text)
		}
	})
}

// E-2, E-3, E-6: a run is one request with all headers, the fields in their order
// and types, signed over its very bytes; the entity is what its URL answers.
func TestRun(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		n.must(201, "POST", "/rest/v1/webhooks", documented)
		n.hook("bare", `, "events": ["Flow.Executed"]`)
		n.runs("orders", 1)
		all := r.of("example.com")
		if len(all) != 1 {
			t.Fatalf("%d requests", len(all))
		}
		q := all[0]
		var p struct {
			EventID, EventType  string
			WebhookID, EntityID int64
			Entity              json.RawMessage
			EntityURL           string
			Timestamp           int64
		}
		d := json.NewDecoder(strings.NewReader(q.body))
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		shape := regexp.MustCompile(`^{"eventId":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}","eventType":"Flow.Executed","webhookId":1,"entityId":\d+,"entity":{.*},"entityUrl":"` +
			regexp.QuoteMeta(address) + `/rest/v1/flows/orders\?auditId=\d+","timestamp":\d+}$`)
		if !shape.MatchString(q.body) {
			t.Error(q.body)
		}
		// The clock of the test stands in the year 2000, whose milliseconds have 12 digits.
		if off := time.Since(time.UnixMilli(p.Timestamp)); off < 0 || off > 5*time.Second {
			t.Errorf("the timestamp %d is %s off", p.Timestamp, off)
		}
		if q.method != http.MethodPost {
			t.Errorf("the request is a %s", q.method)
		}
		want := map[string]string{"Event-Id": p.EventID, "Event": p.EventType, "Id": "1", "Entity-Id": fmt.Sprint(p.EntityID), "Entity-URL": p.EntityURL, "Attempt": "1"}
		for name, value := range want {
			if v := q.header.Get("X-Etl-Webhook-" + name); v != value || v == "" {
				t.Errorf("%s: %q, not %q", name, v, value)
			}
		}
		m := hmac.New(sha1.New, []byte("ZjZlZDdlOWE3OGQ0NTk4MTU1MjkzNDA0"))
		m.Write([]byte(q.body))
		if s := q.header.Get("X-Etl-Webhook-Signature"); s != hex.EncodeToString(m.Sum(nil)) {
			t.Errorf("signature %q", s)
		}
		if q.header.Get("Authorization") != "Basic YWRtaW46YWRtaW4=" || q.header.Get("X-Custom-Header") != "some value" || q.header.Get("Content-Type") != "application/json" || q.header.Get("Webhook-Signature") != "" {
			t.Errorf("%v", q.header)
		}
		path := strings.TrimPrefix(p.EntityURL, address)
		if text := strings.TrimSpace(n.must(200, "GET", path, "")); text != string(p.Entity) || !strings.Contains(text, `"status":"success"`) {
			t.Errorf("entity %s\nURL %s", p.Entity, text)
		}
		if status, _ := n.call("GET", strings.Replace(path, "orders", "other", 1), n.token("administrator"), ""); status != 404 {
			t.Errorf("the record under another name: %d", status)
		}
		bare := r.of("bare")[0]
		if strings.Contains(bare.body, `"entity":`) || !strings.Contains(bare.body, fmt.Sprintf(`"entityId":%d,`, p.EntityID)) || bare.header.Get("X-Etl-Webhook-Signature") != "" {
			t.Errorf("without entity and secret: %s %v", bare.body, bare.header)
		}
		if bare.id() == q.id() {
			t.Error("two webhooks have the same id for an event")
		}
	})
}

// E-4, E-5: a form has its fields in the documented order and is signed; GET has
// neither body nor signature.
func TestFormAndGet(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		n.hook("form", `, "contentType": "application/x-www-form-urlencoded", "secret": "s3cret-of-forms"`)
		n.hook("whole", `, "contentType": "application/x-www-form-urlencoded", "includeEntity": true, "events": ["Flow.*"], "signatureEncoding": "base64", "secret": "s3cret-of-forms"`)
		n.hook("get", `, "method": "GET", "secret": "unused", "basicUser": "ådmin", "basicPass": "pa:ss", "headers": [{"key": "X-A", "value": "b"}], "events": ["Flow.Executed"]`)
		n.runs("orders", 1)
		form := r.of("form")[len(r.of("form"))-1]
		if !regexp.MustCompile(`^eventId=[0-9a-f-]{36}&eventType=Flow.Executed&webhookId=1&entityId=\d+&timestamp=\d+$`).MatchString(form.body) {
			t.Error(form.body)
		}
		if v, err := url.ParseQuery(form.body); err != nil || len(v) != 5 || v.Get("eventId") != form.id() {
			t.Errorf("%v %v", v, err)
		}
		m := hmac.New(sha1.New, []byte("s3cret-of-forms"))
		m.Write([]byte(form.body))
		if form.header.Get("X-Etl-Webhook-Signature") != hex.EncodeToString(m.Sum(nil)) || form.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%v", form.header)
		}
		whole := r.of("whole")[0]
		v, err := url.ParseQuery(whole.body)
		if err != nil || !json.Valid([]byte(v.Get("entity"))) || v.Get("entityUrl") == "" || !strings.Contains(whole.body, "&timestamp="+v.Get("timestamp")+"&entityUrl=") {
			t.Errorf("%s %v", whole.body, err)
		}
		m.Reset()
		m.Write([]byte(whole.body))
		if whole.header.Get("X-Etl-Webhook-Signature") != base64.StdEncoding.EncodeToString(m.Sum(nil)) {
			t.Errorf("%v", whole.header)
		}
		get := r.of("get")[0]
		h := get.header
		if get.method != http.MethodGet || get.body != "" || h.Get("X-Etl-Webhook-Signature") != "" || h.Get("Content-Type") != "" || h.Get("Authorization") != "Basic w6VkbWluOnBhOnNz" || h.Get("X-A") != "b" {
			t.Errorf("%+v", get)
		}
		for _, name := range []string{"Event-Id", "Event", "Id", "Entity-Id", "Entity-URL"} {
			if h.Get("X-Etl-Webhook-"+name) == "" {
				t.Errorf("GET has no %s", name)
			}
		}
	})
}

// E-7: a disabled webhook is sent nothing, and never hears of what it missed.
func TestDisabled(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		id := n.hook("a", `, "enabled": false, "events": ["Flow.Executed"]`)
		n.runs("orders", 2)
		def := `{"name": "a", "url": "https://a/hook", "events": ["Flow.Executed"], "enabled": %t}`
		if len(r.of("a")) != 0 || len(n.view(id)) != 0 {
			t.Error("a webhook that was made disabled is used")
		}
		n.must(200, "PUT", "/rest/v1/webhooks/1", fmt.Sprintf(def, true))
		n.runs("orders", 1)
		pass(time.Hour)
		if k := len(r.of("a")); k != 1 {
			t.Errorf("%d events arrived, not the one since it is enabled", k)
		}
		n.must(200, "PUT", "/rest/v1/webhooks/1", fmt.Sprintf(def, false))
		n.restart(n.conf)
		pass(time.Second)
		n.runs("orders", 3)
		if text := n.must(200, "GET", "/rest/v1/webhooks/1", ""); !strings.Contains(text, `"enabled":false`) {
			t.Error(text)
		}
		n.must(200, "PUT", "/rest/v1/webhooks/1", fmt.Sprintf(def, true))
		pass(time.Hour)
		if k := len(r.of("a")); k != 1 {
			t.Errorf("%d events arrived, also some that were missed", k)
		}
	})
}

// E-9: the newest hundred events of a webhook are shown, each with what was sent
// and answered, and nothing that is secret.
func TestView(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		r.answer["a"] = func(_ *http.Request, k int) (*http.Response, error) { return answer(200, "X-Receipt", fmt.Sprint(k)) }
		a := n.hook("a", `, "events": ["Flow.Executed"], "secret": "the-secret-of-a", "headers": [{"key": "X-Token", "value": "hush-hush"}], "basicUser": "u", "basicPass": "quiet-please"`)
		b := n.hook("b", `, "events": ["Schedule.Disabled"]`)
		if err := n.SetEnabled(t.Context(), "orders", false, engine.Switch{By: "me"}); err != nil {
			t.Fatal(err)
		}
		n.runs("orders", 130)
		all, sent := n.view(a), r.of("a")
		if len(sent) != 130 || len(all) != 100 {
			t.Fatalf("%d sent, %d shown", len(sent), len(all))
		}
		for i, e := range all {
			q := sent[129-i]
			at := e.Attempts[0]
			if e.EventID != q.id() || e.Status != "delivered" || e.EventType != "Flow.Executed" || fmt.Sprint(e.EntityID) != q.header.Get("X-Etl-Webhook-Entity-Id") || at.Request.Body != q.body ||
				at.Request.Headers["X-Etl-Webhook-Event"] == "" || at.Response == nil || at.Response.Status != 200 || at.Response.Body != "as you wish" || at.Response.Headers["X-Receipt"] != fmt.Sprint(130-i) {
				t.Fatalf("number %d: %+v", i, e)
			}
			if h := at.Request.Headers; h["X-Token"] != "***" || h["Authorization"] != "***" {
				t.Fatalf("%v", h)
			}
		}
		if len(n.view(b)) != 1 {
			t.Errorf("the other one shows %d", len(n.view(b)))
		}
		one := n.must(200, "GET", fmt.Sprintf("/rest/v1/webhooks/%d/events/%s", a, all[7].EventID), "")
		for _, secret := range []string{"hush-hush", "quiet-please", "the-secret-of-a"} {
			if strings.Contains(one, secret) || strings.Contains(n.must(200, "GET", "/rest/v1/webhooks", ""), secret) {
				t.Errorf("%s is shown", secret)
			}
		}
	})
}

// E-10: tried again with the same id until it arrives; redirects are not followed;
// 410 disables, and says so; 429 is obeyed.
func TestAnswers(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		r.answer["ill"] = func(_ *http.Request, k int) (*http.Response, error) {
			if k < 3 {
				return answer(500)
			}
			return answer(200)
		}
		r.answer["moved"] = func(*http.Request, int) (*http.Response, error) { return answer(302, "Location", "https://inward/") }
		r.answer["gone"] = func(*http.Request, int) (*http.Response, error) { return answer(410) }
		r.answer["busy"] = func(_ *http.Request, k int) (*http.Response, error) {
			if k == 1 {
				return answer(429, "Retry-After", "7")
			}
			return answer(200)
		}
		r.answer["once"] = func(*http.Request, int) (*http.Response, error) { return nil, errRefused }
		only := `, "events": ["Flow.Executed"]`
		ill, moved, gone, busy, once := n.hook("ill", only), n.hook("moved", only), n.hook("gone", only), n.hook("busy", only), n.hook("once", only+`, "retry": "none"`)
		watcher := n.hook("watcher", `, "events": ["Webhook.Disabled"], "includeEntity": true`)
		n.runs("orders", 1)
		pass(10 * time.Minute)
		e := n.view(ill)[0]
		if got := r.of("ill"); len(got) != 3 || got[0].id() != got[2].id() || got[2].header.Get("X-Etl-Webhook-Attempt") != "3" || e.Status != "delivered" || len(e.Attempts) != 3 ||
			e.Attempts[0].Response.Status != 500 || e.Attempts[1].N != 2 || e.Attempts[2].Response.Status != 200 || e.Attempts[2].Error != "" {
			t.Errorf("%+v", e)
		}
		if e := n.view(moved)[0]; len(r.of("inward")) > 0 || e.Status != "pending" || !strings.Contains(e.Attempts[0].Error, "redirects are not followed") {
			t.Errorf("%+v", e)
		}
		if text := n.must(200, "GET", fmt.Sprintf("/rest/v1/webhooks/%d", gone), ""); !strings.Contains(text, `"enabled":false`) || !strings.Contains(text, "410") || n.view(gone)[0].Status != "failed" {
			t.Errorf("%s %+v", text, n.view(gone))
		}
		if e := n.view(watcher); len(e) != 1 || e[0].EventType != "Webhook.Disabled" || e[0].EntityID != gone || !strings.Contains(r.of("watcher")[0].body, "410 Gone") {
			t.Errorf("%+v", e)
		}
		if got := r.of("busy"); len(got) != 2 || got[1].at.Sub(got[0].at) < 7*time.Second || n.view(busy)[0].Status != "delivered" {
			t.Errorf("busy: %+v", got)
		}
		if e := n.view(once)[0]; e.Status != "failed" || len(e.Attempts) != 1 || e.Attempts[0].Response != nil {
			t.Errorf("%+v", e)
		}
	})
}

// E-13: an endpoint that hangs changes the latencies of another one not at all.
func TestHangingNeighbour(t *testing.T) {
	worst := func(hangs bool) (p99 time.Duration) {
		inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
			wait := func(d time.Duration) func(q *http.Request, _ int) (*http.Response, error) {
				return func(q *http.Request, _ int) (*http.Response, error) {
					select {
					case <-q.Context().Done():
						return nil, q.Context().Err()
					case <-time.After(d):
						return answer(200)
					}
				}
			}
			r.answer["well"] = wait(20 * time.Millisecond)
			if hangs {
				r.answer["ill"] = wait(15 * time.Second)
			}
			only := `, "events": ["Flow.Executed"]`
			n.hook("ill", only)
			well := n.hook("well", only)
			for range 100 {
				n.runs("orders", 1)
				pass(7 * time.Millisecond)
			}
			pass(time.Minute)
			var took []time.Duration
			for _, e := range n.view(well) {
				took = append(took, e.Attempts[0].At.Add(time.Duration(e.Attempts[0].DurationMs)*time.Millisecond).Sub(e.CreatedAt))
			}
			if slices.Sort(took); len(took) != 100 {
				t.Fatalf("%d arrived", len(took))
			}
			p99 = took[98]
		})
		return p99
	}
	alone, beside := worst(false), worst(true)
	if alone <= 0 || beside > alone*12/10 {
		t.Errorf("p99 alone %s, beside one that hangs %s", alone, beside)
	}
}

// E-14, X-1: while both secrets live, the official library accepts either;
// afterwards only the new one. It refuses what is sent again six minutes later.
func TestStandardWebhooks(t *testing.T) {
	inNode(t, "["+orders+"]", func(t *testing.T, n *node, r *receivers) {
		n.hook("a", `, "events": ["Flow.Executed"], "secret": "a secret that is no base64", "standardWebhooks": true`)
		n.runs("orders", 1)
		var rotated struct{ Secret string }
		if err := json.Unmarshal([]byte(n.must(200, "POST", "/rest/v1/webhooks/1/secret/rotate", `{"graceHours": 2}`)), &rotated); err != nil || !strings.HasPrefix(rotated.Secret, "whsec_") {
			t.Fatal(err, rotated)
		}
		before, err := standard.NewWebhookRaw([]byte("a secret that is no base64"))
		after, err2 := standard.NewWebhook(rotated.Secret)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		verify := func(w *standard.Webhook) error {
			q := r.of("a")[len(r.of("a"))-1]
			return w.Verify([]byte(q.body), q.header)
		}
		if err := verify(before); err != nil || verify(after) == nil {
			t.Errorf("before the rotation: %v", err)
		}
		n.runs("orders", 1)
		if err := errors.Join(verify(before), verify(after)); err != nil {
			t.Errorf("while both live: %v", err)
		}
		pass(6 * time.Minute)
		if verify(after) == nil {
			t.Error("what is six minutes old is accepted")
		}
		pass(2 * time.Hour)
		n.runs("orders", 1)
		if err := verify(after); err != nil || verify(before) == nil {
			t.Errorf("after the grace time: %v, and %v with the old one", err, verify(before))
		}
		if s := r.of("a")[2].header.Get("X-Etl-Webhook-Signature"); len(s) != 40 {
			t.Errorf("the old signature beside it is %q", s)
		}
		for _, bad := range []string{`{"graceHours": 169}`, `{"graceHours": -1}`, `{"grace": 1}`, `[`, `{"graceHours": 1} {}`, `{"graceHours": "1"}`} {
			n.must(400, "POST", "/rest/v1/webhooks/1/secret/rotate", bad)
		}
	})
}
