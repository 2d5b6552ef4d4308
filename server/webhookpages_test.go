package server_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
)

// answering answers every request by the host that it goes to.
type answering map[string]int

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(q *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a[q.URL.Host], Header: http.Header{"X-Note": {"<script>alert(1)</script>"}, "Set-Cookie": {"session=hush"}},
		Body: io.NopCloser(strings.NewReader("<b>thanks</b>")), Request: q}, nil
}

// browser presses the buttons of pages, as people do.
type browser struct {
	t    *testing.T
	home string
	path string
	page *html.Node
	text string
	csp  string
}

// load loads a page, or posts a form and goes where that leads.
func (b *browser) load(method, path string, form url.Values) int {
	b.t.Helper()
	q, err := http.NewRequestWithContext(b.t.Context(), method, b.home+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		b.page, err = html.Parse(strings.NewReader(string(text)))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.path, b.text, b.csp = resp.Request.URL.RequestURI(), string(text), resp.Header.Get("Content-Security-Policy")
	return resp.StatusCode
}

// press presses the button with a label, with what was filled in.
func (b *browser) press(label string, fields url.Values) int {
	b.t.Helper()
	for n := range b.page.Descendants() {
		if n.Data != "button" || n.FirstChild.Data != label {
			continue
		}
		form := n.Parent
		for form.Data != "form" {
			form = form.Parent
		}
		all := url.Values{attribute(n, "name"): {attribute(n, "value")}}
		for k, v := range fields {
			all[k] = v
		}
		return b.load("POST", attribute(form, "action"), all)
	}
	b.t.Fatalf("there is no button %q: %s", label, b.text)
	return 0
}

// follow follows the nth link to a page below a path.
func (b *browser) follow(below string, n int) int {
	b.t.Helper()
	for e := range b.page.Descendants() {
		if href := attribute(e, "href"); e.Data == "a" && strings.HasPrefix(href, below) {
			if n--; n == 0 {
				return b.load("GET", href, nil)
			}
		}
	}
	b.t.Fatalf("there is no link below %s: %s", below, b.text)
	return 0
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// safe checks that a page brings nothing from outside and runs nothing but its own
// script.
func (b *browser) safe() {
	b.t.Helper()
	nonce := ""
	for e := range b.page.Descendants() {
		for _, name := range []string{"src", "href", "action"} {
			if v := attribute(e, name); v != "" && !strings.HasPrefix(v, "/webhooks/") {
				b.t.Errorf("%s: <%s %s=%q> leads elsewhere", b.path, e.Data, name, v)
			}
		}
		switch e.Data {
		case "script", "style":
			if attribute(e, "nonce") == "" || nonce != "" && attribute(e, "nonce") != nonce {
				b.t.Errorf("%s: <%s> of somebody else", b.path, e.Data)
			}
			nonce = attribute(e, "nonce")
		case "link", "img", "b", "iframe":
			b.t.Errorf("%s has <%s>", b.path, e.Data)
		}
		for _, a := range e.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				b.t.Errorf("%s: <%s %s>", b.path, e.Data, a.Key)
			}
		}
	}
	want := "default-src 'none'; style-src 'nonce-" + nonce + "'; script-src 'nonce-" + nonce + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if b.csp != want {
		b.t.Errorf("%s: the policy is %q", b.path, b.csp)
	}
	for _, secret := range []string{"hush", "whsec_"} {
		if strings.Contains(b.text, secret) {
			b.t.Errorf("%s tells a secret: %s", b.path, b.text)
		}
	}
}

// Whoever looks at the pages sees the webhooks of every pipe and what became of
// deliveries, and presses the buttons; nothing comes from outside, and no other site
// presses them.
func TestWebhookPages(t *testing.T) {
	receivers := answering{"well": 200, "ill": 503}
	c, _ := config.Parse("conf.json", []byte(`[
		{"_id": "well & good", "type": "pipe", "source": {"type": "embedded", "supports_since": true, "entities": [{"_updated": 1, "_id": "<i>1</i>", "text": "<b>x</b>"}]},
		 "sink": {"type": "webhook", "url": "https://well/hook?token=hush", "headers": {"X-Api-Key": "hush"}}},
		{"_id": "ill", "type": "pipe", "source": {"type": "embedded", "supports_since": true, "entities": [{"_updated": 1, "_id": "1"}, {"_updated": 2, "_id": "2"}]},
		 "sink": {"type": "webhook", "url": "https://ill/", "retry": "none"}},
		{"_id": "slow", "type": "pipe", "source": {"type": "embedded", "supports_since": true, "entities": [{"_updated": 1, "_id": "1"}]},
		 "sink": {"type": "webhook", "url": "https://ill/"}},
		{"_id": "none", "type": "pipe", "source": {"type": "embedded", "entities": []}}]`), config.Options{})
	e, s := nodeOf(t, inMemory(t), c, func(o *engine.Options) { o.Transport = receivers })
	run := func() {
		if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	run()
	b := &browser{t: t, home: s.URL}
	load := func(path string) func() int { return func() int { return b.load("GET", path, nil) } }
	press := func(label string, fields ...string) func() int {
		v := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		return func() int { return b.press(label, v) }
	}
	const list = "/webhooks/ill"
	for _, step := range []struct {
		do         func() int
		status     int
		has, lacks string
	}{
		{load("/webhooks/"), 200, `<a href="/webhooks/well%20&amp;%20good">well &amp; good</a>`, "<b>"},
		{load("/webhooks/"), 200, `<a class="failed" href="/webhooks/ill?status=failed">2</a>`, ""},
		{load(list), 200, "0 pending, 0 delivered, 2 failed", "<td>–</td>\n</tr>\n</tbody>\n</table>\n<p>There"},
		{load(list + "?status=pending"), 200, "There are none.", "msg_"},
		{load(list + "?status=odd"), 200, `aria-current="page">all</a>`, ""},
		{load(list + "?done=recover-x"), 200, "", "role=\"status\""},
		{func() int { return b.follow(list+"/deliveries/", 1) }, 200, "it answered 503 Service Unavailable", "Try 2"},
		{press("Send once more"), 200, "The delivery is made once more.", "Send once more"},
		{func() int { run(); return b.load("GET", b.path, nil) }, 200, "Try 2", ""},
		{load(list), 200, "2 failed", ""},
		{func() int {
			receivers["ill"] = 200
			return b.press("Recover", url.Values{"since": {"2020-01-01T00:00"}})
		}, 200, "made again: 2.", ""},
		{func() int { run(); return b.load("GET", list, nil) }, 200, "0 pending, 2 delivered, 0 failed", ""},
		{press("Recover", "since", "soon"), 400, `role="alert">since is a time`, ""},
		{load(list), 200, "", ""},
		{press("Disable", "comment", "<b>on holiday</b>"), 200, "&lt;b&gt;on holiday&lt;/b&gt;", "Disable<"},
		{load("/webhooks/"), 200, `<span class="off">disabled</span> by the API, called from 127.0.0.1`, ""},
		{load(list), 200, "", ""},
		{press("Enable"), 200, `<span class="on">enabled</span>`, "Enable<"},
		{press("Send a test"), 200, "1 pending", ""},
		{func() int { run(); return b.load("GET", list, nil) }, 200, "3 delivered", ""},
		{load("/webhooks/slow"), 200, "1 pending", ""},
		{func() int { return b.follow("/webhooks/slow/deliveries/", 1) }, 200, "Try now", "Send once more"},
		{press("Try now"), 200, "The delivery is made once more.", ""},
		{func() int { run(); return b.load("GET", b.path, nil) }, 200, "Try 2", "Try now"},
		{load("/webhooks/well%20&%20good?status=delivered"), 200, "&lt;i&gt;1&lt;/i&gt;", "<i>"},
		{func() int { return b.follow("/webhooks/well%20&%20good/deliveries/", 1) }, 200, "X-Note: &lt;script&gt;alert(1)&lt;/script&gt;", ""},
		{load("/webhooks/none"), 404, "the pipe feeds no webhook", ""},
		{load("/webhooks/nothing"), 404, "there is no such pipe", ""},
		{load(list + "/deliveries/none"), 404, "there is no such delivery", ""},
		{func() int { return b.load("POST", list, url.Values{"operation": {"burn"}}) }, 400, "no such button", ""},
		{func() int { return b.load("POST", list+"/deliveries/x", url.Values{"operation": {"burn"}}) }, 400, "no such button", ""},
		{func() int { return b.load("POST", list+"/deliveries/x", url.Values{"operation": {"redeliver"}}) }, 404, "no such delivery", ""},
	} {
		if got := step.do(); got != step.status || !strings.Contains(b.text, step.has) || step.lacks != "" && strings.Contains(b.text, step.lacks) {
			t.Errorf("%s: %d %s\nshould be %d, have %q and lack %q", b.path, got, b.text, step.status, step.has, step.lacks)
		}
		b.safe()
	}
	foreign, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+list, strings.NewReader("operation=disable"))
	if err != nil {
		t.Fatal(err)
	}
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	foreign.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if resp, err := http.DefaultClient.Do(foreign); err != nil || resp.StatusCode != 403 {
		t.Errorf("another site pressed a button: %v %v", resp, err)
	}
}
