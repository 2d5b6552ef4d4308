package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
)

func (w *world) reason(pipe string) engine.Reason {
	w.t.Helper()
	s, err := w.e.Status(w.t.Context(), pipe)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Why
}

func (w *world) wantWhy(pipe string, code engine.ReasonCode, text string) {
	w.t.Helper()
	if r := w.reason(pipe); r.Code != code || r.Text != text {
		w.t.Errorf("%s: %s %q, want %s %q", pipe, r.Code, r.Text, code, text)
	}
}

// Who switched a pump off, and how it failed, is known after a restart.
func TestReasonsSurviveRestart(t *testing.T) {
	conf := `[{"_id": "off", "type": "pipe", "source": {"type": "probe"}},
		{"_id": "bad", "type": "pipe", "source": {"type": "probe", "fails": 1000}, "pump": {"cron_expression": "0 0 * * ?"}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		if err := w.e.SetEnabled(t.Context(), "off", false, engine.Switch{By: "ann", Comment: "moving house"}); err != nil {
			t.Fatal(err)
		}
		if err := w.e.StartPump("bad", false); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		const off = `it is disabled by ann since 2000-01-01T00:00:00Z: "moving house"`
		const bad = `it failed at 2000-01-01T00:00:00Z: reading: context deadline exceeded, and is due at 2000-01-02T00:00:00Z`
		w.wantWhy("off", engine.Disabled, off)
		w.wantWhy("bad", engine.Failed, bad)
		w.e.Close()
		w.open(conf)
		w.e.Start()
		w.pass(time.Second)
		w.wantWhy("off", engine.Disabled, off)
		w.wantWhy("bad", engine.Failed, bad)
		all, err := engine.Explain(t.Context(), engine.Options{Config: parse(t, conf), Store: w.st, Sets: w.p.in(sets(t))}, "bad", "off")
		if err != nil || all[0].Why.Text != "no node is running; "+bad || all[1].Why.Text != "no node is running; "+off {
			t.Errorf("%v %+v", err, all)
		}
		if err := w.e.SetEnabled(t.Context(), "off", true, engine.Switch{}); err != nil {
			t.Fatal(err)
		}
		if r := w.reason("off"); r.Code != engine.Due {
			t.Errorf("after it was enabled: %+v", r)
		}
		w.pass(time.Hour)
		if len(w.p.times("off")) < 3 {
			t.Error("it does not run after it was enabled")
		}
	})
}

// A failure is over when a run has come to its end, also one that had nothing
// to do, and also for those who ask the folder later.
func TestFailureIsOver(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "probe", "fails": 1, "batches": 0}, "pump": {"run_at_startup": true, "schedule_interval": 60}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		ask := func() engine.Reason {
			all, err := engine.Explain(t.Context(), engine.Options{Config: parse(t, conf), Store: w.st, Sets: w.p.in(sets(t))})
			if err != nil {
				t.Fatal(err)
			}
			return all[0].Why
		}
		w.e.Start()
		w.pass(time.Second)
		if r := ask(); r.Code != engine.Failed {
			t.Errorf("after a failure: %+v", r)
		}
		w.pass(70 * time.Second)
		if r := ask(); r.Code != engine.NotServed || r.Text != "no node is running; it is due after the next start" {
			t.Errorf("after a run without a failure: %+v", r)
		}
	})
}

// A pipe that somebody stops says so, and runs again when it is due.
func TestReasonStopped(t *testing.T) {
	conf := `[{"_id": "p", "type": "pipe", "source": {"type": "probe", "seconds": 1, "batches": 100}, "pump": {"run_at_startup": true, "schedule_interval": 60}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(2 * time.Second)
		w.wantWhy("p", engine.Running, "")
		if err := w.e.StopPump("p"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if r := w.reason("p"); r.Code != engine.Failed || !strings.HasPrefix(r.Text, "it failed at 2000-01-01T00:00:03Z: it was stopped by hand, and is due at ") {
			t.Errorf("%+v", r)
		}
		w.pass(70 * time.Second)
		w.wantWhy("p", engine.Running, "")
	})
}

// The node's metadata may leave all starting to people.
func TestSchedulerOff(t *testing.T) {
	for _, key := range []string{"disable_pump_scheduler", "disable_user_pipes"} {
		conf := fmt.Sprintf(`[{"_id": "p", "type": "pipe", "source": {"type": "probe"}, "pump": {"run_at_startup": true}},
			{"_id": "node", "type": "metadata", "task_manager": {%q: true}}]`, key)
		inWorld(t, conf, func(t *testing.T, w *world) {
			w.e.Start()
			w.pass(time.Hour)
			w.want("p")
			if r := w.reason("p"); r.Code != engine.SchedulerOff {
				t.Errorf("%+v", r)
			}
			if err := w.e.StartPump("p", false); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Hour)
			w.want("p", 3600)
		})
	}
}

// A pump that waits for a slot is started by hand, stopped and disabled as any
// other.
func TestOperateInQueue(t *testing.T) {
	conf := `[{"_id": "long", "type": "pipe", "source": {"type": "probe", "system": "s", "seconds": 100}, "pump": {"run_at_startup": true, "schedule_interval": 1000}},
		{"_id": "q", "type": "pipe", "source": {"type": "probe", "system": "s"}, "pump": {"mode": "manual"}},
		{"_id": "r", "type": "pipe", "source": {"type": "probe", "system": "s"}, "pump": {"run_at_startup": true, "schedule_interval": 10}},
		{"_id": "s", "type": "system:url", "url_pattern": "http://s.example/", "worker_threads": 1}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		for range 3 {
			if err := w.e.StartPump("q", false); err != nil {
				t.Fatal(err)
			}
		}
		w.wantWhy("r", engine.WaitsForSlot, `it waits for a slot: the one worker thread of system "s" is taken by long; 0 before it`)
		w.wantWhy("q", engine.WaitsForSlot, `it waits for a slot: the one worker thread of system "s" is taken by long; 1 before it`)
		if err := w.e.SetEnabled(t.Context(), "r", false, engine.Switch{}); err != nil {
			t.Fatal(err)
		}
		w.wantWhy("r", engine.Disabled, "it is disabled since 2000-01-01T00:00:01Z")
		if err := w.e.StopPump("q"); err != nil {
			t.Fatal(err)
		}
		if r := w.reason("q"); r.Code != engine.ModeOff {
			t.Errorf("%+v", r)
		}
		if err := w.e.SetEnabled(t.Context(), "q", false, engine.Switch{}); err != nil {
			t.Fatal(err)
		}
		if err := w.e.StartPump("q", false); err != nil { // a disabled pump may be started by hand
			t.Fatal(err)
		}
		w.pass(110 * time.Second)
		w.want("q", 100)
		w.want("r")
		if err := w.e.SetEnabled(t.Context(), "r", true, engine.Switch{}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.want("r", 111)
	})
}
