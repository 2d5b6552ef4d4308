package enginetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
)

// pipeList writes a configuration of n pipes; each is made of its number.
func pipeList(n int, format string, more ...string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return "[" + strings.Join(append(all, more...), ",") + "]"
}

// Pipes of a system have its worker_threads, and nobody else is held up.
func TestSlotsOfSystem(t *testing.T) {
	conf := pipeList(40, `{"_id": "s%d", "type": "pipe", "source": {"type": "probe", "system": "crm", "seconds": 10}, "pump": {"schedule_interval": 30}}`,
		`{"_id": "crm", "type": "system:url", "url_pattern": "http://crm.example/%s", "worker_threads": 3}`,
		`{"_id": "free", "type": "pipe", "source": {"type": "probe", "seconds": 1}, "pump": {"schedule_interval": 30}}`)
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(35 * time.Second)
		if n := w.p.runningOn("crm"); n != 3 {
			t.Errorf("%d pipes use the system at once", n)
		}
		if got := w.p.times("free"); len(got) != 1 {
			t.Errorf("the pipe of no system was read at %v", got)
		}
		waits := 0
		for i := range 40 {
			why := w.why(fmt.Sprintf("s%d", i))
			if strings.Contains(why, `waits for a slot: all 3 worker_threads of system "crm" are taken by s`) {
				waits++
			}
		}
		if waits != 37 {
			t.Errorf("%d pipes say that they wait for a slot", waits)
		}
		w.pass(150 * time.Second)
		if got := w.p.mostOn("crm"); got != 3 {
			t.Errorf("%d pipes used the system at once", got)
		}
		if got, _ := w.p.counts(); got != 41 {
			t.Errorf("%d of 41 pipes have run", got)
		}
	})
}

// A pipe that is always due does not keep others from running: of one slot
// everybody gets a share.
func TestBusyPipeStarvesNobody(t *testing.T) {
	conf := pipeList(10, `{"_id": "p%d", "type": "pipe", "source": {"type": "probe", "system": "crm", "seconds": 1}, "pump": {"schedule_interval": 1}}`,
		`{"_id": "busy", "type": "pipe", "source": {"type": "probe", "system": "crm", "seconds": 1}, "pump": {"schedule_interval": 0}}`,
		`{"_id": "crm", "type": "system:url", "url_pattern": "http://crm.example/%s", "worker_threads": 1}`)
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(112 * time.Second)
		busy := len(w.p.times("busy"))
		for i := range 10 {
			if n := len(w.p.times(fmt.Sprintf("p%d", i))); n < 9 || n > 11 || busy > 12 {
				t.Errorf("p%d ran %d times, busy %d times", i, n, busy)
			}
		}
	})
}

// All systems together have a limit, of which each pipe gets its share, and
// pipes of no system do not feel it.
func TestSlotsOfAllSystems(t *testing.T) {
	var more []string
	for i := range 10 {
		more = append(more, fmt.Sprintf(`{"_id": "sys%d", "type": "system:url", "url_pattern": "http://s.example/%%s"}`, i))
	}
	more = append(more, `{"_id": "big", "type": "system:url", "url_pattern": "http://s.example/%s", "worker_threads": 500}`)
	more = append(more, `{"_id": "free", "type": "pipe", "source": {"type": "probe"}, "pump": {"schedule_interval": 1}}`)
	conf := "[" + strings.Join(more, ",")
	for i := range 1000 {
		system := "big"
		if i < 100 {
			system = fmt.Sprintf("sys%d", i/10)
		}
		conf += fmt.Sprintf(`,{"_id": "p%d", "type": "pipe", "source": {"type": "probe", "system": %q, "seconds": 10}, "pump": {"schedule_interval": 0.1}}`, i, system)
	}
	inWorld(t, conf+"]", func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(5 * time.Second)
		if w.p.runningOn("big") > 200 {
			t.Errorf("%d pipes use one system", w.p.runningOn("big"))
		}
		w.pass(196 * time.Second)
		if _, most := w.p.counts(); most != 200 && most != 201 {
			t.Errorf("%d pipes ran at once", most)
		}
		if n := len(w.p.times("free")); n < 190 {
			t.Errorf("the pipe of no system ran %d times in 200 seconds", n)
		}
		for i := range 1000 {
			if n := len(w.p.times(fmt.Sprintf("p%d", i))); n < 3 || n > 5 {
				t.Errorf("p%d ran %d times", i, n)
			}
		}
	})
}

// An interval of nothing is a short one.
func TestIntervalOfNothing(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "probe"}, "pump": {"schedule_interval": 0}}]`, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(10 * time.Second)
		if n := len(w.p.times("p")); n < 90 || n > 106 {
			t.Errorf("the pump ran %d times in ten seconds", n)
		}
	})
}

// A pipe that is signalled all the time waits its turn like others, and its
// signals are one.
func TestSignalsAreOne(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "nap", "seconds": 5}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `{"_id": "first"}`), false)
		w.e.Start()
		w.pass(time.Second)
		for i := range 200 {
			put(t, w.st, "in", entities(t, fmt.Sprintf(`{"_id": "%d"}`, i)), false)
			w.pass(10 * time.Millisecond)
		}
		w.pass(15 * time.Second)
		if got := strings.Count(dump(t, w.st, "system:pump:p", true), `"pump-completed"`) / 2; got != 2 {
			t.Errorf("%d runs for 200 signals during the first", got)
		}
		if got := strings.Count(dump(t, w.st, "p", false), "\n"); got != 201 {
			t.Errorf("%d entities arrived", got)
		}
	})
}

// lookedAt is a store that counts how often a dataset is asked about.
type lookedAt struct {
	store.Store
	mu    sync.Mutex
	looks map[string]int
	after func(dataset string, nth int) // called before the answer is given
}

func (l *lookedAt) Info(ctx context.Context, dataset string) (store.Info, error) {
	l.mu.Lock()
	l.looks[dataset]++
	nth := l.looks[dataset]
	l.mu.Unlock()
	info, err := l.Store.Info(ctx, dataset)
	if l.after != nil {
		l.after(dataset, nth)
	}
	return info, err
}

func (l *lookedAt) count(dataset string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.looks[dataset]
}

// A pipe that waits for a dataset is woken by that dataset alone.
func TestWokenByItsDatasetOnly(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in", "supports_signalling": false}, "pump": {"schedule_interval": 86400},
		"transform": {"type": "dtl", "rules": {"default": [["add", "x", ["hops", {"datasets": ["names n"], "where": [["eq", "_S._id", "n._id"]], "track-dependencies": false}]]]}}},
		{"_id": "other", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Close()
		look := &lookedAt{Store: w.st, looks: map[string]int{}}
		w.openOn(conf, look)
		put(t, w.st, "in", entities(t, `{"_id": "1"}`), true)
		w.e.Start()
		if err := w.e.StartPump("p", false); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		before := look.count("names")
		for i := range 100 {
			put(t, w.st, "in", entities(t, fmt.Sprintf(`{"_id": "%d"}`, i)), false)
			w.pass(time.Millisecond)
		}
		if n := look.count("names") - before; n != 0 {
			t.Errorf("changes of another dataset made the pipe look %d times", n)
		}
		put(t, w.st, "names", nil, true)
		w.pass(time.Millisecond)
		if dump(t, w.st, "p", false) == "" {
			t.Errorf("not woken by its dataset: %s", w.why("p"))
		}
	})
}

// A dataset that changes while a pipe looks at it, just too late to be seen,
// wakes the pipe none the less.
func TestWokenByChangeWhileLooking(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in", "require_populated_input": true, "supports_signalling": false},
		"pump": {"schedule_interval": 86400}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Close()
		look := &lookedAt{Store: w.st, looks: map[string]int{}}
		w.openOn(conf, look)
		put(t, w.st, "in", entities(t, `{"_id": "1"}`), false)
		look.after = func(dataset string, nth int) {
			if dataset == "in" && nth == 1 {
				put(t, w.st, "in", nil, true)
				time.Sleep(time.Second) // the change is heard of meanwhile
			}
		}
		w.e.Start()
		if err := w.e.StartPump("p", false); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Second)
		if dump(t, w.st, "p", false) == "" {
			t.Errorf("not woken: %s", w.why("p"))
		}
	})
}

// Thousands of pipes cost the scheduler nothing while nothing is due, and each
// has its turn.
func TestThousandsOfPipes(t *testing.T) {
	pipes := 5000
	if testing.Short() {
		pipes = 500
	}
	conf := pipeList(pipes, `{"_id": "p%d", "type": "pipe", "source": {"type": "probe"}, "pump": {"schedule_interval": 36000}}`)
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Close()
		var looks atomic.Int64
		w.openWith(conf, func(o *engine.Options) {
			o.Now = func() time.Time { looks.Add(1); return time.Now() }
		})
		before := runtime.NumGoroutine()
		w.e.Start()
		w.pass(time.Second)
		start := looks.Load()
		w.pass(time.Hour)
		if n := looks.Load() - start; n > 121 {
			t.Errorf("the scheduler looked at the clock %d times in an idle hour", n)
		}
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("%d idle pipes need %d goroutines", pipes, n)
		}
		w.pass(10 * time.Hour)
		if got, _ := w.p.counts(); got != pipes {
			t.Errorf("%d of %d pipes have run", got, pipes)
		}
	})
}

// Closing is prompt however many pipes run, are queued and are due.
func TestCloseWithManyPipes(t *testing.T) {
	conf := pipeList(1000, `{"_id": "p%d", "type": "pipe", "source": {"type": "probe", "seconds": 3, "batches": 20}, "pump": {"run_at_startup": true}}`)
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		begun := time.Now()
		w.e.Close()
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("closing took %s, a batch takes three seconds", took)
		}
		if got, _ := w.p.counts(); got > 60 {
			t.Errorf("%d pipes ran: closing started those that waited", got)
		}
		if err := w.e.StartPump("p999", false); err == nil {
			if why := w.why("p999"); why != "it does not start because the node is shutting down" {
				t.Error(why)
			}
		}
	})
}
