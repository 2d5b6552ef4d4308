package membrane_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
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
