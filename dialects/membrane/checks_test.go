package membrane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// M-1: the files of the manual run as they are; nothing is routed, since they
// misspell a key, and a warning names it and the one that was meant.
func TestSeedVerbatim(t *testing.T) {
	n := newNode(t, "testdata/seed.txtar", asItIs)
	var warned string
	for _, f := range n.finds {
		if f.Rule == "membrane/unknown-webhook" {
			warned = fmt.Sprintf("%s:%d:%d %s %s", f.Span.File[len(n.dir)+1:], f.Span.Start.Line, f.Span.Start.Col, f.Message, f.Help)
		}
	}
	if want := `connectors/seed/events/event-key/get-event-selector.js:4:24 the connector has no global webhook "global-webhok-key": no event will come did you mean "webhook-key"?`; warned != want {
		t.Errorf("warned %q", warned)
	}
	n.until("subscription", "event-key subscribed global-webhok-key user_id:42", func() string { return n.subscribed("conn42") })
	sub := asked[subscriptionPage](n, "GET", "/external-event-subscriptions").Items[0]
	if text := fmt.Sprint(sub["warning"]); !strings.Contains(text, `no global webhook "global-webhok-key"`) || !strings.Contains(text, `did you mean "webhook-key"?`) {
		t.Errorf("the subscription says %q", text)
	}
	hooks := asked[[]map[string]any](n, "GET", "/integrations/acme/global-webhooks")
	if len(hooks) != 1 || hooks[0]["key"] != "webhook-key" || hooks[0]["name"] != "Webhook Name" || n.uri("acme", "webhook-key") == n.uri("other", "webhook-key") {
		t.Errorf("webhooks %v", hooks)
	}
	if status, text := n.post(n.uri("acme", "webhook-key"), `{"from_user_id":42}`); status != 201 || text != "Webhook received" {
		t.Errorf("%d %s", status, text)
	}
	if _, err := n.engine.RunAll(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	if got := n.payloads("conn42-in"); got != "" {
		t.Errorf("routed %s", got)
	}
	if got := n.last("acme-webhook-key-events"); !strings.Contains(got, `"subscriptions":[]`) {
		t.Errorf("event %s", got)
	}
}

// The same with the key as it was meant: 1.10's body gets where it should.
func TestSeedCorrected(t *testing.T) {
	n := newNode(t, "testdata/seed.txtar", func(_, text string) string { return strings.Replace(text, "global-webhok-key", "webhook-key", 1) })
	if len(n.finds) > 0 {
		t.Errorf("findings %v", n.finds)
	}
	n.ready(1)
	const body = `{"from_user_id":42,"type":"task.created","task":{"id":"t-1"}}`
	if status, text := n.post(n.uri("acme", "webhook-key"), body); status != 201 || text != "Webhook received" {
		t.Errorf("%d %s", status, text)
	}
	n.until("delivered", body, func() string { return n.payloads("conn42-in") })
}

// M-2, M-3, M-4, M-12, M-13: who gets what.
func TestRouting(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8) // nine pipes, two of which share one
	mapped := n.subscribed("same42")
	if !strings.Contains(mapped, "task subscribed webhook-key user_id:42") || !strings.Contains(mapped, "mapped subscribed webhook-key user_id:42") {
		t.Errorf("the mapping and the script differ: %s", mapped)
	}
	body := `{"from_user_id":42,"n":1.25,"big":"å","list":[{"x":null}]}`
	if status, text := n.post(n.uri("acme", "webhook-key"), body); status != 201 || text != "Webhook received" {
		t.Errorf("%d %s", status, text)
	}
	for _, pipe := range []string{"p42", "p42-too", "p-same", "p-mapped"} {
		n.until(pipe, body, func() string { return n.payloads(pipe) })
	}
	for _, pipe := range []string{"p7", "p-all", "p-globex", "p-a"} {
		if _, err := n.engine.RunAll(t.Context(), []string{pipe}, nil); err != nil {
			t.Error(err)
		}
		if got := n.payloads(pipe); got != "" {
			t.Errorf("%s got %s", pipe, got)
		}
	}
	// The same selector by another webhook, and by that of another integration.
	n.post(n.uri("acme", "all"), `{"from_user_id":42,"by":"all"}`)
	n.until("by all", `{"from_user_id":42,"by":"all"}`, func() string { return n.payloads("p-all") })
	n.post(n.uri("globex", "webhook-key"), `{"from_user_id":42,"by":"globex"}`)
	n.until("by globex", `{"from_user_id":42,"by":"globex"}`, func() string { return n.payloads("p-globex") })
	n.post(n.uri("acme", "webhook-key"), `{"from_user_id":7}`)
	n.until("7", `{"from_user_id":7}`, func() string { return n.payloads("p7") })
	if got := n.payloads("p42"); got != body {
		t.Errorf("p42 has %s", got)
	}
	recs := asked[subscriptionPage](n, "GET", "/external-event-log-records?status=matched&connectionId=conn42").Items
	if len(recs) != 2 || fmt.Sprint(recs[1]["launchedFlowRunIds"]) != "[p42 p42-too]" {
		t.Errorf("records %v", recs)
	}
	one := asked[map[string]any](n, "GET", "/external-event-log-records/"+recs[0]["id"].(string))
	if one["globalWebhookKey"] != "all" || one["status"] != "matched" {
		t.Errorf("record %v", one)
	}
}

// M-5: several events, none, and some that cannot be routed.
func TestEvents(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	at := n.uri("acme", "all")
	if status, _ := n.post(at+"?do=several", `{}`); status != 200 {
		t.Error(status)
	}
	n.until("a", "1 3", func() string { return n.payloads("p-a") })
	n.until("b", "2", func() string { return n.payloads("p-b") })
	if got := n.last("system:webhook-requests:acme-all-events"); !strings.Contains(got, `"result":{"status":200,"events":3,"unmatched":0,"invalid_selector":2}`) {
		t.Errorf("the request says %s", got)
	}
	if status, text := n.post(at+"?do=none", `{"x":1}`); status != 200 || text != "" {
		t.Errorf("%d %s", status, text)
	}
	if got := n.payloads("acme-all-events"); got != "1 2 3" {
		t.Errorf("events %s", got)
	}
	// dedupKey: a repeated delivery is answered and has no effect.
	for range 2 {
		if status, _ := n.post(at+"?do=dedup", `{"id":"e1"}`); status != 200 {
			t.Error(status)
		}
	}
	if got := n.payloads("acme-all-events"); got != `1 2 3 {"id":"e1"}` {
		t.Errorf("events %s", got)
	}
	if got := n.last("system:webhook-requests:acme-all-events"); !strings.Contains(got, `"outcome":"duplicate"`) {
		t.Errorf("the request says %s", got)
	}
	// A key that read from a dataset would be no text is none.
	for range 2 {
		n.post(at+"?do=dedup", `{"id":"~rhttp://x"}`)
	}
	if got := n.payloads("acme-all-events"); got != `1 2 3 {"id":"e1"} {"id":"http://x"} {"id":"http://x"}` {
		t.Errorf("events %s", got)
	}
}

// However large events are, a list of them is not: what it has no room for comes
// with the next page.
func TestRecordsInPages(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	// Not as large as they may be: the race detector needs a worker's memory, too.
	at, large := n.uri("acme", "all"), strings.Repeat("x", 1<<20)
	for i := range 18 {
		if status, text := n.post(at+"?do=dedup", fmt.Sprintf(`{"n":%d,"x":%q}`, i, large)); status != 200 {
			t.Fatal(status, text)
		}
	}
	pages, seen := 0, 0
	for cursor := ""; pages == 0 || cursor != ""; pages++ {
		_, text := n.call("GET", "/external-event-log-records?limit=1000&cursor="+cursor, "")
		var p struct {
			Items  []struct{ Payload struct{ N int } }
			Cursor string
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil || len(p.Items) == 0 || len(text) > 20<<20 {
			t.Fatalf("%d records in %d bytes, %v", len(p.Items), len(text), err)
		}
		for _, item := range p.Items {
			if seen++; item.Payload.N != 18-seen {
				t.Errorf("record %d is of event %d", seen, item.Payload.N)
			}
		}
		cursor = p.Cursor
	}
	if pages != 2 || seen != 18 {
		t.Errorf("%d records in %d pages", seen, pages)
	}
}

// M-6 and vector 1.10: the body is what came, byte by byte.
func TestRawBody(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	at := n.uri("acme", "all")
	const body, sum = `{"from_user_id":42,"type":"task.created","task":{"id":"t-1"}}`, "f00035b44bb454bf439505bab28cb90bd94aa4dcdc32acda8f6ecb578c9d8890"
	if status, text := n.call("POST", at+"?do=verify", body, "Content-Type", jsonBody, "X-Signature", sum); status != 200 || text != sum {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := n.call("POST", at+"?do=verify", body+" ", "Content-Type", jsonBody, "X-Signature", sum); status != 401 {
		t.Errorf("a changed body: %d", status)
	}
	odd := "\t{ \"a\" :\r\n \"\\u00e5 å\" }  \n"
	_, text := n.post(at+"?do=echo", odd)
	var got struct{ RawBody string }
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.RawBody != odd {
		t.Errorf("rawBody %q %v", got.RawBody, err)
	}
}

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
		{"loop", 503, `{"error":{"message":"Service Unavailable","type":"time_limit"}}`},
		{"memory", 503, ""}, // on a busy machine its time may be over before its memory
		{"large", 503, ""},  // and so here, before its answer is too large
		{"wrong", 500, `{"error":{"message":"Internal Server Error","type":"invalid_result"}}`},
		{"proto", 200, "ok"},
	} {
		begun := time.Now()
		status, text := n.post(at+"?do="+c.do, `{"of":"`+c.do+`"}`)
		if c.want != "" && strings.TrimSpace(text) != c.want || status != c.status || time.Since(begun) > 6*time.Second {
			t.Errorf("%s: %d %s after %v", c.do, status, text, time.Since(begun))
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

// While handlers of one integration do their worst, another is served.
func TestHostileHandlersHurtNobody(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	bad, good := n.uri("acme", "all"), n.uri("globex", "webhook-key")
	var attackers sync.WaitGroup
	for _, do := range []string{"loop", "memory", "loop", "large"} {
		attackers.Go(func() {
			for range 3 {
				if status, _ := n.post(bad+"?do="+do, `{}`); status != 503 {
					t.Errorf("%s: %d", do, status)
				}
			}
		})
	}
	var took []time.Duration
	for i := range 60 {
		begun := time.Now()
		if status, text := n.post(good, fmt.Sprintf(`{"from_user_id":42,"n":%d}`, i)); status != 201 || text != "Webhook received" {
			t.Errorf("%d: %d %s", i, status, text)
		}
		took = append(took, time.Since(begun))
	}
	attackers.Wait()
	// A handler may take a second here: nobody waits behind one.
	if slices.Sort(took); took[30] > 500*time.Millisecond || took[59] > 5*time.Second {
		t.Errorf("good requests took %v, the slowest %v", took[30], took[59])
	}
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

// M-10: a selector that cannot be made is an error, and is tried again.
func TestSelectorFails(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", func(name, text string) string {
		if strings.HasSuffix(name, "task/get-event-selector.js") {
			return "export default function getEventSelector() { throw new Error('not today') }"
		}
		return text
	})
	n.until("state", "task error <nil> <nil>", func() string { return n.subscribed("conn7") })
	sub := asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items[0]
	if text := fmt.Sprint(sub["error"]); text != "getEventSelector: events/task/get-event-selector.js:1:51: Error: not today" {
		t.Errorf("error %q", text)
	}
	n.post(n.uri("acme", "webhook-key"), `{"from_user_id":7,"n":"while it failed"}`)
	n.close()
	write(t, n.dir, "connectors/tracker/events/task/get-event-selector.js", "export default async ({ apiClient }) => ({ globalWebhookKey: 'webhook-key', globalWebhookEventSelector: `user_id:${(await apiClient.get('users/me')).id}` })")
	n.broken.Store(true)
	n.open()
	n.until("the other side fails", "true", func() string {
		sub := asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items[0]
		return fmt.Sprint(strings.Contains(fmt.Sprint(sub["error"]), "500"))
	})
	n.broken.Store(false)
	if got := asked[map[string]any](n, "POST", "/external-event-subscriptions/"+sub["id"].(string)+"/resubscribe"); got["status"] != "subscribed" ||
		got["globalWebhookKey"] != "webhook-key" || got["globalWebhookEventSelector"] != "user_id:7" || got["error"] != nil {
		t.Errorf("resubscribed %v", got)
	}
	n.until("nothing is lost", `{"from_user_id":7,"n":"while it failed"}`, func() string { return n.payloads("p7") })
}

// M-13 and the life of a subscription: shared, put away by hand, forgotten,
// archived with its last pipe.
func TestSubscriptions(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	all := asked[subscriptionPage](n, "GET", "/external-event-subscriptions?integrationId=acme&connectionId=conn42&search=task%20").Items
	if len(all) != 1 {
		t.Fatalf("two pipes with one need have %d subscriptions", len(all))
	}
	at, hook := "/external-event-subscriptions/"+all[0]["id"].(string), n.uri("acme", "webhook-key")
	if got := asked[map[string]any](n, "POST", at+"/unsubscribe"); got["status"] != "unsubscribed" {
		t.Errorf("%v", got)
	}
	n.post(hook, `{"from_user_id":42,"n":"unsubscribed"}`)
	n.until("others", `{"from_user_id":42,"n":"unsubscribed"}`, func() string { return n.payloads("p-same") })
	if got := asked[map[string]any](n, "POST", at+"/subscribe"); got["status"] != "subscribed" {
		t.Errorf("%v", got)
	}
	n.post(hook, `{"from_user_id":42,"n":"again"}`)
	n.until("again", `{"from_user_id":42,"n":"again"}`, func() string { return n.payloads("p42") })
	if status, text := n.call("GET", "/external-event-log-records?status=unmached", ""); status != 400 || !strings.Contains(text, "matched or unmatched") {
		t.Errorf("%d %s", status, text)
	}
	for path, want := range map[string]int{at + "/pull-events": 409, at + "/nonsense": 404, "/external-event-subscriptions/none/subscribe": 404} {
		if status, _ := n.call("POST", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := n.call("DELETE", at, ""); status != 204 {
		t.Error(status)
	}
	if status, _ := n.call("GET", at, ""); status != 404 {
		t.Error(status)
	}
	n.close()
	write(t, n.dir, "pipes/in.conf.json", `{"_id": "p7", "type": "pipe", "source": {"type": "external_event", "event": "task", "connection": "conn7"}}`)
	n.open()
	n.until("archived", "1", func() string {
		live := 0
		for _, s := range asked[subscriptionPage](n, "GET", "/external-event-subscriptions").Items {
			if s["archivedAt"] == nil {
				live++
			}
		}
		return fmt.Sprint(live)
	})
	first := asked[map[string]any](n, "GET", "/external-event-subscriptions?limit=2")
	rest := asked[subscriptionPage](n, "GET", fmt.Sprintf("/external-event-subscriptions?limit=1000&cursor=%s", first["cursor"]))
	if len(rest.Items)+2 != 7 {
		t.Errorf("pages of 2 and %d", len(rest.Items))
	}
}

// What comes after a subscription comes after it, also if the clock is set back
// meanwhile; what came before it does not, whatever the clock said then.
func TestClockSetBack(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	n.ready(8)
	hook := n.uri("acme", "webhook-key")
	n.post(hook, `{"from_user_id":7,"n":"first"}`)
	n.until("p7", `{"from_user_id":7,"n":"first"}`, func() string { return n.payloads("p7") })
	n.back.Store(int64(24 * time.Hour))
	n.post(hook, `{"from_user_id":7,"n":"second"}`)
	n.until("p7", `{"from_user_id":7,"n":"first"} {"from_user_id":7,"n":"second"}`, func() string { return n.payloads("p7") })
	at := "/external-event-subscriptions/" + asked[subscriptionPage](n, "GET", "/external-event-subscriptions?connectionId=conn7").Items[0]["id"].(string)
	asked[map[string]any](n, "POST", at+"/unsubscribe")
	n.back.Store(0)
	n.post(hook, `{"from_user_id":7,"n":"missed"}`)
	n.back.Store(int64(24 * time.Hour))
	asked[map[string]any](n, "POST", at+"/subscribe")
	n.post(hook, `{"from_user_id":7,"n":"third"}`)
	n.until("p7", `{"from_user_id":7,"n":"first"} {"from_user_id":7,"n":"second"} {"from_user_id":7,"n":"third"}`, func() string { return n.payloads("p7") })
}

// Addresses: stable, secret, and changed with a time of grace.
func TestAddresses(t *testing.T) {
	n := newNode(t, "testdata/acme.txtar", asItIs)
	old := n.uri("acme", "webhook-key")
	n.close()
	n.open()
	if n.uri("acme", "webhook-key") != old {
		t.Error("a restart changed the address")
	}
	rotate := func(body string) string {
		status, text := n.call("POST", "/integrations/acme/global-webhooks/webhook-key/rotate", body)
		var h struct{ URI string }
		if err := json.Unmarshal([]byte(text), &h); err != nil || status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		return h.URI
	}
	second := rotate("")
	for _, at := range []string{old, second} {
		if status, _ := n.post(at, `{"from_user_id":1}`); status != 201 {
			t.Errorf("%d", status)
		}
	}
	third := rotate(`{"graceSeconds": 0}`)
	for at, want := range map[string]int{old: 404, second: 404, third: 201, third[:len(third)-1]: 404, third + "x": 404,
		strings.Replace(third, "/acme/", "/globex/", 1): 404, strings.Replace(third, "/webhook-key/", "/all/", 1): 404, n.front.URL + "/webhooks/g/no/such/thing": 404} {
		if status, text := n.post(at, `{"from_user_id":1}`); status != want || want == 404 && text != "" {
			t.Errorf("%s: %d %q", at, status, text)
		}
	}
	for _, body := range []string{`{"graceSeconds": -1}`, `{"graceSeconds": 1e9}`, `{"graceSeconds": 1e300}`, `nonsense`, `{"graceSecond": 0}`, `{"graceSeconds": 0} {}`, `graceSeconds=0`, `[]`} {
		if status, _ := n.call("POST", "/integrations/acme/global-webhooks/webhook-key/rotate", body); status != 400 {
			t.Errorf("%s: %d", body, status)
		}
	}
	if status, _ := n.post("/api/receivers/acme-webhook-key-events/entities", `{"from_user_id":1}`); status != 403 {
		t.Errorf("the receiver's own address: %d", status)
	}
	n.close()
	write(t, n.dir, "integrations/acme.yml", "connector: tracker\narchived: true\nexposeErrors: true\nparameters: {clientSecret: $SECRET(acme_secret)}\nconnections: {conn42: {system: api-42}, conn7: {system: api-7}, same42: {system: api-42}}\n")
	n.open()
	if status, _ := n.post(third, `{}`); status != 410 {
		t.Errorf("archived: %d", status)
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
	for pipe, want := range map[string]string{"throws": "script.ts:1:29: Error: not c", "loops": "did not end within", "list": "returned no entity"} {
		results, err := n.engine.RunAll(t.Context(), []string{pipe}, nil)
		if err != nil || results[0].Err == nil || !strings.Contains(results[0].Err.Error(), want) {
			t.Errorf("%s: %v %v", pipe, err, results[0].Err)
		}
	}
}
