// Package membrane_test drives the example as its users would: the real binary,
// real HTTP, and kill -9.
package membrane_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/membrane/trackersim"
	"github.com/sluiceio/sluice/examples/nodetest"
)

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m)) }

// stage is a copy of the example with its app.
type stage struct {
	*nodetest.Node
	t   *testing.T
	app *trackersim.Tracker
}

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{Node: nodetest.New(t, "connectors", "integrations", "pipes", "systems"), t: t, app: &trackersim.Tracker{Secret: "an-example-secret"}}
	srv := httptest.NewServer(s.app)
	t.Cleanup(srv.Close)
	s.File("test-secrets.json", s.Read("test-secrets.json"))
	s.File("test-env.json", fmt.Sprintf(`{"tracker_url": "%s"}`, srv.URL))
	return s
}

func (s *stage) get(path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.Listen + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// register enters the node's address in the app.
func (s *stage) register() {
	s.t.Helper()
	var hooks []struct{ URI string }
	text := s.get("/integrations/acme/global-webhooks")
	if err := json.Unmarshal([]byte(text), &hooks); err != nil || len(hooks) != 1 {
		s.t.Fatal(text, err)
	}
	s.app.Register(hooks[0].URI)
	// Events that come before are for nobody.
	s.until("subscriptions", 2, func() int {
		return strings.Count(s.get("/external-event-subscriptions"), `"status":"subscribed"`)
	})
}

// deliver sends a delivery as the app does: until it is answered.
func (s *stage) deliver(name string, user int) error {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "/", nil)
	for range 12000 {
		if err = s.app.Deliver(r, name, user, "title of "+name); err == nil {
			return nil
		}
		<-time.After(10 * time.Millisecond)
	}
	return err
}

// count is how many entities a dataset has, without saying one twice.
func (s *stage) count(dataset string) int {
	return strings.Count(s.get("/api/datasets/"+dataset+"/entities?history=false"), `"_updated":`)
}

func (s *stage) until(what string, want int, ask func() int) {
	s.t.Helper()
	got := -1
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		if got = ask(); got == want {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	s.t.Errorf("%s: %d, want %d\n%s", what, got, want, s.Said())
}

// M-11: the node is killed while deliveries come. What was answered reaches the
// pipes of its owner, once, and nobody else's.
func TestKill(t *testing.T) {
	events, kills := 150, 3
	if testing.Short() {
		events, kills = 60, 2
	}
	s := setUp(t)
	if out, err := exec.CommandContext(t.Context(), s.Bin, "validate", s.Dir).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "0 errors, 0 warnings") {
		t.Errorf("validate: %v %s", err, out)
	}
	s.Start()
	s.register()
	var next, done atomic.Int64
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for n := next.Add(1); n <= int64(events); n = next.Add(1) {
				if err := s.deliver(fmt.Sprintf("d-%d", n), []int{42, 7, 1}[n%3]); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}
		})
	}
	for k := range kills {
		for done.Load() < int64((k+1)*events/(kills+1)) && !t.Failed() {
			<-time.After(time.Millisecond)
		}
		s.Kill()
		s.Start()
	}
	senders.Wait()
	s.until("Ada's tasks", events/3, func() int { return s.count("ada-tasks") })
	s.until("Bob's tasks", events/3, func() int { return s.count("bob-tasks") })
	if got := s.count("acme-tasks-events"); got != events {
		t.Errorf("%d events of %d", got, events)
	}
	forged, err := http.Post("http://"+s.Listen+"/webhooks/g/acme/tasks/nonsense", "application/json", strings.NewReader(`{}`))
	if err != nil || forged.StatusCode != http.StatusNotFound {
		t.Errorf("a forged address: %v %v", forged, err)
	}
	s.app.Secret = "another"
	if r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil); err != nil || s.app.Deliver(r, "forged", 42, "x") == nil {
		t.Error("a forged signature was taken")
	}
	seen := s.get("/integrations") + s.get("/external-event-subscriptions") + s.get("/api/datasets/system:webhook-requests:acme-tasks-events/entities?limit=1000")
	s.Kill()
	for _, secret := range []string{"an-example-secret", "an-example-token"} {
		if strings.Contains(seen+s.Said(), secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

// The example has nothing that validate complains of, and the page shows its files.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/coming-from-membrane.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)<!-- (examples/membrane/\\S+) -->\n```\\w+\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		file, err := os.ReadFile("../../" + m[1])
		if err != nil || string(file) != m[2] {
			t.Errorf("the page shows another %s: %v", m[1], err)
		}
	}
}
