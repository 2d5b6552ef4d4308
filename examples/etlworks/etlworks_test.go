// Package etlworks_test drives the example as its users would: the real binary,
// real HTTP, and kill -9.
package etlworks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/etlworks/receiversim"
	"github.com/sluiceio/sluice/examples/nodetest"
)

const sharedSecret = "an-example-secret-shared-with-the-receiver"

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m)) }

// stage is a node folder with a receiver.
type stage struct {
	*nodetest.Node
	t        *testing.T
	url      string
	receiver *receiversim.Receiver
	mu       sync.Mutex
	posts    []post // that came to the receiver, as they came
}

// post is a request as it is on the wire.
type post struct {
	method, body string
	header       http.Header
	at           time.Time
}

// receive has the receiver take a request, and remembers it.
func (s *stage) receive(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the node was killed
	}
	s.mu.Lock()
	s.posts = append(s.posts, post{q.Method, string(body), q.Header.Clone(), time.Now()})
	s.mu.Unlock()
	q.Body = io.NopCloser(bytes.NewReader(body))
	s.receiver.ServeHTTP(w, q)
}

// pipesOfStage is how many pipes run at the same time.
const pipesOfStage = 4

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{Node: nodetest.New(t), t: t, receiver: &receiversim.Receiver{Secret: sharedSecret, User: "sluice", Password: "an-example-password"}}
	srv := httptest.NewServer(http.HandlerFunc(s.receive))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	pipe, secrets := s.Read("pipes/orders.conf.json"), s.Read("test-secrets.json")
	s.File("pipes/orders.conf.json", pipe)
	for i := range pipesOfStage - 1 {
		id := fmt.Sprintf("orders-%d", i+1)
		s.File("pipes/"+id+".conf.json", strings.Replace(pipe, `"orders"`, `"`+id+`"`, 1))
	}
	s.File("test-secrets.json", secrets)
	return s
}

func (s *stage) token() string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), s.Bin, "token", s.Dir).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// call makes a request; 0 is one that was not answered.
func (s *stage) call(method, path, token, body string) (int, string) {
	q, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Listen+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	} else {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func (s *stage) hook() {
	s.t.Helper()
	def := strings.Replace(s.Read("webhook.json"), "http://127.0.0.1:8099", s.url, 1)
	if status, text := s.call("POST", "/rest/v1/webhooks", s.token(), def); status != http.StatusCreated {
		s.t.Fatalf("%d %s", status, text)
	}
}

// The example as its page tells it, and E-2 as it is on the wire, by the real
// clock: each run is one POST with the five headers, of which the id is that of the
// body, whose fields have their order and types and whose time is of now.
func TestExample(t *testing.T) {
	s := setUp(t)
	s.Start()
	s.hook()
	var events map[string]receiversim.Event
	var refused []string
	for run := range 2 { // whatever was sent twice of the first came before the second
		if err := s.run("orders"); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(3 * time.Minute); len(events) <= run && time.Now().Before(end); {
			<-time.After(5 * time.Millisecond)
			events, refused = s.receiver.Seen()
		}
	}
	s.mu.Lock()
	posts := slices.Clone(s.posts)
	s.mu.Unlock()
	if len(events) != 2 || len(refused) > 0 || len(posts) != 2 {
		t.Fatalf("%v %v, %d requests", events, refused, len(posts))
	}
	shape := regexp.MustCompile(`^{"eventId":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}","eventType":"Flow.Executed","webhookId":1,"entityId":[1-9]\d*,"entity":{.*},` +
		`"entityUrl":"http://` + regexp.QuoteMeta(s.Listen) + `/rest/v1/flows/orders\?auditId=[1-9]\d*","timestamp":\d{13}}$`)
	for _, p := range posts {
		e := events[p.header.Get("X-Etl-Webhook-Event-Id")]
		for name, want := range map[string]string{"Event-Id": e.EventID, "Event": e.EventType, "Id": fmt.Sprint(e.WebhookID), "Entity-Id": fmt.Sprint(e.EntityID), "Entity-URL": e.EntityURL} {
			if got := p.header.Values("X-Etl-Webhook-" + name); len(got) != 1 || got[0] != want || want == "" {
				t.Errorf("%s: %q, the body says %q", name, got, want)
			}
		}
		if p.method != http.MethodPost || !shape.MatchString(p.body) || !strings.HasSuffix(e.EntityURL, fmt.Sprintf("auditId=%d", e.EntityID)) {
			t.Errorf("%s %s", p.method, p.body)
		}
		if off := p.at.Sub(time.UnixMilli(e.Timestamp)); off.Abs() > time.Hour {
			t.Errorf("the timestamp %d is %s off", e.Timestamp, off)
		}
		status, text := s.call("GET", strings.TrimPrefix(e.EntityURL, "http://"+s.Listen), s.token(), "")
		if status != http.StatusOK || strings.TrimSpace(text) != string(e.Entity) {
			t.Errorf("%d %s, told %s", status, text, e.Entity)
		}
	}
}

// run starts a pipe until the node says that it did.
func (s *stage) run(pipe string) error {
	for range 60000 {
		if status, _ := s.call("POST", "/api/pipes/"+pipe+"/pump", "", "operation=start"); status == http.StatusOK {
			return nil
		}
		<-time.After(2 * time.Millisecond)
	}
	return fmt.Errorf("%s was never started", pipe)
}

// logged are the runs that a pipe's execution log tells of, by their time.
func (s *stage) logged(pipe string) (runs []string) {
	s.t.Helper()
	_, text := s.call("GET", "/api/pipes/"+pipe+"/log?history=true&limit=100000", "", "")
	var all []map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		s.t.Fatal(err, text)
	}
	for _, e := range all {
		if e["_id"] == "pump-completed" || e["_id"] == "pump-failed" {
			at, _ := e["event_time"].(string)
			runs = append(runs, pipe+" "+strings.TrimPrefix(at, "~t"))
		}
	}
	return runs
}

// E-12: the node is killed at random moments of a burst. Every run that the node
// knows of reaches the receiver.
func TestKill(t *testing.T) {
	events, kills := 1000, 8
	if testing.Short() {
		events, kills = 120, 3
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s := setUp(t)
	s.receiver.BadEvery = 50
	s.Start()
	s.hook()
	var done atomic.Int64
	var starters sync.WaitGroup
	for i := range pipesOfStage {
		pipe := "orders"
		if i > 0 {
			pipe = fmt.Sprintf("orders-%d", i)
		}
		starters.Go(func() {
			for range events / pipesOfStage {
				if err := s.run(pipe); err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	for range kills {
		at := done.Load() + int64(random.IntN(max(events/kills, 2)))
		for done.Load() < min(at, int64(events)-1) && !t.Failed() {
			<-time.After(time.Millisecond)
		}
		s.Kill()
		s.Start()
	}
	starters.Wait()
	var runs []string
	missing := 0
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		<-time.After(50 * time.Millisecond)
		if runs, missing = s.missing(); missing == 0 && len(runs) >= events/2 {
			break
		}
	}
	seen, refused := s.receiver.Seen()
	t.Logf("%d runs were started, %d are logged, %d events arrived", events, len(runs), len(seen))
	if missing > 0 || len(refused) > 0 || len(runs) < events/2 {
		t.Errorf("%d of %d runs were not told of; not believed: %v", missing, len(runs), refused)
	}
	s.Kill()
	if strings.Contains(s.Said(), sharedSecret) || strings.Contains(s.Said(), "an-example-password") {
		t.Error("a secret is told")
	}
}

// missing are the runs that are logged, and how many of them the receiver has not
// heard of.
func (s *stage) missing() (runs []string, missing int) {
	heard := map[string]bool{}
	seen, _ := s.receiver.Seen()
	for _, e := range seen {
		var run struct {
			Pipe string `json:"pipe"`
			At   string `json:"event_time"`
		}
		if err := json.Unmarshal(e.Entity, &run); err != nil {
			s.t.Fatal(err)
		}
		heard[run.Pipe+" "+run.At] = true
	}
	for i := range pipesOfStage {
		pipe := "orders"
		if i > 0 {
			pipe = fmt.Sprintf("orders-%d", i)
		}
		runs = append(runs, s.logged(pipe)...)
	}
	for _, r := range runs {
		if !heard[r] {
			missing++
		}
	}
	return runs, missing
}

// The page shows the definition of the example.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/coming-from-etlworks.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("webhook.json")
	if err != nil || !strings.Contains(string(page), "```json\n"+string(file)+"```") {
		t.Errorf("the page shows another webhook: %v", err)
	}
}
