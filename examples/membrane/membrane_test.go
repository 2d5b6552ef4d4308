// Package membrane_test drives the example as its users would: the real binary,
// real HTTP, and kill -9.
package membrane_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/membrane/trackersim"
)

var sluice string // the binary, built once

func TestMain(m *testing.M) { os.Exit(built(m)) }

func built(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sluice-membrane")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	sluice = filepath.Join(dir, "sluice")
	if out, err := exec.Command("go", "build", "-o", sluice, "../../cmd/sluice").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// stage is a copy of the example with its app.
type stage struct {
	t       *testing.T
	bin     string
	dir     string
	listen  string
	app     *trackersim.Tracker
	process *exec.Cmd
	said    strings.Builder
	quiet   sync.WaitGroup
}

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), app: &trackersim.Tracker{Secret: "an-example-secret"}}
	s.bin = sluice
	srv := httptest.NewServer(s.app)
	t.Cleanup(srv.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listen = ln.Addr().String()
	ln.Close()
	for _, sub := range []string{"connectors", "integrations", "pipes", "systems"} {
		if err := os.CopyFS(filepath.Join(s.dir, sub), os.DirFS(sub)); err != nil {
			t.Fatal(err)
		}
	}
	secrets, err := os.ReadFile("test-secrets.json")
	if err != nil {
		t.Fatal(err)
	}
	s.file("test-secrets.json", string(secrets))
	s.file("test-env.json", fmt.Sprintf(`{"tracker_url": "%s"}`, srv.URL))
	t.Cleanup(s.kill)
	return s
}

func (s *stage) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) start() {
	s.t.Helper()
	s.process = exec.Command(s.bin, "serve", s.dir, "--listen", s.listen, "--allow-internal")
	stderr, err := s.process.StderrPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "listening on ") {
			s.quiet.Go(func() {
				for lines.Scan() {
					s.said.WriteString(lines.Text() + "\n")
				}
			})
			return
		}
	}
	s.t.Fatalf("the node did not start: %s", s.said.String())
}

// kill is kill -9.
func (s *stage) kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		s.quiet.Wait()
		_ = s.process.Wait()
		s.process = nil
	}
}

func (s *stage) get(path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.listen + path)
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
	for range 2000 {
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
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		if got = ask(); got == want {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	s.t.Errorf("%s: %d, want %d\n%s", what, got, want, s.said.String())
}

// M-11: the node is killed while deliveries come. What was answered reaches the
// pipes of its owner, once, and nobody else's.
func TestKill(t *testing.T) {
	events, kills := 150, 3
	if testing.Short() {
		events, kills = 60, 2
	}
	s := setUp(t)
	if out, err := exec.CommandContext(t.Context(), s.bin, "validate", s.dir).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "0 errors, 0 warnings") {
		t.Errorf("validate: %v %s", err, out)
	}
	s.start()
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
		s.kill()
		s.start()
	}
	senders.Wait()
	s.until("Ada's tasks", events/3, func() int { return s.count("ada-tasks") })
	s.until("Bob's tasks", events/3, func() int { return s.count("bob-tasks") })
	if got := s.count("acme-tasks-events"); got != events {
		t.Errorf("%d events of %d", got, events)
	}
	forged, err := http.Post("http://"+s.listen+"/webhooks/g/acme/tasks/nonsense", "application/json", strings.NewReader(`{}`))
	if err != nil || forged.StatusCode != http.StatusNotFound {
		t.Errorf("a forged address: %v %v", forged, err)
	}
	s.app.Secret = "another"
	if r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil); err != nil || s.app.Deliver(r, "forged", 42, "x") == nil {
		t.Error("a forged signature was taken")
	}
	seen := s.get("/integrations") + s.get("/external-event-subscriptions") + s.get("/api/datasets/system:webhook-requests:acme-tasks-events/entities?limit=1000")
	s.kill()
	for _, secret := range []string{"an-example-secret", "an-example-token"} {
		if strings.Contains(seen+s.said.String(), secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

// The workers of a node end with it, also when it is killed.
func TestWorkersEndWithTheNode(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("looks at /proc")
	}
	s := setUp(t)
	s.start()
	s.register()
	if err := s.deliver("d-1", 42); err != nil {
		t.Fatal(err)
	}
	workers := children(t, s.process.Process.Pid)
	if len(workers) == 0 {
		t.Fatal("there are no workers")
	}
	s.kill()
	s.until("workers that live on", 0, func() int {
		n := 0
		for _, pid := range workers {
			if cmd, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(cmd), "js-worker") {
				n++
			}
		}
		return n
	})
}

// children are the processes that a process has started.
func children(t *testing.T, pid int) (all []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(pid) {
			all = append(all, strings.Split(path, "/")[2])
		}
	}
	return all
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
