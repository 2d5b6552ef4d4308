package enginetest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// world is a node whose time passes at the test's word.
type world struct {
	t  *testing.T
	p  *probe
	st *local.Store
	e  *engine.Engine
}

// inWorld runs f with a node of the configuration, which is not started yet.
func inWorld(t *testing.T, conf string, f func(t *testing.T, w *world)) {
	t.Helper()
	sets(t) // the library is made outside, where time is nobody's concern
	synctest.Test(t, func(t *testing.T) {
		st, err := local.Open("mem", local.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, p: newProbe(), st: st}
		w.open(conf)
		f(t, w)
		w.e.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) open(conf string) { w.openWith(conf, func(*engine.Options) {}) }

func (w *world) openOn(conf string, st store.Store) {
	w.openWith(conf, func(o *engine.Options) { o.Store = st })
}

func (w *world) openWith(conf string, set func(o *engine.Options)) {
	w.t.Helper()
	o := engine.Options{Config: parse(w.t, conf), Store: w.st, Sets: w.p.in(sets(w.t))}
	set(&o)
	e, err := engine.Open(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.e = e
}

// pass lets time pass until everything that follows has happened.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) want(pipe string, times ...int) {
	w.t.Helper()
	if got := w.p.times(pipe); !equal(got, times...) {
		w.t.Errorf("%s was read at %v, want %v", pipe, got, times)
	}
}

func (w *world) why(pipe string) string {
	w.t.Helper()
	s, err := w.e.Status(w.t.Context(), pipe)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Why.Text
}

func TestCron(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "probe"}, "pump": {"cron_expression": "0/30 * * * ?"}},
		{"_id": "past", "type": "pipe", "source": {"type": "probe"}, "pump": {"cron_expression": "0 0 1 1 ? 1999"}}]`, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Hour + time.Second)
		w.want("p", 1800, 3600)
		w.want("past")
		if why := w.why("past"); why != "it is not scheduled" {
			t.Error(why)
		}
	})
}

func TestStartup(t *testing.T) {
	conf := `[{"_id": "always", "type": "pipe", "source": {"type": "probe"}, "pump": {"run_at_startup": true}},
		{"_id": "once", "type": "pipe", "source": {"type": "probe"}, "sink": {"set_initial_offset": "onload"},
		 "pump": {"run_at_startup_if_not_populated": true}},
		{"_id": "manual", "type": "pipe", "source": {"type": "probe"}, "pump": {"mode": "manual", "run_at_startup_if_not_populated": true}},
		{"_id": "plain", "type": "pipe", "source": {"type": "probe"}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		w.want("always", 0)
		w.want("once", 0)
		w.want("manual")
		w.want("plain")
		w.e.Close()
		w.open(conf)
		w.e.Start()
		w.pass(time.Second)
		w.want("always", 0, 1)
		w.want("once", 0)
	})
}

// What is longer than clocks can count is never, not at once.
func TestScheduleOfCenturies(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "probe"}, "pump": {"schedule_interval": 9999999999, "run_at_startup": true}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Hour)
		w.want("p", 0)
	})
}

// A run that failed has not completed: the pipe runs at the next start.
func TestStartupAfterFailure(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "probe", "fails": 1}, "pump": {"run_at_startup_if_not_populated": true}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		w.e.Close()
		for range 2 {
			w.open(conf)
			w.e.Start()
			w.pass(time.Second)
			w.e.Close()
		}
		w.want("p", 0, 1)
	})
}

func TestReadRetries(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "probe", "fails": 2}, "pump": {"max_read_retries": 2, "read_retry_delay": 5}}]`,
		func(t *testing.T, w *world) {
			results, err := w.e.RunAll(w.t.Context(), nil, nil)
			if err != nil || results[0].Err != nil {
				t.Errorf("%+v %v", results, err)
			}
			w.want("p", 0, 5, 10)
		})
}

func TestRescanCron(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"},
		"pump": {"rescan_cron_expression": "0 3 * * ?", "schedule_interval": 3600}}]`, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `{"_id": "1"}`), false)
		w.e.Start()
		w.pass(2*time.Hour + time.Minute)
		put(t, w.st, "p", entities(t, `{"_id": "alien"}`), false)
		w.pass(58 * time.Minute)
		if got := dump(t, w.st, "p", false); strings.Contains(got, "_deleted") {
			t.Errorf("deleted before the rescan: %s", got)
		}
		w.pass(2 * time.Minute)
		if got := dump(t, w.st, "p", false); !strings.Contains(got, `{"_id":"alien","_deleted":true}`) {
			t.Errorf("the rescan at three has not deleted: %s", got)
		}
	})
}

func TestSignals(t *testing.T) {
	inWorld(t, `[{"_id": "b", "type": "pipe", "source": {"type": "dataset", "dataset": "a"}},
		{"_id": "c", "type": "pipe", "source": {"type": "dataset", "dataset": "b"}},
		{"_id": "slow", "type": "pipe", "source": {"type": "dataset", "dataset": "a"}, "pump": {"schedule_interval": 600}},
		{"_id": "asked", "type": "pipe", "source": {"type": "dataset", "dataset": "a", "supports_signalling": true}, "pump": {"schedule_interval": 600}},
		{"_id": "deaf", "type": "pipe", "source": {"type": "dataset", "dataset": "a", "supports_signalling": false}, "pump": {"cron_expression": "0 0 1 1 ?"}}]`,
		func(t *testing.T, w *world) {
			w.e.Start()
			w.pass(time.Second)
			put(t, w.st, "a", entities(t, `{"_id": "1"}`), false)
			w.pass(time.Millisecond)
			for pipe, want := range map[string]string{"b": "{\"_id\":\"1\"}\n", "c": "{\"_id\":\"1\"}\n", "asked": "{\"_id\":\"1\"}\n", "slow": "", "deaf": ""} {
				if got := dump(t, w.st, pipe, false); got != want {
					t.Errorf("%s holds %q, want %q", pipe, got, want)
				}
			}
			w.pass(11 * time.Minute)
			if got := dump(t, w.st, "slow", false); got == "" {
				t.Error("the schedule did not make up for the signal")
			}
		})
}

// A signal does not interrupt a run, but is not lost either.
func TestSignalDuringRun(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "nap", "seconds": 5}}]`,
		func(t *testing.T, w *world) {
			put(t, w.st, "in", entities(t, `{"_id": "1"}`), false)
			w.e.Start()
			w.pass(time.Second)
			put(t, w.st, "in", entities(t, `{"_id": "2"}`), false)
			w.pass(10 * time.Second)
			if got := dump(t, w.st, "p", false); got != "{\"_id\":\"1\"}\n{\"_id\":\"2\"}\n" {
				t.Errorf("stored after 11 seconds: %q", got)
			}
		})
}

// A batch in hand is finished when the node closes, but not for ever.
func TestCloseFinishesBatch(t *testing.T) {
	for seconds, want := range map[float64]string{8: "{\"_id\":\"1\"}\n", 60: ""} {
		conf := fmt.Sprintf(`[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "transform": {"type": "nap", "seconds": %g}}]`, seconds)
		inWorld(t, conf, func(t *testing.T, w *world) {
			put(t, w.st, "in", entities(t, `{"_id": "1"}`), false)
			w.e.Start()
			w.pass(time.Second)
			begun := time.Now()
			w.e.Close()
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("closing took %s", took)
			}
			if got := dump(t, w.st, "p", false); got != want {
				t.Errorf("with %g seconds a batch, stored is %q", seconds, got)
			}
		})
	}
}

func TestWaitingIsSignalled(t *testing.T) {
	inWorld(t, `[{"_id": "p", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "pump": {"schedule_interval": 1},
		"transform": {"type": "dtl", "rules": {"default": [["add", "x", ["hops", {"datasets": ["names n"], "where": [["eq", "_S._id", "n._id"]], "track-dependencies": false}]]]}}},
		{"_id": "rare", "type": "pipe", "source": {"type": "dataset", "dataset": "in", "require_populated_input": true}}]`, func(t *testing.T, w *world) {
		put(t, w.st, "in", entities(t, `{"_id": "1"}`), false)
		w.e.Start()
		w.pass(1500 * time.Millisecond)
		if why := w.why("p"); why != `it waits for dataset "names", which does not exist yet; no pipe writes it` {
			t.Error(why)
		}
		if why := w.why("rare"); why != `it waits for dataset "in" to be populated; no pipe writes it` {
			t.Error(why)
		}
		put(t, w.st, "names", nil, true)
		put(t, w.st, "in", nil, true)
		w.pass(time.Millisecond)
		if dump(t, w.st, "p", false) == "" || dump(t, w.st, "rare", false) == "" {
			t.Errorf("still waiting: %s, %s", w.why("p"), w.why("rare"))
		}
	})
}

// A thousand pipes need few goroutines, however many are idle.
func TestManyPipes(t *testing.T) {
	var b strings.Builder
	b.WriteString("[")
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"_id": "p%d", "type": "pipe", "source": {"type": "probe", "seconds": 1}, "pump": {"schedule_interval": 60}}`, i)
	}
	inWorld(t, b.String()+"]", func(t *testing.T, w *world) {
		before := runtime.NumGoroutine()
		w.e.Start()
		w.pass(60500 * time.Millisecond)
		if now := runtime.NumGoroutine(); now > before+60 {
			t.Errorf("%d goroutines more", now-before)
		}
		if _, most := w.p.counts(); most != 50 {
			t.Errorf("%d ran at once", most)
		}
		w.pass(25 * time.Second)
		if got, _ := w.p.counts(); got != 1000 {
			t.Errorf("%d of 1000 pipes have run", got)
		}
	})
}
