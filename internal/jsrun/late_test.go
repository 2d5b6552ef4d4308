package jsrun

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"
)

// A worker whose answer comes when it was to be ended is not used any more: it may be
// ending, and the next call would be blamed for that.
func TestAnsweredTooLate(t *testing.T) {
	for took, spent := range map[time.Duration]bool{time.Second: false, time.Second + 3*hardly: true} {
		synctest.Test(t, func(t *testing.T) {
			nobody, err := os.FindProcess(1 << 30) // there are not so many
			if err != nil {
				t.Fatal(err)
			}
			in, toWorker := io.Pipe()
			fromWorker, out := io.Pipe()
			w := &process{wire: newWire(fromWorker, toWorker), cmd: &exec.Cmd{Process: nobody}, sent: map[[hashSize]byte]bool{}}
			go func() {
				worker := newWire(in, out)
				for range 3 { // the script, the request and its argument
					if _, _, err := worker.get(); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(took)
				done, err := json.Marshal(outcome{})
				if err = errors.Join(err, worker.put(frameDone, done), worker.put(frameValue, []byte("42")), worker.flush()); err != nil {
					t.Error(err)
				}
			}()
			r, err := w.call(t.Context(), Options{}, Call{Time: time.Second, Args: []byte("{}")}, [hashSize]byte{})
			if err != nil || string(r.Value) != "42" || w.spent != spent {
				t.Errorf("after %s: %s %v, spent %v", took, r.Value, err, w.spent)
			}
		})
	}
}

// Nor is one that a script kept for all its time.
func TestLateWorkerIsNotUsed(t *testing.T) {
	p := NewPool(Options{Workers: 1, Time: time.Minute})
	defer p.Close()
	var e *ExceededError
	_, err := p.Call(t.Context(), Call{For: "a", Script: `(function(module, exports) { exports.default = () => { for (;;) {} } })`, Args: []byte("{}"), Time: 100 * time.Millisecond})
	if !errors.As(err, &e) || e.What != Time {
		t.Fatal(err)
	}
	w, err := p.take(t.Context(), "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.end()
	if w.calls > 0 {
		t.Error("the worker of a call that was ended is used again")
	}
}
