package jsrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// startTime is how long a worker may take to begin.
	startTime = 20 * time.Second
	// mostCalls and mostScripts are how much one worker does before another takes
	// its place, and how many scripts it keeps.
	mostCalls   = 10000
	mostScripts = 64
)

// process is a worker as its parent sees it. One call at a time uses it.
type process struct {
	*wire
	cmd    *exec.Cmd
	stdin  io.Closer
	sent   map[[hashSize]byte]bool
	calls  int
	spent  bool // it must not be used any more
	killed atomic.Bool
	ended  sync.Once
	err    error // how it ended
}

// startProcess starts a worker and waits until it is ready. It gets nothing of
// this process' environment: secrets stand there.
func startProcess(o Options) (*process, error) {
	cmd := exec.Command(o.Command[0], o.Command[1:]...)
	if o.own {
		cmd.Path = program(cmd.Path)
	}
	cmd.Env = []string{memoryEnv + "=" + strconv.FormatInt(o.Memory, 10), "GOMAXPROCS=1", "GOTRACEBACK=none",
		"MALLOC_ARENA_MAX=1"} // C would reserve 128 MiB of addresses for each thread
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("a worker for scripts cannot be started: %w", err)
	}
	w := &process{wire: newWire(stdout, stdin), cmd: cmd, stdin: stdin, sent: map[[hashSize]byte]bool{}}
	timer := time.AfterFunc(startTime, w.kill)
	defer timer.Stop()
	if _, err := w.expect(frameReady); err != nil {
		w.end()
		return nil, fmt.Errorf("a worker for scripts did not begin: %w", err)
	}
	return w, nil
}

// running is where Linux has the program that runs, also when its file is gone.
const running = "/proc/self/exe"

// program is the file of this program. When another version has taken its place, or
// nothing has, workers are of this one still.
func program(path string) string {
	self, err := os.Stat(running)
	if err != nil {
		return path
	}
	if there, err := os.Stat(path); err == nil && os.SameFile(self, there) {
		return path
	}
	return running
}

func (w *process) kill() {
	w.killed.Store(true)
	// One that has ended already is what is wanted.
	_ = w.cmd.Process.Kill()
}

// end ends the worker, whatever it does, and waits for it.
func (w *process) end() {
	w.ended.Do(func() {
		_ = w.cmd.Process.Kill()
		_ = w.stdin.Close()
		w.err = w.cmd.Wait()
	})
}

// call runs a call. After an error of the worker itself it is spent.
func (w *process) call(ctx context.Context, o Options, c Call, hash [hashSize]byte) (Result, error) {
	w.calls++
	w.spent = true
	limit := time.AfterFunc(c.Time+2*hardly, w.kill)
	defer limit.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := context.AfterFunc(ctx, w.kill)
	err := w.send(o, c, hash)
	reached := err == nil
	var out outcome
	var r Result
	if err == nil {
		r, out, err = w.listen(ctx, o, c)
	}
	alive := gone() // or it has been, or is about to be, killed
	if err != nil {
		err = w.explain(ctx, o, c, err)
		if !reached && !w.killed.Load() {
			err = &goneError{err}
		}
		return Result{}, err
	}
	// One that was late may be about to be killed, or to end by itself.
	w.spent = !limit.Stop() || !alive || out.Exceeded == Time || w.calls >= mostCalls
	switch {
	case !alive:
		return Result{}, ctx.Err()
	case out.Exceeded == Time:
		return r, &ExceededError{Time, c.Time.String()}
	case out.Exceeded != "":
		return r, &ExceededError{out.Exceeded, bytesText(o.Output)}
	case out.Thrown != nil:
		return r, out.Thrown
	}
	return r, nil
}

// send hands over the script, if the worker has not got it, and the call.
func (w *process) send(o Options, c Call, hash [hashSize]byte) error {
	if !w.sent[hash] {
		if len(w.sent) >= mostScripts {
			clear(w.sent)
			if err := w.put(frameForget); err != nil {
				return err
			}
		}
		if err := w.put(frameCode, hash[:], []byte(c.Script)); err != nil {
			return err
		}
		w.sent[hash] = true
	}
	head, err := json.Marshal(request{Hash: hash[:], Names: c.Names, Millis: c.Time.Milliseconds(), Output: o.Output, API: c.Host != nil})
	if err == nil {
		err = w.put(frameRun, head)
	}
	if err == nil {
		err = w.put(frameArgs, c.Args)
	}
	if err == nil {
		err = w.flush()
	}
	return err
}

// listen answers questions until the outcome comes.
func (w *process) listen(ctx context.Context, o Options, c Call) (r Result, out outcome, err error) {
	var asking sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer asking.Wait()
	defer cancel()
	var writing sync.Mutex
	for {
		kind, data, err := w.get()
		switch {
		case err != nil:
			return r, out, err
		case kind == frameAsk && c.Host != nil && len(data) >= 4:
			asking.Go(func() {
				answer := c.Host(ctx, data[4:])
				writing.Lock()
				defer writing.Unlock()
				// A worker that is gone is noticed by who reads.
				if w.put(frameReply, data[:4], answer) == nil {
					_ = w.flush()
				}
			})
		case kind == frameDone:
			if err := json.Unmarshal(data, &out); err != nil {
				return r, out, err
			}
			r.Console = out.Console
			if out.Exceeded == "" && out.Thrown == nil {
				r.Value, err = w.expect(frameValue)
			}
			return r, out, err
		default:
			return r, out, fmt.Errorf("a worker sent a frame %q", kind)
		}
	}
}

// explain says why a worker ended in the middle of a call.
func (w *process) explain(ctx context.Context, o Options, c Call, err error) error {
	killed := w.killed.Load()
	if !killed {
		// It is ending by itself: how tells why.
		w.wait()
	}
	status := -1
	if w.cmd.ProcessState != nil {
		status = w.cmd.ProcessState.ExitCode()
	}
	const good, told = 0, 1 // how a worker ends that was not stopped by anything
	switch {
	case ctx.Err() != nil && killed:
		return ctx.Err()
	case killed || status == exitTime:
		return &ExceededError{Time, c.Time.String()}
	case status == good || status == told:
		return errors.Join(errLost, err)
	default:
		// It got no memory, or the kernel took it away for what it had.
		return &ExceededError{Memory, bytesText(int(o.Memory))}
	}
}

// wait waits for a worker that has closed its output, and ends it if it does
// not end by itself.
func (w *process) wait() {
	timer := time.AfterFunc(time.Second, w.kill)
	defer timer.Stop()
	w.ended.Do(func() {
		_ = w.stdin.Close()
		w.err = w.cmd.Wait()
	})
}

// exceeded tells whether a call went beyond what it may take.
func exceeded(err error) bool {
	var e *ExceededError
	return errors.As(err, &e) && e.What != Input
}
