// Package webhooks_test drives the example as its users would: the real
// binary, real HTTP, and kill -9.
package webhooks_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/examples/nodetest"
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
	said    chan string // what the node says after it has started
}

func setUp(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, shop: vendorsim.New(vendorsim.Options{Token: token}), dir: t.TempDir()}
	srv := httptest.NewServer(f.shop.Handler())
	t.Cleanup(srv.Close)
	f.listen = nodetest.Address(t)
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
	f.said = make(chan string, 1000)
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
			go f.listenTo(lines, f.said)
			return
		}
		said = append(said, lines.Text())
	}
	f.t.Fatalf("the node did not start: %s", strings.Join(said, "\n"))
}

func (f *fixture) listenTo(lines *bufio.Scanner, said chan<- string) {
	for lines.Scan() {
		select {
		case said <- lines.Text():
		default: // nobody listens
		}
	}
}

// hears waits until the node says something that contains text.
func (f *fixture) hears(text string) {
	f.t.Helper()
	end := time.After(3 * time.Minute)
	for {
		select {
		case line := <-f.said:
			if strings.Contains(line, text) {
				return
			}
		case <-end:
			f.t.Fatalf("the node did not say %q", text)
		}
	}
}

// kill is kill -9.
func (f *fixture) kill() {
	if f.process != nil {
		f.process.Process.Kill()
		f.process.Wait()
		f.process = nil
	}
}

// operate asks until it is heard: a pipe that runs by its schedule just then
// refuses to be started.
func (f *fixture) operate(pipe, operation string) {
	f.t.Helper()
	f.eventually(operation+" "+pipe, func() bool {
		resp, err := http.PostForm(f.url+"/api/pipes/"+pipe+"/pump", url.Values{"operation": {operation}})
		if err != nil {
			f.t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode >= 300 && resp.StatusCode != http.StatusConflict {
			f.t.Fatalf("%s %s: %s", operation, pipe, resp.Status)
		}
		return resp.StatusCode < 300
	})
}

// deliver has the shop post an event, which must be taken.
func (f *fixture) deliver(id, kind string) {
	f.t.Helper()
	status, err := f.shop.Deliver(context.Background(), f.receiver(), vendorsim.Event{ID: id, Type: kind})
	if err != nil || status != http.StatusOK {
		f.t.Fatalf("%s: %d %v", id, status, err)
	}
}

// registered waits until the shop's answer to the registration is stored.
func (f *fixture) registered() {
	f.t.Helper()
	f.eventually("the registration is stored", func() bool {
		return f.entities("cloverleaf-order-registerwebhook")["order-create"] != nil
	})
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
	end := time.After(3 * time.Minute)
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
