// Package hooks_test drives the example as its users would: the real binary,
// real HTTP, and kill -9.
package hooks_test

import (
	"fmt"
	"math/rand/v2"
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
	"github.com/sluiceio/sluice/examples/nodetest"
	"github.com/sluiceio/sluice/webhooks"
)

// The secrets of test-secrets.json.
const (
	shopSecret      = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtb2YtYS1zaG9w"
	warehouseSecret = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtd2FyZWhvdXNl"
)

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m)) }

// stage is a node folder with a warehouse.
type stage struct {
	*nodetest.Node
	t         *testing.T
	warehouse *receiversim.Receiver
}

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{Node: nodetest.New(t, "pipes"), t: t, warehouse: &receiversim.Receiver{Secret: warehouseSecret, BadEvery: 7}}
	srv := httptest.NewServer(s.warehouse)
	t.Cleanup(srv.Close)
	s.File("test-secrets.json", s.Read("test-secrets.json"))
	s.File("test-env.json", fmt.Sprintf(`{"warehouse_url": "%s/hook"}`, srv.URL))
	return s
}

// tell sends an event as the shop would: again and again, until it is answered.
func (s *stage) tell(n int) error {
	scheme, err := webhooks.New("standard", "")
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"type": "order.paid", "data": {"order": %d}}`, n)
	for range 12000 {
		h, err := scheme.Sign(&webhooks.Message{ID: fmt.Sprintf("order-%d", n), Time: time.Now(), Body: []byte(body)}, webhooks.Keys{shopSecret})
		if err != nil {
			return err
		}
		q, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.Listen+"/api/receivers/orders-in/entities", strings.NewReader(body))
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
	b, err := exec.CommandContext(s.t.Context(), s.Bin, "datasets", s.Dir, "cat", path).CombinedOutput()
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
	s.Start()
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
		s.Kill()
		s.Start()
	}
	senders.Wait()
	arrived := func() int { e, _ := s.warehouse.Seen(); return len(e) }
	for end := time.Now().Add(3 * time.Minute); arrived() < events && time.Now().Before(end); {
		<-time.After(20 * time.Millisecond)
	}
	seen, forged := s.warehouse.Seen()
	if len(seen) != events || forged > 0 {
		t.Errorf("%d of %d events arrived, %d requests were not to be believed", len(seen), events, forged)
	}
	s.Kill()
	if n := strings.Count(s.get("orders-in"), `"_id":`); n != events {
		t.Errorf("%d events were taken in of %d", n, events)
	}
	for _, text := range []string{s.Said(), s.get("system:webhook:orders-out"), s.get("system:webhook-requests:orders-in"), s.get("system:pump:orders-out")} {
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
