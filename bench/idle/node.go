package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is the binary at work.
type node struct {
	process *exec.Cmd
	url     string
	started time.Duration
	said    chan []string
}

func start(ctx context.Context, binary, dir string) (*node, error) {
	n := &node{process: exec.CommandContext(ctx, binary, "serve", dir, "--listen", "127.0.0.1:0"), said: make(chan []string, 1)}
	stderr, err := n.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := n.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			n.url, n.started = at, time.Since(begun)
			go func() { n.said <- rest(lines) }()
			return n, nil
		}
		said = append(said, lines.Text())
	}
	return nil, errors.Join(fmt.Errorf("the node did not start: %s", strings.Join(said, "\n")), n.process.Wait())
}

func rest(lines *bufio.Scanner) (all []string) {
	for lines.Scan() {
		all = append(all, lines.Text())
	}
	return all
}

// end stops the node as an operator would, and tells how long that took.
func (n *node) end() error {
	begun := time.Now()
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	said := <-n.said
	if err := n.process.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(said, "\n"))
	}
	fmt.Printf("  ended in %v\n", time.Since(begun).Round(time.Millisecond))
	return nil
}

// usage is what the kernel says of a process.
type usage struct {
	rss, peak int64 // bytes
	cpu       time.Duration
	threads   int
}

func (n *node) usage() (u usage, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.process.Process.Pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		v, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			u.rss = v * 1024
		case "VmHWM:":
			u.peak = v * 1024
		case "Threads:":
			u.threads = int(v)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.process.Process.Pid))
	if err != nil {
		return u, err
	}
	// The name, in parentheses, may hold anything.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 13 {
		return u, errors.New("/proc/PID/stat is too short")
	}
	user, errUser := strconv.ParseInt(f[11], 10, 64)
	system, errSystem := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	u.cpu = time.Duration(user+system) * tick
	return u, errors.Join(errUser, errSystem)
}

// webhook posts an order to a chain and waits until it is in the fourth
// dataset; it returns when it was acknowledged and when it had arrived.
func (n *node) webhook(ctx context.Context, chain int, id string) (acknowledged, arrived time.Duration, err error) {
	body := fmt.Appendf(nil, `{"_id":%q,"eventType":"order.paid","order":{"number":"SO-1","total":12.5,"lines":[{"sku":"a","n":1},{"sku":"b","n":2}]}}`, id)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	name := fmt.Sprintf("shop%d-order", chain)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/api/receivers/"+name+"-event/entities", bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Shop-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	begun := time.Now()
	if status, said, err := do(req); err != nil || status != http.StatusOK {
		return 0, 0, errors.Join(err, fmt.Errorf("the webhook is answered %d: %s", status, said))
	}
	acknowledged = time.Since(begun)
	look := n.url + "/api/datasets/" + name + "-transform/entity?entity_id=" + id
	for time.Since(begun) < time.Minute {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, look, nil)
		if err != nil {
			return 0, 0, err
		}
		status, _, err := do(req)
		if err != nil {
			return 0, 0, err
		}
		if status == http.StatusOK {
			return acknowledged, time.Since(begun), nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, fmt.Errorf("webhook %s has not arrived after a minute", id)
}

func do(req *http.Request) (status int, said []byte, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	said, err = io.ReadAll(resp.Body)
	return resp.StatusCode, said, err
}
