package pipeforce_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// P-3, P-4, P-13 and vector 2.5: the ways to give the token, the event, one mail,
// and the log.
func TestReceive(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	s := newStage(t, box, "", map[string]string{"lead": read(t, "seed/event-base64.pi.yaml")})
	token := s.hook("eventKey=webhook.lead.created", "uuid="+knownToken)
	r := s.call(token, asJSON, lead)
	if r.status != 200 || r.json["statusCode"] != 200.0 || r.json["status"] != "processing" || r.json["correlationId"] != r.header.Get("pipeforce-result-correlationid") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := box.one(t); got.text != lead || got.to != "name@company.tld" || got.subject != "New lead was created!" || got.from != "sluice@company.tld" {
		t.Errorf("the mail is %+v", got)
	}
	topic := s.dataset("system:topic:default")
	for _, part := range []string{`"key":"pipeforce.event.webhook.lead.created"`, `"origin":"` + leadBase64 + `"`, `"traceId":"6936bd:`, `"eventKey":"webhook.lead.created"`, `"async":true`, `"content_type":"application/json"`} {
		if !strings.Contains(topic, part) {
			t.Errorf("the message lacks %s: %s", part, topic)
		}
	}
	if strings.Contains(topic, knownToken) {
		t.Error("the message has the token")
	}
	for _, q := range [][3]string{
		{"GET", "/api/v3/webhook.receive?token=" + token, ""}, {"GET", "/api/v3/command/webhook.receive?uuid=" + token, ""},
		{"POST", "/api/v3/webhook.receive?token=" + token, "{}"}, {"POST", "/api/v3/webhook.receive", "token=" + token + "&a=1"},
		// A sender may write it in other ways.
		{"POST", "/api/v3/webhook.receive", "a=1&%74oken=" + token}, {"GET", "/api/v3/webhook.receive?uuid=%62" + token[1:], ""},
	} {
		kind := ""
		if strings.Contains(q[2], "oken=") {
			kind = "application/x-www-form-urlencoded"
		}
		if r := s.do(q[0], q[1], kind, q[2]); r.status != 200 {
			t.Errorf("%v: %d %s", q, r.status, r.body)
		}
		want := q[2]
		if kind != "" {
			want = "a=1"
		}
		if got := box.one(t); got.text != want {
			t.Errorf("%v: the mail is %q, want %q", q, got.text, want)
		}
	}
	if !regexp.MustCompile(`Webhook \[6936bd:[a-z0-9]{7}\]: OK`).MatchString(s.log.String()) || strings.Contains(s.log.String(), knownToken) {
		t.Error("the log is", s.log)
	}
	for _, d := range s.datasets() {
		if got := s.dataset(d); strings.Contains(got, knownToken[1:]) && d != "system:pipeforce-webhooks" {
			t.Errorf("%s has the token: %s", d, got)
		}
	}
	logs := s.command("webhook.receive.logs", "token="+token)
	if n := strings.Count(logs.body, `"outcome":"accepted"`); n != 7 {
		t.Errorf("the calls of the webhook are %s", logs.body)
	}
	if got := s.do("PUT", "/api/v3/webhook.receive?token="+token, "", ""); got.status != 405 {
		t.Error("PUT:", got.status)
	}
	s.until("the calls are counted", func() bool { return s.command("webhook.get", "uuid="+token).json["callCount"] == 7.0 })
}

// P-5, P-6 and the rest of the payload table: what each type of payload becomes.
func TestPayloads(t *testing.T) {
	t.Parallel()
	pipelines := map[string]string{}
	echo := func(first string) string {
		return "pipeline:\n - " + first + "\n - set:\n     value: ${body.payload}\n"
	}
	pipelines["echo"] = echo("event.listen: webhook.echo")
	s := newStage(t, nil, `"url": "http://hub.test"`, pipelines)
	tokens := map[string]string{}
	for _, kind := range []string{"raw", "base64", "outbound", "ignore"} {
		tokens[kind] = s.hook("eventKey=webhook.echo", "payloadType="+kind)
	}
	for _, c := range []struct {
		kind, contentType, body string
		status                  int
		want                    string
	}{
		{"base64", asJSON, lead, 200, `{"origin":"` + leadBase64 + `"}`},
		{"base64", "", "\xff\x00", 200, `{"origin":"/wA="}`},
		{"base64", asJSON, "", 200, `{"origin":null}`},
		{"raw", asJSON, `{"a": [1, 2.50]}`, 200, `{"a":[1,2.50]}`},
		{"raw", "application/cloudevents+json", `1`, 200, `1`},
		{"raw", asJSON, `{"a":`, 200, `"{\"a\":"`},
		{"raw", "text/plain", `{"a":1}`, 200, `"{\"a\":1}"`},
		{"raw", "text/plain", "\xff", 415, ""},
		{"raw", "", "", 200, `null`},
		{"ignore", asJSON, lead, 200, `null`},
		{"outbound", asJSON, "", 200, `{"origin":null}`},
		{"raw", "multipart/form-data", "x", 400, ""},
	} {
		r := s.call(tokens[c.kind], c.contentType, c.body)
		if r.status != c.status {
			t.Errorf("%s %q: %d %s", c.kind, c.body, r.status, r.body)
		}
		if c.status != 200 {
			continue
		}
		if got := s.resultOf(r); !strings.Contains(got.body, `"value":`+c.want+`,"polling`) || got.status != 200 {
			t.Errorf("%s %q: %d %s, want %s", c.kind, c.body, got.status, got.body, c.want)
		}
	}
	// P-14: of several parts the files arrive.
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for i, name := range []string{"file", "other", "file"} {
		part, err := w.CreateFormFile(name, fmt.Sprintf("%d.txt", i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(part, "content %d", i)
	}
	w.Close()
	got := s.resultOf(s.call(tokens["base64"], w.FormDataContentType(), form.String())).body
	if !strings.Contains(got, `"name":"0.txt","contentType":"application/octet-stream","size":9,"base64":"Y29udGVudCAw"`) || strings.Contains(got, "1.txt") || !strings.Contains(got, "2.txt") {
		t.Error("the files are", got)
	}
	// The payload stands behind an address for a while.
	got = s.resultOf(s.call(tokens["outbound"], "text/html", "<b>")).body
	m := regexp.MustCompile(`"origin":"http://hub.test(/api/v3/outbound/[0-9a-f-]+)"`).FindStringSubmatch(got)
	if m == nil {
		t.Fatal(got)
	}
	if r := s.do("GET", m[1], "", ""); r.status != 200 || r.body != "<b>" || r.header.Get("Content-Type") != "application/octet-stream" {
		t.Error(r.status, r.body, r.header)
	}
	if r := s.do("GET", m[1]+"0", "", ""); r.status != 410 {
		t.Error("an address that there is not answers", r.status)
	}
}

// P-8: a token that nobody has is answered like one that somebody has. That it takes
// the same time, too, is for TestUnknownTokenTakesAsLong.
func TestUnknownToken(t *testing.T) {
	s := newStage(t, nil, "", map[string]string{"p": "pipeline:\n - event.listen: webhook.x\n - log: ${body.traceId}\n"})
	token := s.hook("eventKey=webhook.x")
	shape := regexp.MustCompile(`"(correlationId|traceId)":"[^"]*"|\d{13}`)
	calls := 0
	var last [2]reply
	tokens := func(i int) [2]string { return [2]string{token, fmt.Sprintf("ba4825b6-6718-42f3-a400-%012d", i)} }
	for i := range 100 {
		which := rand.IntN(2)
		if i < 2 {
			which = i
		}
		last[which] = s.call(tokens(i)[which], asJSON, lead)
		calls += 1 - which
	}
	if a, b := shape.ReplaceAllString(last[0].body, ""), shape.ReplaceAllString(last[1].body, ""); a != b || last[0].status != 200 || last[1].status != 200 {
		t.Errorf("known %s\nunknown %s", last[0].body, last[1].body)
	}
	names := func(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
	if a, b := names(last[0].header), names(last[1].header); !slices.Equal(a, b) {
		t.Errorf("headers %v and %v", a, b)
	}
	// Whatever way the token is given, and whatever is sent with it.
	for _, q := range [][4]string{{"GET", "?token=%s"}, {"GET", "?uuid=%s&pollingRedirectEnabled=true"}, {"POST", "?token=%s", asJSON, "{"}, {"POST", "?token=%s", "multipart/form-data", "x"},
		{"POST", "", "application/x-www-form-urlencoded", "a=1&token=%s"}, {"POST", "?token=%s", "application/x-www-form-urlencoded", "a=%%zz"}, {"PUT", "?token=%s"}, {"POST", "?token=%s", "", strings.Repeat("x", 512001)}} {
		var got [2]reply
		for i, token := range tokens(1) {
			fill := func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "%s", token), "%%", "%") }
			got[i] = s.do(q[0], "/api/v3/webhook.receive"+fill(q[1]), q[2], fill(q[3]))
		}
		if got[0].status == 200 || got[0].status == 302 {
			calls++
		}
		varies := regexp.MustCompile(`"(correlationId|traceId|uuid)":"[^"]*"|\d{13}`)
		if a, b := varies.ReplaceAllString(got[0].body, ""), varies.ReplaceAllString(got[1].body, ""); a != b || got[0].status != got[1].status || !slices.Equal(names(got[0].header), names(got[1].header)) {
			t.Errorf("%.60q: known %d %s, unknown %d %s", q, got[0].status, a, got[1].status, b)
		}
	}
	if r := s.resultOf(last[1]); r.status != 410 || r.json["statusMessage"] != "Gone" {
		t.Error(r.status, r.body)
	}
	if got := strings.Count(s.do("GET", "/api/datasets/system:topic:default/entities?limit=10000", "", "").body, `"eventKey"`); got != calls {
		t.Error("there are", got, "events of", calls)
	}
	s.until("a few are kept", func() bool {
		return strings.Contains(s.dataset("system:webhook-refused:pipeforce"), "no webhook has the token")
	})
	if got := s.dataset("system:webhook-refused:pipeforce"); strings.Contains(got, "ba4825b6") {
		t.Error(got)
	}
}
