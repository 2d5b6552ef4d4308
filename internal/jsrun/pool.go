package jsrun

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Options say how scripts are run. What is zero takes its default.
type Options struct {
	// Command starts a worker: a program that calls [Work]. By default this
	// program with the argument js-worker.
	Command []string
	// Workers is how many calls may run at once; by default twice the cores, and
	// at least 4.
	Workers int
	// Memory is how many bytes a worker may take; by default 128 MiB.
	Memory int64
	// Input and Output bound the argument and the result, in bytes; by default
	// 16 MiB and 4 MiB.
	Input, Output int
	// Time is how long a call may take; by default 5 seconds.
	Time time.Duration
	// Wait is how long a call may wait for a worker, Waiting how many calls may, and
	// WaitingBytes how many bytes their arguments may have together; by default
	// 5 seconds, 256 and 256 MiB.
	Wait                  time.Duration
	Waiting, WaitingBytes int

	own bool // Command is this very program
}

func (o Options) orDefault() Options {
	if len(o.Command) == 0 {
		// A program without a path of its own cannot start workers, which the
		// first call tells.
		self, _ := os.Executable()
		o.Command, o.own = []string{self, "js-worker"}, true
	}
	o.Workers = orElse(o.Workers, max(4, 2*runtime.GOMAXPROCS(0)))
	o.Memory, o.Input, o.Output = orElse(o.Memory, 128<<20), orElse(o.Input, 16<<20), orElse(o.Output, 4<<20)
	o.Time, o.Wait = orElse(o.Time, 5*time.Second), orElse(o.Wait, 5*time.Second)
	o.Waiting, o.WaitingBytes = orElse(o.Waiting, 256), orElse(o.WaitingBytes, 256<<20)
	return o
}

func orElse[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Call is one function to run.
type Call struct {
	// For names whose script it is: the calls of one name get half of the workers
	// at most, and those of a name that went beyond its bounds one at a time.
	For string
	// Script is what [Bundle] has made.
	Script string
	// Names are the exports to look for besides the default one.
	Names []string
	// Args is the argument, a JSON object.
	Args []byte
	// Host answers what the script asks by its apiClient, JSON by JSON; nil gives
	// it none. It is called from several goroutines at once.
	Host func(ctx context.Context, question []byte) []byte
	// Time is how long the call may take; 0 is the pool's.
	Time time.Duration
}

// Result is what a call returned.
type Result struct {
	Value   []byte // JSON
	Console []Line // also if it failed
}

// Pool runs calls in workers. It may be used by many goroutines at once; it
// starts nothing before its first call.
type Pool struct {
	o  Options
	mu struct {
		sync.Mutex
		closed  bool
		idle    []*process
		live    int // idle, busy and being started
		busy    map[string]int
		waiting []*waiter
		bytes   int // of the arguments of those that wait
		// suspects are names whose last call went beyond its bounds.
		suspects map[string]bool
	}
	starting sync.WaitGroup
}

// waiter is a call that waits for a worker.
type waiter struct {
	name  string
	bytes int
	got   chan *process // a worker, or nil: start one
}

// NewPool returns a pool.
func NewPool(o Options) *Pool {
	p := &Pool{o: o.orDefault()}
	p.mu.busy, p.mu.suspects = map[string]int{}, map[string]bool{}
	return p
}

// Close ends the workers that are idle, and has those that are busy end with
// their calls.
func (p *Pool) Close() {
	p.mu.Lock()
	p.mu.closed = true
	idle := p.mu.idle
	p.mu.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.end()
	}
	p.starting.Wait()
}

// Warm starts a worker, so that the first call need not.
func (p *Pool) Warm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.live == 0 {
		p.spare()
	}
}

// spare starts a worker in the background; the caller holds the lock.
func (p *Pool) spare() {
	if p.mu.closed {
		return
	}
	p.mu.live++
	p.starting.Go(func() {
		w, err := startProcess(p.o)
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil || p.mu.closed {
			p.mu.live--
			if w != nil {
				w.end()
			}
			return
		}
		p.mu.idle = append(p.mu.idle, w)
		p.hand()
	})
}

// Call runs a function. What the script threw is a *Thrown; a bound that was
// passed an *ExceededError. Result.Console is there whatever happened, unless
// the worker had to be ended.
func (p *Pool) Call(ctx context.Context, c Call) (Result, error) {
	if len(c.Args) > p.o.Input {
		return Result{}, &ExceededError{Input, bytesText(p.o.Input)}
	}
	if c.Time == 0 {
		c.Time = p.o.Time
	}
	sum := sha256.Sum256([]byte(c.Script))
	for tries := 1; ; tries++ {
		w, err := p.take(ctx, c.For, len(c.Args))
		if err != nil {
			return Result{}, err
		}
		r, err := w.call(ctx, p.o, c, [hashSize]byte(sum[:]))
		var gone *goneError
		if !errors.As(err, &gone) {
			p.give(w, c.For, err)
			return r, err
		}
		p.give(w, c.For, nil)
		if tries == mostTries {
			return r, gone.why
		}
	}
}

// mostTries is how many workers a call tries that have ended before it began: the
// system takes them away when it has no memory, for whatever others did.
const mostTries = 3

// may tells whether another call of a name may begin; the caller holds the lock.
func (p *Pool) may(name string) bool {
	if !p.mu.suspects[name] {
		return p.mu.busy[name] < max(1, p.o.Workers/2)
	}
	n := 0
	for s := range p.mu.suspects {
		n += p.mu.busy[s]
	}
	return p.mu.busy[name] == 0 && n < max(1, p.o.Workers/2)
}

// take waits for a worker, and starts one if it may.
func (p *Pool) take(ctx context.Context, name string, bytes int) (*process, error) {
	w, wait, err := p.begin(name, bytes)
	if err == nil && wait != nil {
		w, err = p.await(ctx, wait)
	}
	if err != nil || w != nil {
		return w, err
	}
	if w, err = startProcess(p.o); err != nil {
		p.give(nil, name, err)
	}
	return w, err
}

// begin returns an idle worker; a waiter if the call must wait; neither if it
// is to start a worker.
func (p *Pool) begin(name string, bytes int) (*process, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n := len(p.mu.idle); {
	case p.mu.closed:
		return nil, nil, ErrClosed
	case p.may(name) && n > 0:
		w := p.mu.idle[n-1]
		p.mu.idle = p.mu.idle[:n-1]
		p.mu.busy[name]++
		return w, nil, nil
	case p.may(name) && p.mu.live < p.o.Workers:
		p.mu.live++
		p.mu.busy[name]++
		return nil, nil, nil
	case len(p.mu.waiting) >= p.o.Waiting || p.mu.bytes+bytes > p.o.WaitingBytes:
		return nil, nil, ErrBusy
	default:
		wait := &waiter{name, bytes, make(chan *process, 1)}
		p.mu.waiting = append(p.mu.waiting, wait)
		p.mu.bytes += bytes
		return nil, wait, nil
	}
}

func (p *Pool) await(ctx context.Context, wait *waiter) (*process, error) {
	timer := time.NewTimer(p.o.Wait)
	defer timer.Stop()
	err := ErrBusy
	select {
	case w := <-wait.got:
		return w, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	p.mu.Lock()
	i := slices.Index(p.mu.waiting, wait)
	if i >= 0 {
		p.goOn(i)
	}
	p.mu.Unlock()
	if i < 0 { // one came at the last moment
		return <-wait.got, nil
	}
	return nil, err
}

// mostSuspects bounds what is remembered of names.
const mostSuspects = 1000

// give takes a worker back, nil if there was none, and lets go of it if its call
// ended it.
func (p *Pool) give(w *process, name string, err error) {
	p.mu.Lock()
	if p.mu.busy[name]--; p.mu.busy[name] == 0 {
		delete(p.mu.busy, name)
	}
	if exceeded(err) && len(p.mu.suspects) < mostSuspects {
		p.mu.suspects[name] = true
	} else {
		delete(p.mu.suspects, name)
	}
	good := w != nil && !w.spent && !p.mu.closed
	if good {
		p.mu.idle = append(p.mu.idle, w)
	} else {
		p.mu.live--
	}
	p.hand()
	if !good && w != nil && p.mu.live == 0 {
		p.spare() // whoever calls next shall not wait for it
	}
	p.mu.Unlock()
	if !good && w != nil {
		w.end()
	}
}

// hand gives workers to those who wait, in their order; the caller holds the
// lock.
func (p *Pool) hand() {
	for i := 0; i < len(p.mu.waiting); {
		wait, n := p.mu.waiting[i], len(p.mu.idle)
		if !p.may(wait.name) || n == 0 && p.mu.live >= p.o.Workers {
			i++
			continue
		}
		var w *process
		if n > 0 {
			w = p.mu.idle[n-1]
			p.mu.idle = p.mu.idle[:n-1]
		} else {
			p.mu.live++
		}
		p.mu.busy[wait.name]++
		p.goOn(i)
		wait.got <- w
	}
}

// goOn has a call wait no more; the caller holds the lock.
func (p *Pool) goOn(i int) {
	p.mu.bytes -= p.mu.waiting[i].bytes
	p.mu.waiting = slices.Delete(p.mu.waiting, i, i+1)
}
