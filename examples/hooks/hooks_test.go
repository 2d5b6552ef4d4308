// Package hooks_test drives the example as its users would: the real binary,
// real HTTP, and kill -9.
package hooks_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
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

	"github.com/sluiceio/sluice/examples/hooks/receiversim"
	"github.com/sluiceio/sluice/webhooks"
)

// The secrets of test-secrets.json.
const (
	shopSecret      = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtb2YtYS1zaG9w"
	warehouseSecret = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtd2FyZWhvdXNl"
)

// stage is a node folder with a warehouse.
type stage struct {
	t         *testing.T
	bin, dir  string
	listen    string
	warehouse *receiversim.Receiver
	process   *exec.Cmd
	said      strings.Builder
	quiet     sync.WaitGroup
}

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), warehouse: &receiversim.Receiver{Secret: warehouseSecret, BadEvery: 7}}
	s.bin = filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.bin, "../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	srv := httptest.NewServer(s.warehouse)
	t.Cleanup(srv.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listen = ln.Addr().String()
	ln.Close()
	if err := os.CopyFS(filepath.Join(s.dir, "pipes"), os.DirFS("pipes")); err != nil {
		t.Fatal(err)
	}
	secrets, err := os.ReadFile("test-secrets.json")
	if err != nil {
		t.Fatal(err)
	}
	s.file("test-secrets.json", string(secrets))
	s.file("test-env.json", fmt.Sprintf(`{"warehouse_url": "%s/hook"}`, srv.URL))
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

// tell sends an event as the shop would: again and again, until it is answered.
func (s *stage) tell(n int) error {
	scheme, err := webhooks.New("standard", "")
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"type": "order.paid", "data": {"order": %d}}`, n)
	for range 2000 {
		h, err := scheme.Sign(&webhooks.Message{ID: fmt.Sprintf("order-%d", n), Time: time.Now(), Body: []byte(body)}, webhooks.Keys{shopSecret})
		if err != nil {
			return err
		}
		q, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.listen+"/api/receivers/orders-in/entities", strings.NewReader(body))
		if err != nil {
			return err
		}
		q.Header = h
		q.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(q)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			if resp.StatusCode < 500 {
				return fmt.Errorf("order %d: %s", n, resp.Status)
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	return fmt.Errorf("order %d was never answered", n)
}

func (s *stage) get(path string) string {
	s.t.Helper()
	b, err := exec.CommandContext(s.t.Context(), s.bin, "datasets", s.dir, "cat", path).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, b)
	}
	return string(b)
}

// E-12, M-11: the node is killed at random moments of a burst. Whatever was
// answered to the shop is there once, and reaches the warehouse.
func TestKill(t *testing.T) {
	events, kills := 1000, 12
	if testing.Short() {
		events, kills = 100, 3
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s := setUp(t)
	s.start()
	var next, done atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for n := next.Add(1); n <= int64(events); n = next.Add(1) {
				if err := s.tell(int(n)); err != nil {
					t.Error(err)
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
		s.kill()
		s.start()
	}
	senders.Wait()
	arrived := func() int { e, _ := s.warehouse.Seen(); return len(e) }
	for end := time.Now().Add(2 * time.Minute); arrived() < events && time.Now().Before(end); {
		<-time.After(20 * time.Millisecond)
	}
	seen, forged := s.warehouse.Seen()
	if len(seen) != events || forged > 0 {
		t.Errorf("%d of %d events arrived, %d requests were not to be believed", len(seen), events, forged)
	}
	s.kill()
	if n := strings.Count(s.get("orders-in"), `"_id":`); n != events {
		t.Errorf("%d events were taken in of %d", n, events)
	}
	for _, text := range []string{s.said.String(), s.get("system:webhook:orders-out"), s.get("system:webhook-requests:orders-in"), s.get("system:pump:orders-out")} {
		if strings.Contains(text, warehouseSecret) || strings.Contains(text, shopSecret) {
			t.Error("a secret is told")
		}
	}
}

// The pages show the files of the example.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/send-webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for i, name := range []string{"orders-out", "orders-in"} {
		file, err := os.ReadFile(filepath.Join("pipes", name+".conf.json"))
		if err != nil || i >= len(blocks) || blocks[i][1] != string(file) {
			t.Errorf("the page shows another %s: %v", name, err)
		}
	}
}
