package pipeforce_test

import (
	"net"
	"strings"
	"testing"
)

// smtpOf says where a mailbox is.
func smtpOf(t *testing.T, box *mailbox, more string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(box.addr)
	if err != nil {
		t.Fatal(err)
	}
	return `"smtp": {"host": "` + host + `", "port": ` + port + `, "from": "sluice@company.tld"` + more + `}`
}

const mailing = "pipeline:\n - event.listen: webhook.x\n - iam.run.as: systemuser\n - mail.send: {to: 'a@company.tld, B <b@company.tld>', subject: \"two\\nlines\", message: 'grüße', " +
	"attachments: ['text', {name: 'a/b.bin', base64: 'AP8=', contentType: 'image/x-own; a=b'}], replyTo: c@company.tld, from: me@company.tld, fromName: \"My \\\"own\\\"\\r\\nBcc: d@company.tld\"}\n"

// Mails go to servers with a password, to all addresses, with attachments.
func TestMail(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	s := newStage(t, nil, smtpOf(t, box, `, "security": "none", "username": "sluice", "password": "$SECRET(post)"`), map[string]string{"p": mailing})
	token := s.hook("eventKey=webhook.x")
	s.call(token, "", "")
	s.until("a mail without password fails", func() bool { return strings.Contains(s.dataset("system:pipeforce-log"), `"status":"error"`) })
	s.file("test-secrets.json", `{"global": {"post": "post-secret"}}`)
	s.stop()
	s.serve()
	s.call(token, "", "")
	got := box.one(t)
	if got.to != "a@company.tld,b@company.tld" || got.subject != "two lines" || got.from != "me@company.tld" || got.name != `My "own" Bcc: d@company.tld` || got.bcc != "" || !box.known {
		t.Errorf("%+v", got)
	}
	for _, part := range []string{"gr=C3=BC=C3=9Fe", "AP8=", `Content-Type: image/x-own; a=b`, `filename="a-b.bin"`, `filename="attachment-1.txt"`} {
		if !strings.Contains(got.text, part) {
			t.Errorf("the mail lacks %q: %s", part, got.text)
		}
	}
	if log := s.dataset("system:pipeforce-log") + s.log.String(); strings.Contains(log, "post-secret") {
		t.Error("the password stands in a log")
	}
}

// Without TLS no mail is sent unless the configuration allows it, and internal
// addresses are not reached unless the node allows it.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	s := newStage(t, nil, smtpOf(t, box, ""), map[string]string{"p": mailing})
	s.call(s.hook("eventKey=webhook.x"), "", "")
	s.until("the mail fails", func() bool { return strings.Contains(s.dataset("system:pipeforce-log"), "STARTTLS") })
	s.stop()
	s.guarded = true
	s.file("pipelines/q.pi.yaml", "pipeline:\n - event.listen: webhook.y\n - iam.run.as: systemuser\n - http.get: http://"+box.addr+"/?api_key=hush-hush\n")
	s.serve()
	for _, key := range []string{"webhook.x", "webhook.y"} {
		s.call(s.hook("eventKey="+key), "", "")
	}
	s.until("both are refused", func() bool { return strings.Count(s.dataset("system:pipeforce-log"), "is an internal address") == 2 })
	if log := s.dataset("system:pipeforce-log"); strings.Contains(log, "hush-hush") {
		t.Error(log)
	}
	select {
	case l := <-box.got:
		t.Errorf("a mail came: %+v", l)
	default:
	}
}
