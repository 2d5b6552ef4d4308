// Package webhooks_test drives the example as its users would: the real
// binary, real HTTP, and kill -9.
package webhooks_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/webhooks/vendorsim"
)

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sluice-e2e")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "sluice")
	out, err := exec.Command("go", "build", "-o", bin, "../../cmd/sluice").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})

// token and secret are those of test-secrets.json.
const (
	token  = "an-example-token-that-opens-nothing"
	secret = "an-example-secret-that-protects-nothing"
)

// fixture is a shop and a node folder that knows it.
type fixture struct {
	t       *testing.T
	shop    *vendorsim.Vendor
	dir     string
	listen  string
	url     string
	process *exec.Cmd
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, shop: vendorsim.New(vendorsim.Options{Token: token}), dir: t.TempDir()}
	srv := httptest.NewServer(f.shop.Handler())
	t.Cleanup(srv.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.listen = ln.Addr().String()
	ln.Close()
	for _, sub := range []string{"pipes", "systems"} {
		if err := os.CopyFS(filepath.Join(f.dir, sub), os.DirFS(sub)); err != nil {
			t.Fatal(err)
		}
	}
	secrets, _ := os.ReadFile("test-secrets.json")
	f.file("test-secrets.json", string(secrets))
	f.file("test-env.json", fmt.Sprintf(`{"shop_url":%q,"service_url":"http://%s/api"}`, srv.URL+"/", f.listen))
	t.Cleanup(f.kill)
	return f
}

func (f *fixture) file(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) start() {
	f.t.Helper()
	bin, err := binary()
	if err != nil {
		f.t.Fatal(err)
	}
	f.process = exec.Command(bin, "serve", f.dir, "--listen", f.listen, "--allow-internal")
	stderr, err := f.process.StderrPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.process.Start(); err != nil {
		f.t.Fatal(err)
	}
	var said []string
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			f.url = at
			go io.Copy(io.Discard, stderr)
			return
		}
		said = append(said, lines.Text())
	}
	f.t.Fatalf("the node did not start: %s", strings.Join(said, "\n"))
}

// kill is kill -9.
func (f *fixture) kill() {
	if f.process != nil {
		f.process.Process.Kill()
		f.process.Wait()
		f.process = nil
	}
}

func (f *fixture) receiver() string { return f.url + "/api/receivers/cloverleaf-order-event/entities" }

func (f *fixture) entities(dataset string) map[string]map[string]any {
	f.t.Helper()
	resp, err := http.Get(f.url + "/api/datasets/" + dataset + "/entities?history=false")
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []map[string]any
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
			f.t.Fatal(err)
		}
	}
	byID := map[string]map[string]any{}
	for _, e := range all {
		byID[e["_id"].(string)] = e
	}
	return byID
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	end := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			f.t.Fatalf("this did not happen: %s", what)
		}
	}
}

func TestTour(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "./tour", "-sluice", bin, "-node", ".").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Everything was as told.") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestSignatures(t *testing.T) {
	f := setUp(t)
	f.start()
	body := []byte(`{"_id":"s1","eventType":"order.creation"}`)
	good := vendorsim.Sign(secret, body)
	cases := []struct {
		name string
		head http.Header
		body string
		want int
	}{
		{"good", http.Header{"X-Cloverleaf-Signature": {good}}, string(body), 200},
		{"lower case header", http.Header{"x-cloverleaf-signature": {good}}, string(body), 200},
		{"upper case header", http.Header{"X-CLOVERLEAF-SIGNATURE": {good}}, string(body), 200},
		{"missing", nil, string(body), 403},
		{"empty", http.Header{"X-Cloverleaf-Signature": {""}}, string(body), 403},
		{"bad", http.Header{"X-Cloverleaf-Signature": {"AAAA" + good[4:]}}, string(body), 403},
		{"malformed", http.Header{"X-Cloverleaf-Signature": {"%%%"}}, string(body), 403},
		{"twice", http.Header{"X-Cloverleaf-Signature": {good, good}}, string(body), 403},
		{"of another body", http.Header{"X-Cloverleaf-Signature": {good}}, strings.Replace(string(body), "s1", "s2", 1), 403},
	}
	for _, c := range cases {
		status, err := vendorsim.Post(t.Context(), f.receiver(), []byte(c.body), c.head)
		if err != nil || status != c.want {
			t.Errorf("%s: %d %v, want %d", c.name, status, err, c.want)
		}
	}
	for _, bad := range []string{`{"eventType":"x"}`, `{"_id":1}`, `{"_id":"a",}`, `nonsense`, `{"_id":"a","_id":"b"}`, strings.Repeat("[", 1000)} {
		h := http.Header{"X-Cloverleaf-Signature": {vendorsim.Sign(secret, []byte(bad))}}
		if status, err := vendorsim.Post(t.Context(), f.receiver(), []byte(bad), h); err != nil || status != 400 {
			t.Errorf("signed %.30s: %d %v, want 400", bad, status, err)
		}
	}
	if all := f.entities("cloverleaf-order-event"); len(all) != 1 || all["s1"] == nil {
		t.Errorf("stored: %v", all)
	}
}

// TestKill kills the node right after an answer, at random moments, again and
// again: nothing acknowledged is lost, and the webhook is registered once.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	f := setUp(t)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	f.start()
	f.eventually("the registration is stored", func() bool {
		return f.entities("cloverleaf-order-registerwebhook")["order-create"] != nil
	})
	acknowledged := map[string]bool{}
	for round := range rounds {
		for i := range 1 + random.IntN(5) {
			id := fmt.Sprintf("order-%d-%d", round, i)
			f.shop.SetOrder(vendorsim.Order{ID: id, Customer: "Eve", Total: float64(i), Status: "open"})
			status, err := f.shop.Deliver(context.Background(), f.receiver(), vendorsim.Event{ID: id, Type: "order.creation"})
			if err != nil || status != http.StatusOK {
				t.Fatalf("%s: %d %v", id, status, err)
			}
			acknowledged[id] = true
		}
		for range random.IntN(6) { // the kill falls somewhere in the work downstream
			f.entities("cloverleaf-order-event2")
		}
		f.kill()
		f.start()
	}
	f.eventually("every acknowledged event comes out at the end", func() bool {
		collected := f.entities("cloverleaf-order-collect")
		for id := range acknowledged {
			if collected[id]["customer"] != "Eve" {
				return false
			}
		}
		return true
	})
	events := f.entities("cloverleaf-order-event")
	for id := range acknowledged {
		if events[id] == nil {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	if _, n := f.shop.Webhooks(); n != 1 {
		t.Errorf("registered %d times", n)
	}
}
