package pipeforce_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	lead       = `{"name":"Jane Doe","email":"jane@example.com"}`
	leadBase64 = `eyJuYW1lIjoiSmFuZSBEb2UiLCJlbWFpbCI6ImphbmVAZXhhbXBsZS5jb20ifQ==`
	knownToken = "ba4825b6-6718-42f3-a400-ce08a16936bd"
	asJSON     = "application/json"
)

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

// P-10, P-11 and P-12: answers before the work is done, and how it is asked for.
func TestResults(t *testing.T) {
	t.Parallel()
	goOn := make(chan bool)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-goOn
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"payload": %q}`, r.URL.Path[1:])
	}))
	t.Cleanup(other.Close)
	end := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(end)
	s := newStage(t, nil, `"keep_fetched_results_seconds": 1`, map[string]string{
		"slow": "pipeline:\n - event.listen: webhook.slow\n - iam.run.as: systemuser\n - http.get: " + other.URL + "/${body.payload}\n - set: {value: 'done ${body.payload}'}\n",
		"five": "pipeline:\n - event.listen: webhook.five\n - wait: 5000\n - set: {value: five}\n",
		"fail": "pipeline:\n - event.listen: webhook.fail\n - error: {message: it broke, type: BrokenException}\n",
		"both": "pipeline:\n - event.listen: webhook.slow\n - set: {value: 2}\n",
		"late": "pipeline:\n - event.listen: webhook.late\n - async.complete: {correlationId: '${body.correlationId}', value: first}\n - async.complete: {correlationId: '${body.correlationId}', value: second}\n - set: {value: third}\n",
		"none": "pipeline:\n - event.listen: webhook.hang\n - wait: 600000\n",
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
	r := s.call(token, "text/plain", "x")
	if r.json["status"] != "processing" || r.json["correlationId"] != r.header.Get("pipeforce-result-correlationid") {
		t.Error(r.body)
	}
	// A caller that is to be redirected is so at once, then every three seconds.
	led := s.do("POST", "/api/v3/webhook.receive?pollingRedirectEnabled=true&token="+five, "text/plain", "x")
	if at := led.header.Get("Location"); led.status != 302 || led.json["status"] != "processing" || led.header.Get("Retry-After") == "" ||
		!strings.HasSuffix(at, "/api/v3/result?correlationId="+fmt.Sprint(led.json["correlationId"])+"&pollingRedirectEnabled=true") {
		t.Error(led.status, led.header, led.body)
	}
	id := fmt.Sprint(r.json["correlationId"])
	poll := func(more string) reply { return s.do("GET", "/api/v3/result?correlationId="+id+more, "", "") }
	if p := poll(""); p.status != 202 || p.json["status"] != "processing" || p.json["statusCode"] != 202.0 {
		t.Error(p.status, p.body)
	}
	s.until("asked too soon", func() bool { p := poll(""); return p.status == 429 && p.header.Get("Retry-After") == "3" })
	end()
	var p reply
	s.until("the result", func() bool { p = poll("&pollingRedirectEnabled=true"); return p.status != 302 })
	if p.status != 200 || !strings.Contains(p.body, `{"pipeline":"both","status":"ok","value":2}`) || !strings.Contains(p.body, `{"pipeline":"slow","status":"ok","value":"done x"}`) {
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
