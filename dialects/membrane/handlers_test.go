package membrane_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// M-7: what handle gets of bodies, headers and parameters.
func TestArguments(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	at := n.uri("acme", "all")
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	_ = m.WriteField("a", "1")
	_ = m.WriteField("a", "2")
	part, err := m.CreateFormFile("f", "x.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write([]byte{0, 255})
	m.Close()
	for _, c := range []struct{ method, kind, query, body, want string }{
		{"POST", jsonBody, "", `[1, {"a": null}]`, `"data":[1,{"a":null}]`},
		{"POST", "application/vnd.x+json; charset=utf-8", "", `"t"`, `"data":"t"`},
		{"POST", "application/x-www-form-urlencoded", "", "a=1&a=2&b=x+y", `"data":{"a":["1","2"],"b":"x y"}`},
		{"PUT", "text/plain", "", "hello å", `"data":"hello å"`},
		{"POST", "application/xml", "", "<a/>", `"data":"<a/>"`},
		{"DELETE", jsonBody, "", "", `"data":null`},
		{"GET", "", "&q=1&q=2&one=x", "", `"query":{"do":"echo","one":"x","q":["1","2"]}`},
		{"POST", m.FormDataContentType(), "", form.String(), `"data":{"a":["1","2"],"f":{"base64":"AP8=","contentType":"application/octet-stream","filename":"x.bin","size":2}}`},
		{"POST", "application/octet-stream", "", "a\xffb", `"rawBody":"a�b","raw64":"Yf9i"`},
		{"PATCH", "text/plain", "", "x", `"headers":{"kind":"one, two","type":"text/plain"}`},
	} {
		status, text := n.call(c.method, at+"?do=echo"+c.query, c.body, "Content-Type", c.kind, "X-Kind", "one", "X-KIND", "two")
		if status != 200 || !strings.Contains(text, c.want) {
			t.Errorf("%s %q: %d %s, want %s", c.kind, c.body, status, text, c.want)
		}
	}
	for body, kind := range map[string]string{`{"a":`: jsonBody, "a=%zz": "application/x-www-form-urlencoded", "nothing": "multipart/form-data"} {
		status, text := n.call("POST", at, body, "Content-Type", kind)
		if status != 400 || !strings.Contains(text, `"type":"bad_request"`) {
			t.Errorf("%q: %d %s", body, status, text)
		}
	}
	if status, _ := n.call("POST", at, strings.Repeat("x", 4<<20+1), "Content-Type", "text/plain"); status != 413 {
		t.Errorf("too large: %d", status)
	}
	// What is small as it came, but not as JSON, is no smaller when it is sent again.
	if status, text := n.call("POST", at, strings.Repeat("\x01", 4<<20), "Content-Type", "text/plain"); status != 413 || !strings.Contains(text, `"type":"input_limit"`) {
		t.Errorf("too large for a script: %d %s", status, text)
	}
	if status, _ := n.call("POST", at, "x", "X-Long", strings.Repeat("x", 40<<10)); status != 431 {
		t.Errorf("long header: %d", status)
	}
}

// M-8: handle gets the parameters in clear, nobody else does.
func TestParameters(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	at := n.uri("acme", "all")
	if _, text := n.post(at+"?do=echo", `{}`); !strings.Contains(text, `"parameters":{"clientSecret":"connector-secret","region":"eu"}`) {
		t.Errorf("handle got %s", text)
	}
	n.post(at+"?do=throw&key=connector-secret", `{}`)
	seen := n.last("system:webhook-requests:acme-all-events") + n.log.String()
	for _, path := range []string{"/integrations", "/integrations/acme", "/integrations/acme/global-webhooks", "/external-event-subscriptions", "/external-event-log-records",
		"/api/pipes/acme-all-events", "/api/datasets/system:webhook-requests:acme-all-events/entities"} {
		_, text := n.call("GET", path, "")
		seen += text
	}
	if strings.Contains(seen, "connector-secret") || strings.Contains(seen, "globex-hidden") {
		t.Errorf("a secret is told: %s", seen)
	}
	if token := at[strings.LastIndex(at, "/")+1:]; strings.Contains(n.last("system:webhook-requests:acme-all-events")+n.log.String(), token) {
		t.Error("the token is told")
	}
	if !strings.Contains(seen, "about to throw ***") {
		t.Error("the console was not kept")
	}
}

// M-9: a handler that fails, or wants more than it gets.
func TestHandlerFails(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	at := n.uri("acme", "all")
	for _, c := range []struct {
		do     string
		status int
		want   string
	}{
		{"throw", 500, `{"error":{"message":"Internal Server Error","type":"Error"}}`},
		{"reject", 500, `{"error":{"message":"Internal Server Error","type":"Error"}}`},
		{"refuse", 400, `{"error":{"message":"Bad Request","type":"BadRequestError"}}`},
		{"deny", 401, `{"error":{"message":"Unauthorized","type":"UnauthorizedError"}}`},
		{"memory", 503, `{"error":{"message":"Service Unavailable","type":"memory_limit"}}`},
		{"large", 503, `{"error":{"message":"Service Unavailable","type":"output_limit"}}`},
		{"wrong", 500, `{"error":{"message":"Internal Server Error","type":"invalid_result"}}`},
		{"proto", 200, "ok"},
	} {
		status, text := n.post(at+"?do="+c.do, `{"of":"`+c.do+`"}`)
		if strings.TrimSpace(text) != c.want || status != c.status {
			t.Errorf("%s: %d %s", c.do, status, text)
		}
		// What came is kept, whatever became of it.
		if got := n.last("system:webhook-requests:acme-all-events"); !strings.Contains(got, `do=`+c.do) || !strings.Contains(got, `"body":"{\"of\":\"`+c.do+`\"}"`) {
			t.Errorf("%s: kept is %s", c.do, got)
		}
		if got := n.last("system:webhook-requests:acme-all-events"); c.status >= 400 && !strings.Contains(got, `"outcome":"failed"`) && !strings.Contains(got, `"outcome":"refused"`) {
			t.Errorf("%s: the request says %s", c.do, got)
		}
		if status, text := n.post(at+"?do=global", `{}`); status != 200 || strings.TrimSpace(text) != `{"x":1,"polluted":true}` {
			t.Errorf("after %s: %d %s", c.do, status, text)
		}
	}
	if got := n.payloads("acme-all-events"); got != "" {
		t.Errorf("events were stored: %s", got)
	}
	if !strings.Contains(n.log.String(), "Invalid webhook signature ***") {
		t.Error("operators are not told what was thrown")
	}
}

// A handler that does not end is ended, and the next call finds nothing of it.
func TestHandlerLoops(t *testing.T) {
	n := newNodeWithin(t, "testdata/acme.txtar", asItIs, 500*time.Millisecond)
	at := n.uri("acme", "all")
	status, text := n.post(at+"?do=loop", `{}`)
	if status != 503 || strings.TrimSpace(text) != `{"error":{"message":"Service Unavailable","type":"time_limit"}}` {
		t.Errorf("%d %s", status, text)
	}
	if got := n.last("system:webhook-requests:acme-all-events"); !strings.Contains(got, `do=loop`) || !strings.Contains(got, `"outcome":"failed"`) {
		t.Errorf("kept is %s", got)
	}
	// On a busy machine others, too, may not be done within their time.
	n.until("afterwards", `{"x":1,"polluted":true}`, func() string {
		_, text := n.post(at+"?do=global", `{}`)
		return strings.TrimSpace(text)
	})
}

// While handlers of one integration do their worst, another is served: its requests
// are all answered while the loops of the first go on.
func TestHostileHandlersHurtNobody(t *testing.T) {
	n := newNodeWithin(t, "testdata/acme.txtar", asItIs, time.Hour)
	bad, good := n.uri("acme", "all"), n.uri("globex", "webhook-key")
	ctx, enough := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	for _, do := range []string{"memory", "loop", "large", "loop"} {
		attackers.Go(func() {
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, bad+"?do="+do, strings.NewReader(`{}`))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", jsonBody)
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					continue // it was enough
				}
				if resp.Body.Close(); resp.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s: %s", do, resp.Status)
				}
			}
		})
	}
	for i := range 60 {
		if status, text := n.post(good, fmt.Sprintf(`{"from_user_id":42,"n":%d}`, i)); status != 201 || text != "Webhook received" {
			t.Errorf("%d: %d %s", i, status, text)
		}
	}
	enough()
	attackers.Wait()
	for _, d := range []string{"globex-webhook-key-events", "acme-all-events"} {
		n.until(d, map[string]string{"acme-all-events": "0", "globex-webhook-key-events": "60"}[d], func() string {
			info, err := n.store.Info(t.Context(), d)
			return fmt.Sprint(info.Live, strings.TrimPrefix(fmt.Sprint(err), "<nil>"))
		})
	}
}

// What a handler may say in its answer.
func TestResponses(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	at := n.uri("acme", "all") + "?do=answer"
	for body, want := range map[string]string{
		`{"status": 202, "data": {"a": 1}}`: `202 {"a":1}`,
		`{"data": "x"}`:                     `200 x`,
		`{"data": false}`:                   `200 false`,
		`{"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "data": {"a": "b c"}}`: `200 a=b+c`,
		`{"status": 204}`: `204 `,
		`{"status": 199}`: `500 {"error":{"message":"Internal Server Error","type":"invalid_response"}}`,
		`{"status": 600}`: `500 {"error":{"message":"Internal Server Error","type":"invalid_response"}}`,
		`{"headers": {"X-A": "a\r\nSet-Cookie: b=c"}}`:                             `500 {"error":{"message":"Internal Server Error","type":"invalid_response"}}`,
		`{"headers": {"Content-Length": "1", "Set-Cookie": "a=b"}, "data": "xyz"}`: `200 xyz`,
		`null`: `200 `,
	} {
		status, text := n.post(at, body)
		if got := fmt.Sprintf("%d %s", status, strings.TrimSpace(text)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// The runtime as an ordinary transform.
func TestTransform(t *testing.T) {
	n := newNode(t, "testdata/script.txtar", asItIs)
	if _, err := n.engine.RunAll(t.Context(), []string{"good"}, nil); err != nil {
		t.Error(err)
	}
	var all []string
	page, err := n.store.Read(t.Context(), "good", store.Query{Since: store.Start}, entity.NewArena())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entities {
		v, _ := e.Get("name")
		id, _ := e.Get("_id")
		all = append(all, id.Text()+"="+v.Text())
	}
	if got := strings.Join(all, " "); got != "a=ADA b2=BOB" {
		t.Errorf("got %s", got)
	}
	hasty := newNodeWithin(t, "testdata/script.txtar", asItIs, 500*time.Millisecond)
	for pipe, want := range map[string]string{"throws": "script.ts:1:29: Error: not c", "loops": "did not end within", "list": "returned no entity"} {
		n := n
		if pipe == "loops" {
			n = hasty
		}
		results, err := n.engine.RunAll(t.Context(), []string{pipe}, nil)
		if err != nil || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), want) {
			t.Errorf("%s: %v %v", pipe, err, results[0].Err)
		}
	}
}
