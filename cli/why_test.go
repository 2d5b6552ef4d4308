package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/cli"
)

// run calls a command and returns what it printed.
func run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = cli.Run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// serve runs a node until the test ends, and returns its address.
func serve(t *testing.T, dir string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		ended <- cli.Run(ctx, []string{"serve", dir, "--listen", "127.0.0.1:0"}, strings.NewReader(""), &bytes.Buffer{}, &stderr)
	}()
	t.Cleanup(func() {
		stop()
		if status := <-ended; status != 0 {
			t.Errorf("serve ended with %d: %s", status, stderr.String())
		}
		if _, err := os.Stat(filepath.Join(dir, ".data", "serving")); err == nil {
			t.Error("a node that has ended is still announced")
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if address, err := os.ReadFile(filepath.Join(dir, ".data", "serving")); err == nil && len(address) > 0 {
			return strings.TrimSpace(string(address))
		}
	}
	t.Fatal("the node did not start")
	return ""
}

func node(t *testing.T, conf string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "pipes"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pipes", "all.conf.json"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A node that is served is asked, also by the name of its folder.
func TestWhyOfServedNode(t *testing.T) {
	dir := node(t, `[{"_id": "noisy", "type": "pipe", "source": {"type": "embedded", "entities": []}},
		{"_id": "waits", "type": "pipe", "source": {"type": "dataset", "dataset": "noisy", "require_populated_input": true}}]`)
	address := serve(t, dir)
	resp, err := http.PostForm(address+"/api/pipes/noisy/pump", url.Values{"operation": {"disable"}, "comment": {"too noisy"}})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	const because = `is disabled by the API, called from 127.0.0.1 since `
	for _, args := range [][]string{{"why", dir, "noisy"}, {"why", "--node", address, "noisy"}, {"why", "--node", address + "/api/", "noisy"}} {
		status, out, errs := run(t, args...)
		if status != 0 || !strings.Contains(out, "noisy: it "+because) || !strings.Contains(out, `: "too noisy"`) {
			t.Errorf("%v: %d %q %q", args, status, out, errs)
		}
	}
	status, out, errs := run(t, "pipes", dir)
	if status != 0 || !strings.Contains(out, `it waits for dataset "noisy" to be populated; pipe "noisy", which writes it, `+because) {
		t.Errorf("%d %q %q", status, out, errs)
	}
	// One data folder has one node.
	if status, _, errs := run(t, "serve", dir, "--listen", "127.0.0.1:0"); status != 2 || !strings.Contains(errs, "another sluice is using it") {
		t.Errorf("a second node on the folder: %d %q", status, errs)
	}
	taken := strings.TrimPrefix(address, "http://")
	if status, _, errs := run(t, "serve", node(t, "[]"), "--listen", taken); status != 2 || !strings.Contains(errs, "choose another address with --listen") {
		t.Errorf("a port in use: %d %q", status, errs)
	}
	if now := serving(t, dir); now != address {
		t.Errorf("the node is announced at %q after others failed to start, it is at %q", now, address)
	}
	// The node goes on with what it has, and is asked, whatever the files say now.
	if err := os.WriteFile(filepath.Join(dir, "pipes", "all.conf.json"), []byte(`[{"_id": `), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := run(t, "why", dir, "noisy"); status != 0 || !strings.Contains(out, because) {
		t.Errorf("%d %q %q", status, out, errs)
	}
}

func serving(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, ".data", "serving"))
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(b))
}
