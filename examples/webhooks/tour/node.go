package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sluiceio/sluice/examples/webhooks/vendor"
)

// tour is the shop and the node while they run.
type tour struct {
	shop    *vendor.Vendor
	server  *http.Server
	node    *node
	tempDir string
	stopped bool
}

type node struct {
	url string
	cmd *exec.Cmd
}

// start brings up the shop, a copy of the node folder that knows its address,
// and the node.
func start(ctx context.Context, o options) (*tour, error) {
	t := &tour{}
	var err error
	if t.tempDir, err = os.MkdirTemp("", "sluice-tour"); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	secrets, err := readSecrets(o.node)
	if err != nil {
		return nil, err
	}
	t.shop = vendor.New(vendor.Options{Token: secrets["access_token"], Secret: secrets["webhook_secret"]})
	t.server = &http.Server{Handler: t.shop.Handler()}
	go t.server.Serve(ln)
	if o.listen, err = freeAddress(o.listen); err != nil {
		return nil, err
	}
	dir := filepath.Join(t.tempDir, "node")
	if err := copyNode(o.node, dir, "http://"+ln.Addr().String()+"/", "http://"+o.listen+"/api"); err != nil {
		return nil, err
	}
	data := o.data
	if data == "" {
		data = filepath.Join(t.tempDir, "data")
	}
	t.node, err = startNode(ctx, o.sluice, dir, data, o.listen)
	return t, err
}

func readSecrets(dir string) (map[string]string, error) {
	var s struct{ Systems map[string]map[string]string }
	data, err := os.ReadFile(filepath.Join(dir, "test-secrets.json"))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s.Systems["cloverleaf"], err
}

// freeAddress chooses a port where the address leaves it open: the pipes need
// to know it before the node listens.
func freeAddress(listen string) (string, error) {
	if !strings.HasSuffix(listen, ":0") {
		return listen, nil
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

func copyNode(from, to, shopURL, serviceURL string) error {
	for _, sub := range []string{"pipes", "systems"} {
		if err := os.CopyFS(filepath.Join(to, sub), os.DirFS(filepath.Join(from, sub))); err != nil {
			return err
		}
	}
	for _, name := range []string{"node-metadata.conf.json", "test-secrets.json"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return err
		}
	}
	env, err := json.Marshal(map[string]string{"shop_url": shopURL, "service_url": serviceURL})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "test-env.json"), env, 0o600)
}

// startNode starts the binary and waits until it says that it listens.
func startNode(ctx context.Context, bin, dir, data, listen string) (*node, error) {
	n := &node{cmd: exec.CommandContext(ctx, bin, "serve", dir, "--data", data, "--listen", listen, "--allow-internal")}
	n.cmd.Cancel = func() error { return n.cmd.Process.Signal(syscall.SIGTERM) }
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			n.url = at
			go func() {
				for lines.Scan() {
					fmt.Fprintln(os.Stderr, "  node:", lines.Text())
				}
			}()
			return n, nil
		}
		said = append(said, lines.Text())
	}
	n.cmd.Wait()
	return nil, fmt.Errorf("the node did not start:\n%s", strings.Join(said, "\n"))
}

// stop ends node and shop; the node must end by itself and without an error.
func (t *tour) stop() error {
	if t.stopped {
		return nil
	}
	t.stopped = true
	var err error
	if t.node != nil {
		t.node.cmd.Process.Signal(syscall.SIGTERM)
		if waitErr := t.node.cmd.Wait(); waitErr != nil && t.node.cmd.ProcessState.ExitCode() != 0 {
			err = fmt.Errorf("the node ended badly: %w", waitErr)
		}
	}
	return errors.Join(err, t.server.Close(), os.RemoveAll(t.tempDir))
}

// entities reads the latest versions of a dataset through the API.
func (n *node) entities(dataset string) ([]map[string]any, error) {
	var all []map[string]any
	err := n.get("/api/datasets/"+url.PathEscape(dataset)+"/entities?history=false", &all)
	return all, err
}

func (n *node) get(path string, into any) error {
	resp, err := http.Get(n.url + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// operate carries out a pump operation.
func (n *node) operate(pipe, operation string) error {
	resp, err := http.PostForm(n.url+"/api/pipes/"+pipe+"/pump", url.Values{"operation": {operation}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of %s: %s", operation, pipe, resp.Status)
	}
	return nil
}
