package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// What a process is there for.
const (
	itself   = "itself"
	database = "database"
	cache    = "cache"
	broker   = "broker"
)

// roles in the order of the report.
var roles = []string{itself, database, cache, broker}

// box holds the processes of one system, and its folder.
type box struct {
	dir   string
	ctx   context.Context
	end   context.CancelFunc
	procs []process
}

type process struct {
	name, role string
	pid        int
	cmd        *exec.Cmd // nil if it is ended by stop
	stop       func() error
}

func newBox(ctx context.Context, dir string) *box {
	b := &box{dir: dir}
	b.ctx, b.end = context.WithCancel(ctx)
	return b
}

// command makes a command that is ended by a signal when the box is closed. What
// it says goes to a file.
func (b *box) command(env []string, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, path, args...)
	cmd.Dir, cmd.WaitDelay = b.dir, 15*time.Second
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "LANG=C.UTF-8"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for this program, which ends them in order
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// run starts a process that stays.
func (b *box) run(role, name string, cmd *exec.Cmd) error {
	f, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.procs = append(b.procs, process{name: name, role: role, pid: cmd.Process.Pid, cmd: cmd})
	return nil
}

// do runs a command to its end and returns what it printed.
func (b *box) do(cmd *exec.Cmd) ([]byte, error) {
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s%s", strings.Join(cmd.Args, " "), err, out, told.String())
	}
	return out, err
}

// usage adds up what the processes of each role use, with all their children.
func (b *box) usage() (map[string]measure.Usage, error) {
	roots := map[string][]int{}
	for _, p := range b.procs {
		roots[p.role] = append(roots[p.role], p.pid)
	}
	all := map[string]measure.Usage{}
	for role, pids := range roots {
		u, err := measure.Tree(pids...)
		if err != nil {
			return nil, err
		}
		all[role] = u
	}
	return all, nil
}

// processor is the time that all of them have used together.
func (b *box) processor() (sum time.Duration, err error) {
	all, err := b.usage()
	for _, u := range all {
		sum += u.CPU
	}
	return sum, err
}

func (b *box) names() (list []string) {
	for _, p := range b.procs {
		list = append(list, p.name)
	}
	return list
}

// explain adds the last lines that the processes said to an error, unless that is
// only that this program was interrupted.
func (b *box) explain(err error) error {
	if b.ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w%s", err, b.logs())
}

func (b *box) logs() string {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(b.dir, "*.log"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil || len(text) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&all, "\n--- %s", filepath.Base(name))
		for _, line := range lines[max(0, len(lines)-10):] {
			fmt.Fprintf(&all, "\n%.300s", line)
		}
	}
	return all.String()
}

// close ends the processes, those that were started last first.
func (b *box) close() (err error) {
	for _, p := range slices.Backward(b.procs) {
		if p.stop != nil {
			err = errors.Join(err, p.stop())
			continue
		}
		p.cmd.Cancel() // an error says that it has ended already
		waitFor(p.cmd, 15*time.Second)
		// What it may have left of its group.
		syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	b.end()
	return err
}

// waitFor waits for a process that was told to end, and kills it if it does not.
// How it ends says nothing: some end by the signal, others with a status.
func waitFor(cmd *exec.Cmd, patience time.Duration) {
	kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer kill.Stop()
	cmd.Wait()
}

// freePort finds a port that nobody listens on.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// freePorts finds some that differ.
func freePorts(n int) (ports []int, err error) {
	for len(ports) < n {
		p, err := freePort()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	return ports, nil
}

// listening waits until something listens on a port.
func listening(ctx context.Context, port int) error {
	return until(ctx, fmt.Sprintf("port %d is not listened on", port), func() bool {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// answering waits until an address answers with less than 500.
func answering(ctx context.Context, url string) error {
	return until(ctx, url+" does not answer", func() bool {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(q)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode < 500
	})
}

func until(ctx context.Context, complaint string, ok func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if ok() {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New(complaint + " after a minute")
}
