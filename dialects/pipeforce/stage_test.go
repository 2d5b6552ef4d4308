package pipeforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sluiceio/sluice/cli"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	addr string
	got  chan letter
	// known tells that somebody had the password.
	known bool
}

type letter struct {
	from, to, subject, text, id, name, bcc string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{addr: ln.Addr().String(), got: make(chan letter, 1000)}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: m}, nil }))
	s.Domain, s.AllowInsecureAuth = "mail.test", true
	go func() { _ = s.Serve(ln) }() // it ends with an error when it is closed
	t.Cleanup(func() { s.Close() })
	return m
}

type session struct {
	box      *mailbox
	from, to string
}

// AuthMechanisms and Auth let in whoever has the password.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "sluice" || password != "post-secret" {
			return smtp.ErrAuthFailed
		}
		s.box.known = true
		return nil
	}), nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = strings.TrimPrefix(s.to+","+to, ",")
	return nil
}

func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(m.Body)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	l := letter{from: s.from, to: s.to, subject: subject, text: strings.TrimSuffix(string(data), "\r\n"), id: m.Header.Get("Message-ID"), bcc: m.Header.Get("Bcc")}
	if from, err := m.Header.AddressList("From"); err == nil && len(from) == 1 {
		l.name = from[0].Name
	}
	s.box.got <- l
	return err
}

// one waits for a mail.
func (m *mailbox) one(t *testing.T) letter {
	t.Helper()
	select {
	case l := <-m.got:
		return l
	case <-time.After(time.Minute):
		t.Fatal("no mail came")
		return letter{}
	}
}

// stage is a node folder that is served.
type stage struct {
	t    *testing.T
	dir  string
	url  string
	log  *said
	stop func()
	// guarded nodes reach nothing on this machine.
	guarded bool
}

// said is what the node has written.
type said struct {
	sync.Mutex
	buf   bytes.Buffer
	ready chan string
}

func (s *said) Write(p []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	n, err := s.buf.Write(p)
	for line := range strings.Lines(s.buf.String()) {
		if at, ok := strings.CutPrefix(line, "listening on "); ok && strings.HasSuffix(line, "\n") && s.ready != nil {
			s.ready <- strings.TrimSpace(at)
			s.ready = nil
		}
	}
	return n, err
}

func (s *said) String() string {
	s.Lock()
	defer s.Unlock()
	return s.buf.String()
}

// newStage serves a node with pipelines, by their names; system is what the system
// says besides its mail server.
func newStage(t *testing.T, box *mailbox, system string, pipelines map[string]string) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir()}
	if box != nil {
		host, port, err := net.SplitHostPort(box.addr)
		if err != nil {
			t.Fatal(err)
		}
		system = `"smtp": {"host": "` + host + `", "port": ` + port + `, "security": "none", "from": "sluice@company.tld"}` + strings.TrimSuffix(", "+system, ", ")
	}
	s.file("systems/pipeforce.conf.json", `{"_id": "pipeforce", "type": "system:pipeforce"`+strings.TrimSuffix(", "+system, ", ")+"}")
	for name, text := range pipelines {
		s.file("pipelines/"+name+".pi.yaml", text)
	}
	s.serve()
	return s
}

func (s *stage) file(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) serve() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.log = &said{ready: make(chan string, 1)}
	ready, done := s.log.ready, make(chan int, 1)
	go func() {
		args := []string{"serve", s.dir, "--listen", "127.0.0.1:0"}
		if !s.guarded {
			args = append(args, "--allow-internal")
		}
		done <- cli.Run(ctx, args, strings.NewReader(""), io.Discard, s.log)
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	s.t.Cleanup(s.stop)
	select {
	case s.url = <-ready:
	case status := <-done:
		done <- status
		s.t.Fatalf("the node ended with %d: %s", status, s.log)
	}
}

// reply is an answer of the node.
type reply struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (s *stage) do(method, path, contentType, body string, headers ...string) reply {
	s.t.Helper()
	q, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		q.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: strings.TrimSpace(string(data))}
	_ = json.Unmarshal(data, &r.json) // lists and texts are looked at as text
	return r
}

// command runs a command as the command line does.
func (s *stage) command(name string, pairs ...string) reply {
	s.t.Helper()
	form := url.Values{}
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		form.Add(k, v)
	}
	return s.do("POST", "/api/v3/command/"+name, "application/x-www-form-urlencoded", form.Encode())
}

// hook makes a webhook, and returns its token.
func (s *stage) hook(pairs ...string) string {
	s.t.Helper()
	r := s.command("webhook.put", pairs...)
	token, _ := r.json["uuid"].(string)
	if r.status != 200 || token == "" {
		s.t.Fatalf("webhook.put: %d %s", r.status, r.body)
	}
	return token
}

// call calls a webhook.
func (s *stage) call(token, contentType, body string) reply {
	s.t.Helper()
	return s.do("POST", "/api/v3/command/webhook.receive", contentType, body, "token", token)
}

func (s *stage) dataset(name string) string {
	s.t.Helper()
	return s.do("GET", "/api/datasets/"+name+"/entities", "", "").body
}

// datasets are the names of all datasets of the node.
func (s *stage) datasets() (names []string) {
	s.t.Helper()
	var all []struct {
		ID string `json:"_id"`
	}
	text := s.do("GET", "/api/datasets", "", "").body
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) == 0 {
		s.t.Fatal(err, text)
	}
	for _, d := range all {
		names = append(names, d.ID)
	}
	return names
}

// ran is how many runs of a pipeline the log tells of.
func (s *stage) ran(pipeline string) int {
	return strings.Count(s.dataset("system:pipeforce-log"), `"pipeline":"`+pipeline+`"`)
}

// until waits until something holds.
func (s *stage) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("it did not come to pass: %s\n%s\n%s", what, s.log, s.dataset("system:pipeforce-log"))
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.t.Context().Done():
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// resultOf asks for the result of a call until it is finished.
func (s *stage) resultOf(r reply) (got reply) {
	s.t.Helper()
	id, _ := r.json["correlationId"].(string)
	s.until("a result", func() bool {
		got = s.do("GET", "/api/v3/result?wait=true&correlationId="+id, "", "")
		return got.status != 202 && got.status != 429
	})
	return got
}
