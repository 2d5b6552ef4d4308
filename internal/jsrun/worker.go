package jsrun

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
)

// The exit status of a worker that went beyond a bound.
const (
	exitMemory = 77
	exitTime   = 78
)

// memoryEnv tells a worker how many bytes it may take.
const memoryEnv = "SLUICE_JS_MEMORY"

// rubbish is how many percent of what is in use a worker lets gather before it
// collects: some 16 MB.
const rubbish = 400

// hardly is how much longer than its time a call may take before the process
// ends: what the engine does in one step cannot be interrupted.
const hardly = 250 * time.Millisecond

// Work is the whole life of a worker: it reads calls and writes their outcomes
// until there is nothing more to read. A program whose path is in
// [Options.Command] must call it with its standard input and output, before
// anything else.
func Work(in io.Reader, out io.Writer) error {
	// Each call leaves a runtime behind, and next to nothing else stays: collecting
	// less often saves a quarter of the processor's time. The bound on memory holds.
	debug.SetGCPercent(rubbish)
	w := &worker{wire: newWire(in, out), scripts: map[[hashSize]byte]*goja.Program{}}
	prelude, err := goja.Compile("prelude.js", preludeText, true)
	if err != nil {
		return err
	}
	memory, err := strconv.ParseInt(os.Getenv(memoryEnv), 10, 64)
	if err == nil {
		err = confine(memory)
	}
	if err != nil {
		return err
	}
	for kind := byte(frameReady); ; {
		// The runtime is made before the call comes.
		v, err := newVM(prelude, w.wire)
		if err == nil && kind == frameReady {
			if err = w.put(frameReady); err == nil {
				err = w.flush()
			}
		}
		if err == nil {
			kind, err = frameRun, w.serve(v)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

type worker struct {
	*wire
	scripts map[[hashSize]byte]*goja.Program
}

// serve waits for a call and runs it.
func (w *worker) serve(v *vm) error {
	for {
		kind, data, err := w.get()
		if err != nil {
			return err
		}
		switch kind {
		case frameForget:
			clear(w.scripts)
		case frameCode:
			if err := w.learn(data); err != nil {
				return err
			}
		case frameRun:
			var q request
			if err := json.Unmarshal(data, &q); err != nil {
				return err
			}
			args, err := w.expect(frameArgs)
			if err != nil {
				return err
			}
			return w.run(v, q, string(args))
		default:
			return errors.New("a frame that no parent sends")
		}
	}
}

// learn compiles a script, as the function that modules are.
func (w *worker) learn(data []byte) error {
	if len(data) < hashSize {
		return errors.New("a script without a name")
	}
	p, err := compile(string(data[hashSize:]))
	if err == nil {
		w.scripts[[hashSize]byte(data)] = p
	}
	return err
}

// run runs a call and answers.
func (w *worker) run(v *vm, q request, args string) error {
	limit := time.Duration(q.Millis) * time.Millisecond
	var late atomic.Bool
	soft := time.AfterFunc(limit, func() { late.Store(true); v.js.Interrupt(Time) })
	hard := time.AfterFunc(limit+hardly, func() { os.Exit(exitTime) })
	value, err := w.guarded(v, q, args)
	soft.Stop()
	hard.Stop()
	if beyond() {
		os.Exit(exitMemory)
	}
	var host *hostError
	if errors.As(err, &host) {
		return host.err
	}
	o := outcome{Console: v.console}
	switch {
	case late.Load():
		o.Exceeded, value = Time, ""
	case err != nil:
		o.Thrown = thrownBy(v, err)
	case len(value) > q.Output:
		o.Exceeded, value = Output, ""
	}
	head, err := json.Marshal(o)
	if err == nil {
		err = w.put(frameDone, head)
	}
	if err == nil && o.Exceeded == "" && o.Thrown == nil {
		err = w.put(frameValue, []byte(value))
	}
	if err != nil {
		return err
	}
	return w.flush()
}

// guarded is a call whose engine may fail in ways of its own.
func (w *worker) guarded(v *vm, q request, args string) (value string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Thrown{Name: "InternalError", Message: "the engine failed on the script"}
		}
	}()
	script := w.scripts[[hashSize]byte(q.Hash)]
	if script == nil {
		return "", errors.New("a script that was not sent")
	}
	return v.call(script, q.Names, args, q.API)
}

// thrownBy tells of an error as the script's author needs it.
func thrownBy(v *vm, err error) *Thrown {
	var t *Thrown
	var ex *goja.Exception
	var deep *goja.StackOverflowError
	switch {
	case errors.As(err, &t):
		return t
	case errors.As(err, &deep):
		return &Thrown{Name: "RangeError", Message: "functions call one another too deep"}
	case errors.As(err, &ex):
		if errors.As(v.thrown(ex.Value()), &t) {
			return t
		}
	}
	return &Thrown{Name: "Error", Message: head(err.Error(), mostMessage)}
}
