package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// node is the running binary.
type node struct {
	url    string
	cmd    *exec.Cmd
	stderr *bufio.Scanner
	copied chan struct{} // closed when all that the node said was passed on
}

// endGrace is how long the node may take to finish what is in hand.
const endGrace = 30 * time.Second

// startNode starts the binary and waits until it says that it listens.
func startNode(ctx context.Context, bin, dir, data, listen string) (*node, error) {
	n := &node{copied: make(chan struct{})}
	// The shop of the tour stands on this machine, where pipes may not look
	// unless they are allowed to.
	n.cmd = exec.CommandContext(ctx, bin, "serve", dir, "--data", data, "--listen", listen, "--allow-internal")
	n.cmd.Cancel = func() error { return n.cmd.Process.Signal(syscall.SIGTERM) }
	n.cmd.WaitDelay = endGrace
	// The pipe is our own: the one of cmd is closed by Wait, with lines unread.
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer to.Close()
	n.cmd.Stderr = to
	if err := n.cmd.Start(); err != nil {
		return nil, errors.Join(err, from.Close())
	}
	n.stderr = bufio.NewScanner(from)
	n.stderr.Buffer(nil, 1<<20)
	var said []string
	for n.stderr.Scan() {
		if at, ok := strings.CutPrefix(n.stderr.Text(), "listening on "); ok {
			n.url = at
			go n.pass(from)
			return n, nil
		}
		said = append(said, n.stderr.Text())
	}
	return nil, fmt.Errorf("the node did not start: %w\n%s", errors.Join(n.cmd.Wait(), from.Close()), strings.Join(said, "\n"))
}

// pass shows what the node says on its standard error, to the end.
func (n *node) pass(from io.ReadCloser) {
	defer close(n.copied)
	defer from.Close()
	for n.stderr.Scan() {
		fmt.Fprintln(os.Stderr, "  node:", n.stderr.Text())
	}
}

// stop asks the node to end, as a service manager does, and says if it did
// not do so in time and without an error.
func (n *node) stop() error {
	timer := time.AfterFunc(endGrace, func() { n.cmd.Process.Kill() })
	defer timer.Stop()
	// A node that has ended cannot be signalled; Wait tells how it ended.
	n.cmd.Process.Signal(syscall.SIGTERM)
	err := n.cmd.Wait()
	<-n.copied
	if state := n.cmd.ProcessState; state != nil && state.ExitCode() == 0 {
		return nil // Wait also tells that the context ended, which is no fault of the node
	}
	return fmt.Errorf("the node did not end well: %w", err)
}

var errNotFound = errors.New("not found")

// entities reads the latest versions of a dataset through the API.
func (n *node) entities(ctx context.Context, dataset string) ([]map[string]any, error) {
	var all []map[string]any
	path := "/api/datasets/" + url.PathEscape(dataset) + "/entities?history=false"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		err := json.NewDecoder(resp.Body).Decode(&all)
		return all, err
	case http.StatusNotFound:
		return nil, fmt.Errorf("dataset %s: %w", dataset, errNotFound)
	default:
		return nil, fmt.Errorf("GET %s: %s", path, resp.Status)
	}
}

// operate has a pump operation carried out. A pipe that runs by its schedule just
// then refuses to be started, and is asked again.
func (n *node) operate(ctx context.Context, pipe, operation string) error {
	return eventually(ctx, operation+" of "+pipe, func() (bool, error) {
		status, err := n.ask(ctx, pipe, operation)
		if err == nil && status != http.StatusOK && status != http.StatusConflict {
			err = fmt.Errorf("%s of %s: %s", operation, pipe, http.StatusText(status))
		}
		return status == http.StatusOK, err
	})
}

func (n *node) ask(ctx context.Context, pipe, operation string) (status int, err error) {
	form := strings.NewReader(url.Values{"operation": {operation}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/api/pipes/"+url.PathEscape(pipe)+"/pump", form)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
