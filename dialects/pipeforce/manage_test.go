package pipeforce_test

import (
	"strings"
	"testing"
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
