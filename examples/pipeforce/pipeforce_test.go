// Package pipeforce_test drives the example as its users would: the real binary,
// its command line, real HTTP, a real mail server, and kill -9.
package pipeforce_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/nodetest"
	"github.com/sluiceio/sluice/examples/pipeforce/mailsim"
)

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m)) }

// stage is a node folder with a mail server.
type stage struct {
	*nodetest.Node
	t     *testing.T
	mu    sync.Mutex
	mails map[string][]mailsim.Mail // by what they say
}

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{Node: nodetest.New(t, "pipelines", "systems"), t: t, mails: map[string][]mailsim.Mail{}}
	post := s.port()
	go func() { _ = mailsim.Serve(post, s.arrived) }() // it ends with an error when it is closed
	t.Cleanup(func() { post.Close() })
	_, port, _ := net.SplitHostPort(post.Addr().String())
	s.File("test-env.json", `{"smtp_host": "127.0.0.1", "smtp_port": `+port+`}`)
	return s
}

func (s *stage) port() net.Listener {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	return ln
}

func (s *stage) arrived(m mailsim.Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails[m.Text] = append(s.mails[m.Text], m)
}

func (s *stage) of(text string) []mailsim.Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails[text]
}

// pi runs `sluice pi command` in the node folder.
func (s *stage) pi(args ...string) map[string]any {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), s.Bin, append([]string{"pi", "command"}, args...)...)
	c.Dir = s.Dir
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("pi command %v: %v", args, err)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return answer
}

// call posts a lead until it is answered, which it must be by 200.
func (s *stage) call(url, body string) (answer string) {
	for range 12000 {
		resp, err := http.Post(url, "application/json", strings.NewReader(body))
		if err == nil {
			data, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return string(data)
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	s.t.Errorf("%s was never answered", body)
	return ""
}

func (s *stage) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !holds(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("it did not come to pass: %s\n%s", what, s.Said())
		}
	}
}

func lead(n int) string {
	return fmt.Sprintf(`{"name":"Jane Doe %d","email":"jane%d@example.com"}`, n, n)
}

// Every lead that was answered with 200 is mailed, whenever the node is killed;
// one that is mailed twice is the same mail.
func TestKilledAgainAndAgain(t *testing.T) {
	s := setUp(t)
	s.Start()
	hook := s.pi("webhook.put", "eventKey=webhook.lead.created")
	url := fmt.Sprint(hook["webhookUrl"])
	if hook["payloadType"] != "base64" || !strings.HasPrefix(url, "http://"+s.Listen+"/") {
		t.Fatal(hook)
	}
	const leads, kills = 240, 5
	var callers sync.WaitGroup
	for c := range 4 {
		callers.Go(func() {
			for n := c; n < leads; n += 4 {
				s.call(url, lead(n))
				<-time.After(time.Duration(rand.IntN(30)) * time.Millisecond)
			}
		})
	}
	for range kills {
		<-time.After(time.Duration(80+rand.IntN(170)) * time.Millisecond)
		s.Kill()
		s.Start()
	}
	callers.Wait()
	// What was answered a moment ago may not be worked on yet.
	s.call(url, lead(leads))
	s.Kill()
	s.Start()
	for n := range leads + 1 {
		s.until("a mail of lead "+lead(n), func() bool { return len(s.of(lead(n))) > 0 })
	}
	twice, ids := 0, map[string]bool{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.mails {
		twice += len(all) - 1
		for _, m := range all {
			ids[m.ID] = true
		}
	}
	t.Logf("%d leads, %d mails more than that", len(s.mails), twice)
	if len(s.mails) != leads+1 {
		t.Errorf("there are mails of %d leads, of %d", len(s.mails), leads+1)
	}
	if strings.Contains(s.Said(), fmt.Sprint(hook["uuid"])) {
		t.Error("the log has the token")
	}
}

// The other pipelines: a result for whoever waits, a message, and one mail for
// several.
func TestScores(t *testing.T) {
	s := setUp(t)
	s.Start()
	url := fmt.Sprint(s.pi("webhook.put", "eventKey=webhook.lead.scored")["webhookUrl"])
	for i, domain := range []string{"com", "net"} {
		got := s.call(url+"&wait=true", fmt.Sprintf(`{"name":"Jane","email":"jane@example.%s"}`, domain))
		if want := fmt.Sprintf(`"status":"ok","value":{"name":"Jane","score":%d}`, []int{10, 1}[i]); !strings.Contains(got, want) {
			t.Errorf("the answer is %s, want %s", got, want)
		}
	}
	s.until("a digest", func() bool { return len(s.of(`["Jane: 10","Jane: 1"]`))+len(s.of(`["Jane: 1"]`)) > 0 })
	resp, err := http.Post("http://"+s.Listen+"/api/pipes/make-webhook/pump", "application/x-www-form-urlencoded", strings.NewReader("operation=start"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.until("the pipeline makes a webhook", func() bool {
		c := exec.CommandContext(t.Context(), s.Bin, "pi", "command", "webhook.get", "--node", "http://"+s.Listen)
		out, err := c.Output()
		return err == nil && strings.Contains(string(out), `"http://`+s.Listen) && strings.Contains(string(out), "webhook.lead.created")
	})
}
