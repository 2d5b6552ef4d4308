package pipeforce_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	lead       = `{"name":"Jane Doe","email":"jane@example.com"}`
	leadBase64 = `eyJuYW1lIjoiSmFuZSBEb2UiLCJlbWFpbCI6ImphbmVAZXhhbXBsZS5jb20ifQ==`
	knownToken = "ba4825b6-6718-42f3-a400-ce08a16936bd"
	asJSON     = "application/json"
)

// P-1 and P-2: webhooks are made, listed, changed and deleted.
func TestManage(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil, "", nil)
	r := s.command("webhook.put", "eventKey=webhook.lead.created")
	token, _ := r.json["uuid"].(string)
	if address, _ := r.json["webhookUrl"].(string); r.status != 200 || !strings.HasSuffix(address, token) || len(token) != 36 || r.json["payloadType"] != "base64" || r.json["maxPayloadLength"] != 512000.0 {
		t.Errorf("webhook.put: %d %s", r.status, r.body)
	}
	if got := s.command("webhook.get"); !strings.Contains(got.body, token) || got.body[0] != '[' {
		t.Error("webhook.get lists", got.body)
	}
	if got := s.command("webhook.get", "uuid="+token); got.json["uuid"] != token {
		t.Error("webhook.get of one is", got.body)
	}
	if got := s.command("webhook.put", "eventKey=webhook.other", "payloadType=raw", "maxPayloadLength=7", "uuid="+token); got.json["eventKey"] != "webhook.other" || got.json["uuid"] != token {
		t.Error("webhook.put of a known one is", got.body)
	}
	if got := s.command("webhook.put", "eventKey=webhook.third", "uuid="+token); got.json["eventKey"] != "webhook.third" || got.json["payloadType"] != "raw" || got.json["maxPayloadLength"] != 7.0 {
		t.Error("webhook.put has changed more than the key:", got.body)
	}
	if got := s.command("webhook.put", "eventKey=webhook.new", "uuid="+knownToken); got.json["uuid"] != knownToken {
		t.Error("webhook.put with a token of one's own is", got.body)
	}
	for range 2 {
		if got := s.command("webhook.delete", "uuid="+token); got.status != 200 {
			t.Error("webhook.delete:", got.status, got.body)
		}
	}
	if got := s.command("webhook.get", "uuid="+token); got.status != 404 {
		t.Error("a deleted webhook is", got.status, got.body)
	}
	for _, c := range []struct {
		name, pair string
		status     int
	}{
		{"webhook.put", "payloadType=raw", 400}, {"webhook.put", "eventKey=", 400}, {"webhook.put", "eventKey=a&payloadType=zip", 400},
		{"webhook.put", "eventKey=a&maxPayloadLength=4194305", 400}, {"webhook.put", "eventKey=a&maxPayloadLength=-1", 400}, {"webhook.put", "eventKey=a&maxPayloadLength=x", 400},
		{"webhook.put", "eventKey=a&uuid=short", 400}, {"webhook.put", "eventkey=a", 400}, {"webhook.delete", "", 400}, {"webhook.git", "", 404},
		{"event.listen", "eventKey=a", 400}, {"webhook.put", "eventKey=webhook.*", 400},
	} {
		if got := s.command(c.name, strings.Split(c.pair, "&")...); got.status != c.status || got.json["status"] != "error" || got.json["statusCode"] != float64(c.status) {
			t.Errorf("%s %s: %d %s", c.name, c.pair, got.status, got.body)
		}
	}
	if got := s.do("GET", "/api/v3/command/webhook.put?eventKey=a", "", ""); got.status != 405 {
		t.Error("a page could make a webhook by an image:", got.status)
	}
}

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

// P-5: the seed's other pipelines.
func TestSeed(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	s := newStage(t, box, `"users": [{"name": "anonymousUser", "permissions": ["CAN_RUN_AS_SOURCE", "CAN_PIPE_mail_send"]}]`,
		map[string]string{"raw": read(t, "seed/event-raw.pi.yaml"), "message": read(t, "seed/message.pi.yaml"), "put": read(t, "seed/put.pi.yaml")})
	token := s.hook("eventKey=webhook.lead.created", "payloadType=raw")
	for _, text := range []string{lead, "the next one"} { // whatever came twice of the first came before the second
		if r := s.call(token, "text/plain", text); r.status != 200 {
			t.Fatal(r.status, r.body)
		}
	}
	var texts []string
	for range 4 {
		l := box.one(t)
		if texts = append(texts, l.text); l.to != "name@company.tld" || l.subject != "New lead was created!" {
			t.Errorf("the mail is %+v", l)
		}
	}
	slices.Sort(texts)
	if want := []string{"the next one", "the next one", lead, lead}; !slices.Equal(texts, want) {
		t.Errorf("the mails say %q", texts)
	}
	for _, pipeline := range []string{"raw", "message"} {
		s.until(pipeline+" ran", func() bool { return s.ran(pipeline) >= 2 })
		if n := s.ran(pipeline); n != 2 {
			t.Errorf("%s ran %d times", pipeline, n)
		}
	}
	// The pipeline that makes a webhook is run by hand.
	if r := s.do("POST", "/api/pipes/put/pump", "application/x-www-form-urlencoded", "operation=start"); r.status != 200 {
		t.Fatal(r.status, r.body)
	}
	s.until("a second webhook", func() bool { return strings.Count(s.command("webhook.get").body, `"webhook.lead.created"`) == 2 })
}

// P-6: the patterns of keys. Every pipeline hears, in the order of the topic, what
// it listens for: once it has heard the last message, it has heard all that it was
// to hear of the ones before.
func TestPatterns(t *testing.T) {
	t.Parallel()
	listen := map[string]string{
		"exact": "pipeforce.event.webhook.lead.created", "star": "pipeforce.event.webhook.*.created", "all": "pipeforce.event.#", "end": "#.created",
		"bare": "webhook.lead.created", "word": "pipeforce.event.webhook.*", "other": "pipeforce.event.webhook.lead.Created",
	}
	pipelines := map[string]string{"event": "pipeline:\n - event.listen: webhook.lead.created\n - log: 'heard ${body.payload}.'\n"}
	for name, key := range listen {
		pipelines[name] = "pipeline:\n - message.receive: {key: '" + key + "'}\n - log: 'heard ${body.payload}.'\n"
	}
	s := newStage(t, nil, "", pipelines)
	token := s.hook("eventKey=webhook.lead.created", "payloadType=raw")
	for _, text := range []string{"one", "two"} {
		if r := s.call(token, "text/plain", text); r.status != 200 {
			t.Fatal(r.status, r.body)
		}
	}
	s.call(s.hook("eventKey=webhook.lead", "payloadType=raw"), "text/plain", "short")
	s.call(s.hook("eventKey=webhook.lead.Created", "payloadType=raw"), "text/plain", "capital")
	s.do("POST", "/api/v3/command/message.send?key=webhook.lead.created", asJSON, `{"payload": "bare"}`)
	heard := func(pipeline string) (all []string) {
		for _, m := range regexp.MustCompile(`"pipeline":"`+pipeline+`"[^\n]*?"text":"heard (\w+)\.`).FindAllStringSubmatch(s.dataset("system:pipeforce-log"), -1) {
			all = append(all, m[1])
		}
		return all
	}
	for name, want := range map[string]string{"event": "one two", "exact": "one two", "star": "one two", "all": "one two short capital", "end": "one two bare",
		"bare": "bare", "word": "short", "other": "capital"} {
		last := want[strings.LastIndex(want, " ")+1:]
		s.until(name+" hears the last one", func() bool { return slices.Contains(heard(name), last) })
		if got := strings.Join(heard(name), " "); got != want {
			t.Errorf("%s, on %s, heard %q, want %q", name, listen[name], got, want)
		}
	}
}

// P-7: how long a payload may be.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil, "", nil)
	token := s.hook("eventKey=webhook.long")
	if r := s.call(token, "", strings.Repeat("x", 512000)); r.status != 200 {
		t.Error(r.status, r.body)
	}
	if r := s.call(token, "", strings.Repeat("x", 512001)); r.status != 413 || r.json["statusMessage"] != "REQUEST_ENTITY_TOO_LARGE" {
		t.Error(r.status, r.body)
	}
	if r := s.call("not-a-token-of-anybody", "", strings.Repeat("x", 512001)); r.status != 413 {
		t.Error("a token that nobody has is known by", r.status)
	}
	if r := s.call(s.hook("eventKey=webhook.long", "maxPayloadLength=4194304"), "", strings.Repeat("x", 4194305)); r.status != 413 {
		t.Error(r.status)
	}
	none := s.hook("eventKey=webhook.none", "payloadType=ignore", "maxPayloadLength=0")
	if a, b := s.call(none, "", ""), s.call(none, "", "x"); a.status != 200 || b.status != 413 {
		t.Error(a.status, b.status)
	}
	if got := strings.Count(s.dataset("system:topic:default"), `"eventKey"`); got != 2 {
		t.Error("there are", got, "events")
	}
	if r := s.do("POST", "/api/v3/webhook.receive?token="+token, "", "", "X-Long", strings.Repeat("x", 40<<10)); r.status != 431 {
		t.Error(r.status)
	}
}

// P-8: a token that nobody has is answered like one that somebody has, and in the
// same time.
func TestUnknownToken(t *testing.T) {
	s := newStage(t, nil, "", map[string]string{"p": "pipeline:\n - event.listen: webhook.x\n - log: ${body.traceId}\n"})
	token := s.hook("eventKey=webhook.x")
	shape := regexp.MustCompile(`"(correlationId|traceId)":"[^"]*"|\d{13}`)
	calls := 0
	var took [2][]time.Duration
	var last [2]reply
	tokens := func(i int) [2]string { return [2]string{token, fmt.Sprintf("ba4825b6-6718-42f3-a400-%012d", i)} }
	median := func(all []time.Duration) time.Duration {
		all = slices.Sorted(slices.Values(all))
		return all[len(all)/2]
	}
	near := false
	for try := 0; try < 8 && !near; try++ { // others work on this machine, too
		took = [2][]time.Duration{}
		for i := range 420 {
			which := rand.IntN(2)
			begun := time.Now()
			last[which] = s.call(tokens(i)[which], asJSON, lead)
			if i >= 20 {
				took[which] = append(took[which], time.Since(begun))
			}
			calls += 1 - which
		}
		a, b := median(took[0]), median(took[1])
		t.Logf("known %s, unknown %s", a, b)
		ratio := float64(b) / float64(a)
		near = ratio > 0.9 && ratio < 1.1
	}
	if !near {
		t.Error("known and unknown tokens take different times")
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

// P-9: what anonymousUser may not do fails, and iam.run.as helps.
func TestPermissions(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	s := newStage(t, box, `"users": [{"name": "clerk", "permissions": ["CAN_PIPE_webhook_*"], "token": "$SECRET(clerk)"}, {"name": "weak", "permissions": ["CAN_RUN_AS_TARGET"], "token": "$SECRET(weak)"}]`,
		map[string]string{
			"no":   "pipeline:\n - event.listen: webhook.x\n - mail.send: {to: a@company.tld}\n",
			"weak": "pipeline:\n - event.listen: webhook.x\n - iam.run.as: weak\n - mail.send: {to: b@company.tld}\n",
			"not":  "pipeline:\n - event.listen: webhook.x\n - iam.run.as: clerk\n",
			"yes":  "pipeline:\n - event.listen: webhook.x\n - iam.run.as: systemuser\n - mail.send: {to: c@company.tld, message: '${@user.username()}'}\n",
		})
	s.file("test-secrets.json", `{"global": {"clerk": "clerk-token-0123456789", "weak": "weak-token-0123456789"}}`)
	s.stop()
	s.serve()
	bearer := func(token string) reply {
		return s.do("POST", "/api/v3/command/webhook.put?eventKey=webhook.x", "", "", "Authorization", "Bearer "+token)
	}
	if a, b, c := bearer(""), bearer("weak-token-0123456789"), bearer("clerk-token-0123456789x"); a.status != 401 || b.status != 403 || c.status != 401 {
		t.Error(a.status, b.status, c.status)
	}
	r := bearer("clerk-token-0123456789")
	token, _ := r.json["uuid"].(string)
	answer := s.call(token, "text/plain", "hi")
	if got := box.one(t); got.to != "c@company.tld" || got.text != "systemuser" {
		t.Errorf("%+v", got)
	}
	got := s.resultOf(answer)
	if got.status != 500 || !strings.Contains(got.body, "PermissionException") {
		t.Error(got.status, got.body)
	}
	trace := s.dataset("system:pipeforce-log")
	for _, want := range []string{"the user anonymousUser has no permission CAN_PIPE_mail_send", "the user weak has no permission CAN_PIPE_mail_send", `there is no user \"clerk\" with the permission CAN_RUN_AS_TARGET`} {
		if !strings.Contains(trace, want) {
			t.Errorf("the trace lacks %q: %s", want, trace)
		}
	}
}

// P-10, P-11 and P-12: answers before the work is done, and how it is asked for.
func TestResults(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil, `"keep_fetched_results_seconds": 1`, map[string]string{
		"slow": "pipeline:\n - event.listen: webhook.slow\n - wait: 2000\n - set: {value: 'done ${body.payload}'}\n",
		"five": "pipeline:\n - event.listen: webhook.five\n - wait: 5000\n - set: {value: five}\n",
		"fail": "pipeline:\n - event.listen: webhook.fail\n - error: {message: it broke, type: BrokenException}\n",
		"both": "pipeline:\n - event.listen: webhook.slow\n - set: {value: 2}\n",
		"late": "pipeline:\n - event.listen: webhook.late\n - async.complete: {correlationId: '${body.correlationId}', value: first}\n - async.complete: {correlationId: '${body.correlationId}', value: second}\n - set: {value: third}\n",
		"none": "pipeline:\n - event.listen: webhook.hang\n - wait: 1500\n",
	})
	five := s.hook("eventKey=webhook.five")
	followed := make(chan string, 1)
	go func() { // P-11: as curl -L does
		resp, err := http.Post(s.url+"/api/v3/webhook.receive?pollingRedirectEnabled=true&token="+five, asJSON, strings.NewReader("{}"))
		if err != nil {
			followed <- err.Error()
			return
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		followed <- strconv.Itoa(resp.StatusCode) + " " + string(data)
	}()
	token := s.hook("eventKey=webhook.slow", "payloadType=raw")
	begun := time.Now()
	r := s.call(token, "text/plain", "x")
	if took := time.Since(begun); took > 300*time.Millisecond || r.json["status"] != "processing" || r.json["correlationId"] != r.header.Get("pipeforce-result-correlationid") {
		t.Errorf("%s after %s", r.body, took)
	}
	// A caller that is to be redirected is so at once, then every three seconds.
	begun = time.Now()
	led := s.do("POST", "/api/v3/webhook.receive?pollingRedirectEnabled=true&token="+five, "text/plain", "x")
	if at := led.header.Get("Location"); time.Since(begun) > 300*time.Millisecond || led.status != 302 || led.json["status"] != "processing" || led.header.Get("Retry-After") == "" ||
		!strings.HasSuffix(at, "/api/v3/result?correlationId="+fmt.Sprint(led.json["correlationId"])+"&pollingRedirectEnabled=true") {
		t.Error(led.status, led.header, led.body)
	}
	id := fmt.Sprint(r.json["correlationId"])
	poll := func(more string) reply { return s.do("GET", "/api/v3/result?correlationId="+id+more, "", "") }
	if p := poll(""); p.status != 202 || p.json["status"] != "processing" || p.json["statusCode"] != 202.0 {
		t.Error(p.status, p.body)
	}
	if p := poll(""); p.status != 429 || p.header.Get("Retry-After") != "3" {
		t.Error("asked too soon:", p.status, p.body)
	}
	if p := poll("&pollingRedirectEnabled=true"); p.status != 200 || !strings.Contains(p.body, `{"pipeline":"both","status":"ok","value":2}`) || !strings.Contains(p.body, `{"pipeline":"slow","status":"ok","value":"done x"}`) {
		t.Error(p.status, p.body)
	}
	s.until("the result is gone", func() bool { return poll("").status == 410 })
	if p := s.do("GET", "/api/v3/result?correlationId=ba4825b6-6718-42f3-a400-ce08a16936bd", "", ""); p.status != 410 {
		t.Error("a result that never was:", p.status)
	}
	if p := s.do("GET", "/api/v3/result", "", ""); p.status != 400 {
		t.Error("no correlationId:", p.status)
	}
	if p := s.resultOf(s.call(s.hook("eventKey=webhook.fail"), "", "")); p.status != 500 || !strings.Contains(p.body, `"type":"BrokenException"`) || !strings.Contains(p.body, "it broke") || strings.Contains(p.body, ".pi.yaml") {
		t.Error(p.status, p.body)
	}
	if p := s.resultOf(s.call(s.hook("eventKey=webhook.late"), "", "")); p.status != 200 || p.json["value"] != "first" {
		t.Error("the first completion counts:", p.body)
	}
	if p := s.do("POST", "/api/v3/webhook.receive?wait=true&token="+s.hook("eventKey=webhook.late"), "", ""); p.json["status"] != "ok" || p.json["value"] != "first" {
		t.Error("waiting for it:", p.body)
	}
	// Messages complete and cancel, too.
	hang := s.call(s.hook("eventKey=webhook.hang"), "", "")
	if p := s.do("POST", "/api/v3/command/message.send?key=async.complete."+fmt.Sprint(hang.json["correlationId"]), asJSON, `{"by": "message"}`); p.status != 200 {
		t.Fatal(p.status, p.body)
	}
	if p := s.resultOf(hang); p.status != 200 || !strings.Contains(p.body, `"value":{"by":"message"}`) {
		t.Error(p.status, p.body)
	}
	hang = s.call(s.hook("eventKey=webhook.hang"), "", "")
	hung := fmt.Sprint(hang.json["correlationId"])
	s.command("async.ping", "correlationId="+hung)
	if p := s.command("async.list"); !strings.Contains(p.body, hung) {
		t.Error("async.list:", p.body)
	}
	s.command("async.cancel", "correlationId="+hung)
	s.command("async.complete", "correlationId="+hung, "value=x")
	if p := s.command("async.get", "correlationId="+hung); p.json["status"] != "cancelled" || p.json["value"] != nil {
		t.Error("async.cancel:", p.body)
	}
	if p := s.do("GET", led.header.Get("Location"), "", ""); p.status != 302 && p.status != 200 || p.status == 302 && p.header.Get("Location") != led.header.Get("Location") {
		t.Error(p.status, p.header, p.body)
	}
	if got := <-followed; !strings.HasPrefix(got, "200 ") || !strings.Contains(got, `"value":"five"`) {
		t.Error("followed redirects end in", got)
	}
}
