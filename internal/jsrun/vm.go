package jsrun

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

//go:embed prelude.js
var preludeText string

// mostDepth bounds how deep functions of a script call one another.
const mostDepth = 2048

const (
	// mostLines and mostLine bound what a call may write to the console.
	mostLines = 100
	mostLine  = 2000
	// mostAsked bounds the questions that a call may ask.
	mostAsked = 100
	// mostMessage bounds what is told of an error.
	mostMessage = 2000
)

// vm is a runtime for one call.
type vm struct {
	js      *goja.Runtime
	run     goja.Callable // of prelude.js
	console []Line
	w       *wire
	asked   uint32
	open    map[uint32]answers // questions without an answer yet
}

type answers struct{ resolve, reject func(any) error }

func newVM(prelude *goja.Program, w *wire) (*vm, error) {
	v := &vm{js: goja.New(), w: w, open: map[uint32]answers{}}
	v.js.SetMaxCallStackSize(mostDepth)
	made, err := v.js.RunProgram(prelude)
	if err != nil {
		return nil, err
	}
	begin, _ := goja.AssertFunction(made)
	native := v.js.NewObject()
	for name, f := range v.natives() {
		if err := native.Set(name, v.native(f)); err != nil {
			return nil, err
		}
	}
	run, err := begin(goja.Undefined(), native)
	if err != nil {
		return nil, err
	}
	v.run, _ = goja.AssertFunction(run)
	return v, nil
}

func (v *vm) log(c goja.FunctionCall) {
	switch n := len(v.console); {
	case n < mostLines:
		v.console = append(v.console, Line{c.Argument(0).String(), head(c.Argument(1).String(), mostLine)})
	case n == mostLines:
		v.console = append(v.console, Line{"warn", "the console is full"})
	}
}

// head is the beginning of a text.
func head(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// ask sends a question to the host and returns the promise of an answer.
func (v *vm) ask(question string) (goja.Value, error) {
	if v.asked++; v.asked > mostAsked {
		return nil, fmt.Errorf("a call may make %d requests at most", mostAsked)
	}
	var id [4]byte
	binary.BigEndian.PutUint32(id[:], v.asked)
	err := v.w.put(frameAsk, id[:], []byte(question))
	if err == nil {
		err = v.w.flush()
	}
	if err != nil {
		return nil, err
	}
	p, resolve, reject := v.js.NewPromise()
	v.open[v.asked] = answers{resolve, reject}
	return v.js.ToValue(p), nil
}

// answered waits for an answer, and has the script go on with it.
func (v *vm) answered() error {
	data, err := v.w.expect(frameReply)
	if err != nil {
		return &hostError{err}
	}
	if len(data) < 4 {
		return &hostError{errors.New("an answer without a number")}
	}
	id := binary.BigEndian.Uint32(data)
	to, ok := v.open[id]
	if !ok {
		return &hostError{fmt.Errorf("an answer to no question: %d", id)}
	}
	delete(v.open, id)
	return to.resolve(string(data[4:]))
}

// hostError is a parent that does not keep to the protocol, or is gone.
type hostError struct{ err error }

func (e *hostError) Error() string { return e.err.Error() }

// call runs a script and the function it exports. The result is JSON.
func (v *vm) call(script *goja.Program, names []string, args string, api bool) (string, error) {
	f, err := v.js.RunProgram(script)
	if err != nil {
		return "", err
	}
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	out, err := v.run(goja.Undefined(), f, v.js.NewArray(list...), v.js.ToValue(args), v.js.ToValue(api))
	if err != nil {
		return "", err
	}
	p, ok := out.Export().(*goja.Promise)
	for ok && p.State() == goja.PromiseStatePending {
		if len(v.open) == 0 {
			return "", &Thrown{Name: "Error", Message: "the function waits for a promise that nothing will settle"}
		}
		if err := v.answered(); err != nil {
			return "", err
		}
	}
	if !ok || p.State() == goja.PromiseStateRejected {
		return "", v.thrown(p.Result())
	}
	return p.Result().String(), nil
}

// thrown reads what a script has thrown, which may be anything.
func (v *vm) thrown(value goja.Value) error {
	t := &Thrown{Name: "Error"}
	err := v.js.Try(func() {
		o, ok := value.(*goja.Object)
		if !ok {
			t.Message = head(value.String(), mostMessage)
			return
		}
		if name := o.Get("name"); name != nil && !goja.IsUndefined(name) {
			t.Name = head(name.String(), 100)
		}
		if msg := o.Get("message"); msg != nil && !goja.IsUndefined(msg) {
			t.Message = head(msg.String(), mostMessage)
		}
		if stack := o.Get("stack"); stack != nil && !goja.IsUndefined(stack) {
			t.Where = place(stack.String())
		}
	})
	if err != nil && t.Message == "" {
		t.Message = "something that cannot be read was thrown"
	}
	return t
}

// place finds the first line of a stack that stands in a script's file.
func place(stack string) string {
	for line := range strings.Lines(head(stack, 1<<16)) {
		_, at, ok := strings.Cut(strings.TrimSpace(line), "at ")
		if !ok {
			continue
		}
		if _, inner, found := strings.Cut(at, " ("); found {
			at = inner
		}
		at, _, _ = strings.Cut(at, "(")
		if strings.HasPrefix(at, scriptRoot) {
			return strings.TrimPrefix(at, scriptRoot)
		}
	}
	return ""
}
