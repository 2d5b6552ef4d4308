package etlworks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sluiceio/sluice/dialects/etlworks"
)

// X-2 by API: one sent once more, what was given up since a time, and a test; the
// log tells of all of it.
func TestByHand(t *testing.T) {
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		well := false
		r.answer["a"] = func(*http.Request, int) (*http.Response, error) {
			if well {
				return answer(200)
			}
			return answer(503)
		}
		id := n.hook("a", `, "events": ["Flow.Executed"], "retry": "none", "secret": "of-the-test", "contentType": "application/x-www-form-urlencoded"`)
		n.runs("orders", 2)
		pass(time.Hour)
		since := time.Now().UTC().Format(time.RFC3339)
		n.runs("orders", 3)
		before := n.view(id)
		if len(before) != 5 || before[0].Status != "failed" || len(before[0].Attempts) != 1 {
			t.Fatalf("%+v", before)
		}
		well = true
		base := fmt.Sprintf("/rest/v1/webhooks/%d", id)
		n.must(202, "POST", base+"/events/"+before[4].EventID+"/redeliver", "")
		pass(time.Second)
		after := n.view(id)
		if e := after[4]; e.EventID != before[4].EventID || e.Status != "delivered" || len(e.Attempts) != 2 || !e.Attempts[1].Manual || e.Attempts[1].N != 2 || after[3].Status != "failed" {
			t.Errorf("%+v", after)
		}
		if got := r.of("a"); got[5].id() != before[4].EventID || got[5].body != got[0].body {
			t.Errorf("another event was sent: %+v", got[5])
		}
		if text := n.must(202, "POST", base+"/recover?since="+url.QueryEscape(since), ""); !strings.Contains(text, `"recovered":3`) {
			t.Error(text)
		}
		pass(time.Second)
		for i, e := range n.view(id) {
			if want := i != 3; (e.Status == "delivered") != want {
				t.Errorf("number %d is %s", i, e.Status)
			}
		}
		n.must(202, "POST", base+"/test", "")
		pass(time.Second)
		test := n.view(id)[0]
		if q := r.of("a")[9]; test.EventType != "Webhook.Test" || test.Status != "delivered" || !strings.HasPrefix(q.body, "eventId="+test.EventID+"&eventType=Webhook.Test&webhookId=1&entityId=1&timestamp=") || len(q.header.Get("X-Etl-Webhook-Signature")) != 40 {
			t.Errorf("%+v %+v", test, q)
		}
		for path, want := range map[string]int{base + "/recover": 400, base + "/recover?since=yesterday": 400, base + "/events/none/redeliver": 404, "/rest/v1/webhooks/77/test": 404, base: 405, base + "/events": 405, "/rest/v1/flows/orders": 405, "/rest/v1/webhook": 404} {
			n.must(want, "POST", path, "")
		}
	})
}

// Bad definitions are refused, and nothing is left of them. Names are those of
// the answer's sentence.
func TestBadDefinitions(t *testing.T) {
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		for body, want := range map[string]string{
			``: "no webhook", `[]`: "no webhook", `{"name": "a", "url": "https://a/"} x`: "follows", `{"nome": "a"}`: `there is no field \"nome\"; did you mean \"name\"?`, `{"name": "a", "enabled": "no"}`: "enabled must be true or false, not a text",
			`{"name": "a", "headers": {"X-A": "b"}}`: "headers must be a list, not an object", `{"name": 1.5}`: "name must be a text, not a number", `{"zzzzzz": 1}`: `there is no field \"zzzzzz\""`,
			`{"name": "a", "url": "https://a/", "events": [` + strings.Repeat(`"Flow.*",`, 200) + `"Flow.*"]}`: "more than 200",
			`{"url": "https://a/"}`: "name", `{"name": "a"}`: "url", `{"name": "a", "url": "ftp://a/"}`: "url", `{"name": "a", "url": "https://u:p@a/"}`: "basicUser",
			`{"name": "a", "url": "https://a/?x=$SECRET(etlworks_admin)"}`: "$SECRET", `{"name": "a", "url": "https://a/", "headers": [{"key": "X", "value": "$SECRET(etlworks_admin)"}]}`: "$SECRET",
			`{"name": "a", "url": "https://a/", "method": "PUT"}`: "method", `{"name": "a", "url": "https://a/", "contentType": "text/plain"}`: "contentType",
			`{"name": "a", "url": "https://a/", "events": ["Flow.Exploded"]}`: "Flow.Executed", `{"name": "a", "url": "https://a/", "events": "Flow.Executed"}`: "no webhook",
			`{"name": "a", "url": "https://a/", "headers": [{"key": "Host", "value": "b"}]}`: "Host", `{"name": "a", "url": "https://a/", "headers": [{"key": "x-etl-webhook-id", "value": "b"}]}`: "sender decides",
			`{"name": "a", "url": "https://a/", "headers": [{"key": "A\r\nB", "value": "b"}]}`: "number 1", `{"name": "a", "url": "https://a/", "headers": [{"key": "A", "value": "b\u0000"}]}`: "number 1",
			`{"name": "a", "url": "https://a/", "headers": [{"key": "A", "value": "b"}, {"key": "a", "value": "c"}]}`:                     "twice",
			`{"name": "a", "url": "https://a/", "basicUser": "u", "basicPass": "p", "headers": [{"key": "Authorization", "value": "b"}]}`: "basicUser",
			`{"name": "a", "url": "https://a/", "basicPass": "p"}`:                                                                        "basicUser", `{"name": "a", "url": "https://a/", "basicUser": "u:v"}`: "colon",
			`{"name": "a", "url": "https://a/", "standardWebhooks": true}`: "secret", `{"name": "a", "url": "https://a/", "standardWebhooks": true, "secret": "s", "method": "GET"}`: "POST",
			`{"name": "a", "url": "https://a/", "retry": "always"}`: "retry", `{"name": "` + strings.Repeat("a", 5000) + `", "url": "https://a/"}`: "longer",
		} {
			if status, text := n.call("POST", "/rest/v1/webhooks", n.token("administrator"), body); status != 400 || !strings.Contains(text, want) {
				t.Errorf("%.80s: %d %s", body, status, text)
			}
		}
		if status, _ := n.call("POST", "/rest/v1/webhooks", n.token("administrator"), `{"name": "`+strings.Repeat("a", 2<<20)+`"}`); status != 413 {
			t.Errorf("a body of two megabytes: %d", status)
		}
		if text := n.must(200, "GET", "/rest/v1/webhooks", ""); strings.TrimSpace(text) != "[]" {
			t.Error(text)
		}
		if text := n.must(201, "POST", "/rest/v1/webhooks", `{"name": "a", "url": "https://a/", "events": ["Format.Created", "Flow.Failed"]}`); !strings.Contains(text, "never happens") {
			t.Error(text)
		}
	})
}

// A change that the node refuses is undone whole: the files on disk may be wrong
// just then.
func TestRefusedChange(t *testing.T) {
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		id := n.hook("a", `, "events": ["Flow.Executed"], "secret": "one"`)
		good := n.conf
		n.conf = `[{"_id": "broken"`
		path := fmt.Sprintf("/rest/v1/webhooks/%d", id)
		n.must(409, "PUT", path, `{"name": "b", "url": "https://b/", "secret": "two"}`)
		n.must(409, "DELETE", path, "")
		n.must(409, "POST", "/rest/v1/webhooks", `{"name": "c", "url": "https://c/"}`)
		n.conf = good
		n.restart(good)
		pass(time.Second)
		n.runs("orders", 1)
		if text := n.must(200, "GET", "/rest/v1/webhooks", ""); strings.Contains(text, `"b"`) || strings.Contains(text, `"c"`) || len(r.of("a")) != 1 || r.of("a")[0].header.Get("X-Etl-Webhook-Signature") == "" {
			t.Errorf("%s %v", text, r.of("a"))
		}
	})
}

// Secrets stay when they are given as shown, or not at all, and go when empty; in
// the store they are sealed, and read with the key before too.
func TestSecretsStay(t *testing.T) {
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		n.hook("a", `, "secret": "the-secret", "basicUser": "u", "basicPass": "the-password", "headers": [{"key": "X-Api-Key", "value": "the-key"}]`)
		var shown map[string]any
		if err := json.Unmarshal([]byte(n.must(200, "GET", "/rest/v1/webhooks/1", "")), &shown); err != nil {
			t.Fatal(err)
		}
		shown["name"] = "b"
		body, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		n.must(200, "PUT", "/rest/v1/webhooks/1", string(body))
		n.secrets = []string{"SLUICE_SECRET_" + etlworks.AdminSecret + "=another-secret-of-at-least-32-bytes", "SLUICE_SECRET_" + etlworks.PreviousSecret + "=" + adminSecret}
		n.restart(n.conf)
		pass(time.Second)
		n.runs("orders", 1)
		all := r.of("a")
		h := all[len(all)-1].header
		if u, p, _ := (&http.Request{Header: h}).BasicAuth(); u != "u" || p != "the-password" || h.Get("X-Api-Key") != "the-key" || h.Get("X-Etl-Webhook-Signature") == "" {
			t.Errorf("%v", h)
		}
		names, err := n.st.States(t.Context(), "")
		if err != nil || len(names) == 0 {
			t.Fatal(err)
		}
		for _, name := range names {
			v, _, err := n.st.State(t.Context(), name)
			for _, secret := range []string{"the-secret", "the-password", "the-key"} {
				if err != nil || strings.Contains(string(v), secret) {
					t.Errorf("%s holds %s in the open, %v", name, secret, err)
				}
			}
		}
		shown["secret"], shown["basicUser"], shown["headers"] = "", "", []any{}
		delete(shown, "basicPass")
		if body, err = json.Marshal(shown); err != nil {
			t.Fatal(err)
		}
		n.must(200, "PUT", "/rest/v1/webhooks/1", string(body))
		left, err := n.st.States(t.Context(), "etlworks/secret/")
		if err != nil || len(left) != 0 {
			t.Errorf("%v %v", left, err)
		}
	})
}

// browser keeps cookies and follows redirects, as browsers do.
type browser struct {
	n      *node
	cookie *http.Cookie
	site   string // Sec-Fetch-Site
}

func (b *browser) load(method, path string, form url.Values) (*http.Response, *html.Node, string) {
	b.n.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host, r.RemoteAddr = "127.0.0.1:9042", "127.0.0.1:50000"
	r.Header.Set("Sec-Fetch-Site", b.site)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.n.door.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookie = c
	}
	if to := w.Header().Get("Location"); to != "" {
		return b.load("GET", to, nil)
	}
	text := w.Body.String()
	page, err := html.Parse(strings.NewReader(text))
	if err != nil {
		b.n.t.Fatal(err)
	}
	return w.Result(), page, text
}

// forms are the forms of a page by the texts of their buttons.
func forms(page *html.Node) map[string]func() (action string, fields url.Values) {
	all := map[string]func() (string, url.Values){}
	for n := range page.Descendants() {
		if n.Type != html.ElementNode || n.Data != "button" {
			continue
		}
		form := n.Parent
		for form.Data != "form" {
			form = form.Parent
		}
		fields := url.Values{}
		if name := attribute(n, "name"); name != "" {
			fields.Set(name, attribute(n, "value"))
		}
		label := n.FirstChild.Data
		if _, there := all[label]; !there {
			all[label] = func() (string, url.Values) { return attribute(form, "action"), fields }
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// X-2 by the pages: who has a token sees webhooks and their events, and presses
// the buttons; nothing comes from outside, and no other site presses them.
func TestPages(t *testing.T) {
	inNode(t, conf(orders), func(t *testing.T, n *node, r *receivers) {
		well := false
		r.answer["a"] = func(*http.Request, int) (*http.Response, error) {
			if well {
				return answer(200, "X-Note", "<script>alert(1)</script>")
			}
			return answer(503)
		}
		id := n.hook("a", `, "description": "<b>bold</b>", "events": ["Flow.Executed"], "retry": "none", "secret": "of-the-page"`)
		begun := time.Now().UTC().Add(-time.Minute)
		n.runs("orders", 3)
		b := &browser{n: n, site: "same-origin"}
		if resp, _, text := b.load("GET", "/etlworks/", nil); resp.StatusCode != 401 || !strings.Contains(text, "sluice token") {
			t.Errorf("without a token: %d %s", resp.StatusCode, text)
		}
		if resp, _, text := b.load("POST", "/etlworks/login", url.Values{"token": {n.token("operator")}}); resp.StatusCode != 403 || !strings.Contains(text, "only administrators") || b.cookie != nil {
			t.Errorf("an operator: %d %s", resp.StatusCode, text)
		}
		resp, _, text := b.load("POST", "/etlworks/login", url.Values{"token": {n.token("administrator")}})
		if resp.StatusCode != 200 || !b.cookie.HttpOnly || b.cookie.SameSite != http.SameSiteStrictMode || !strings.Contains(text, "https://a/hook") || strings.Contains(text, "<b>bold") {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		path := fmt.Sprintf("/etlworks/webhooks/%d", id)
		resp, page, text := b.load("GET", path, nil)
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") || strings.Count(text, "<details>") != 3 || strings.Contains(text, "of-the-page") {
			t.Errorf("%s\n%s", csp, text)
		}
		for e := range page.Descendants() {
			for _, name := range []string{"src", "href", "action"} {
				if v := attribute(e, name); v != "" && !strings.HasPrefix(v, "/etlworks/") {
					t.Errorf("<%s %s=%q> leads elsewhere", e.Data, name, v)
				}
			}
			if e.Data == "script" || e.Data == "link" || e.Data == "img" || attribute(e, "style") != "" || attribute(e, "onclick") != "" {
				t.Errorf("the page has <%s>", e.Data)
			}
		}
		foreign := &browser{n: n, cookie: b.cookie, site: "cross-site"}
		if resp, _, _ := foreign.load("POST", path, url.Values{"action": {"test"}}); resp.StatusCode != 403 {
			t.Errorf("another site pressed a button: %d", resp.StatusCode)
		}
		well = true
		press := func(button string, more url.Values) string {
			t.Helper()
			_, page, text := b.load("GET", path, nil)
			form, there := forms(page)[button]
			if !there {
				t.Fatalf("there is no button %q: %s", button, text)
			}
			action, fields := form()
			for k, v := range more {
				fields[k] = v
			}
			resp, _, text := b.load("POST", action, fields)
			if resp.StatusCode != 200 || !strings.Contains(text, `role="status"`) {
				t.Fatalf("%s: %d %s", button, resp.StatusCode, text)
			}
			pass(time.Second)
			_, _, text = b.load("GET", path, nil)
			return text
		}
		if text := press("Send once more", nil); strings.Count(text, `class="delivered"`) != 1 || strings.Count(text, `class="failed"`) != 2 || !strings.Contains(text, "Try 2") || strings.Contains(text, "<script>") {
			t.Error(text)
		}
		if text := press("Recover", url.Values{"since": {begun.Format("2006-01-02T15:04")}}); strings.Count(text, `class="delivered"`) != 3 {
			t.Error(text)
		}
		if text := press("Send a test", nil); !strings.Contains(text, "Webhook.Test") || strings.Count(text, "<details>") != 4 {
			t.Error(text)
		}
		if text := press("Disable", nil); !strings.Contains(text, `<span class="off">disabled`) {
			t.Error(text)
		}
		if text := press("Enable", nil); !strings.Contains(text, `<span class="on">enabled`) {
			t.Error(text)
		}
		if resp, _, text := b.load("POST", path, url.Values{"action": {"recover"}, "since": {"soon"}}); resp.StatusCode != 400 || !strings.Contains(text, `role="alert"`) {
			t.Errorf("%d %s", resp.StatusCode, text)
		}
		b.load("POST", "/etlworks/logout", url.Values{})
		if b.cookie.MaxAge >= 0 {
			t.Error("the cookie stays")
		}
	})
}
