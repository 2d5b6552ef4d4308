package measure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Node is the binary at work.
type Node struct {
	URL     string
	Started time.Duration // from the start to listening
	process *exec.Cmd
	said    chan []string
}

// Build makes the binary in its own module, whose dependencies are not all known
// in this one.
func Build(ctx context.Context, binary string) error {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/sluiceio/sluice").Output()
	if err != nil {
		return fmt.Errorf("the module is not found, run this in bench/: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/sluice")
	cmd.Dir, cmd.Stderr = strings.TrimSpace(string(dir)), os.Stderr
	return cmd.Run()
}

// Serve starts the binary on a node folder and waits until it listens. It is
// killed when ctx ends.
func Serve(ctx context.Context, binary, dir string, flags ...string) (*Node, error) {
	args := append([]string{"serve", dir, "--listen", "127.0.0.1:0"}, flags...)
	n := &Node{process: exec.CommandContext(ctx, binary, args...), said: make(chan []string, 1)}
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
			n.URL, n.Started = at, time.Since(begun)
			go func() { n.said <- rest(lines) }()
			return n, nil
		}
		said = append(said, lines.Text())
	}
	return nil, errors.Join(fmt.Errorf("the node did not start: %s", strings.Join(said, "\n")), n.process.Wait())
}

// rest keeps the last lines of what is said.
func rest(lines *bufio.Scanner) (last []string) {
	for lines.Scan() {
		if last = append(last, lines.Text()); len(last) > 100 {
			last = last[1:]
		}
	}
	return last
}

// PID is the number of its process.
func (n *Node) PID() int { return n.process.Process.Pid }

// End stops the node as an operator would and says how long that took.
func (n *Node) End() (time.Duration, error) {
	begun := time.Now()
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	said := <-n.said
	if err := n.process.Wait(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, strings.Join(said, "\n"))
	}
	return time.Since(begun), nil
}

// WriteJSON writes a file of a node's folder.
func WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}
