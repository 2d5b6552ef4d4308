package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
)

// A rescan that is due while its pipe has to wait is made when that may run again,
// also by the node that comes after.
func TestRescanThatWaits(t *testing.T) {
	conf := strings.Replace(guarded(`"circuit_breaker_threshold_count": 2`), `"batch_size"`, `"pump": {"rescan_cron_expression": "0 3 * * ?"}, "batch_size"`, 1)
	for _, restarts := range []bool{false, true} {
		inWorld(t, conf, func(t *testing.T, w *world) {
			put(t, w.st, "in", numbered(1, 2, 1), true)
			w.e.Start()
			w.pass(time.Minute)
			put(t, w.st, "out", entities(t, `{"_id": "alien"}`), false)
			put(t, w.st, "in", numbered(3, 5, 1), true)
			w.pass(3 * time.Hour)
			if why := w.why("out"); !strings.Contains(why, "circuit breaker") {
				t.Fatal(why)
			}
			if restarts {
				w.e.Close()
				w.open(conf)
				w.e.Start()
			}
			check(t, w.e.ResolveTrip(t.Context(), "out", true))
			w.pass(time.Hour)
			if got := dump(t, w.st, "out", false); !strings.Contains(got, `{"_id":"alien","_deleted":true}`) {
				t.Errorf("restarts %v: the rescan was forgotten: %s", restarts, got)
			}
		})
	}
}

// One that waits for a slot is not lost when the configuration is taken up anew.
func TestRescanThatIsQueuedSurvivesReload(t *testing.T) {
	conf := `[{"_id": "s", "type": "system:url", "url_pattern": "http://s.example/", "worker_threads": 1},
		{"_id": "long", "type": "pipe", "source": {"type": "probe", "system": "s", "seconds": 100}, "pump": {"mode": "manual"}},
		{"_id": "p", "type": "pipe", "source": {"type": "embedded", "system": "s", "supports_since": true, "entities": [{"_id": "1", "_updated": "1"}]},
		 "pump": {"run_at_startup": true, "schedule_interval": 1000}}]`
	inWorld(t, conf, func(t *testing.T, w *world) {
		w.e.Start()
		w.pass(time.Second)
		put(t, w.st, "p", entities(t, `{"_id": "alien"}`), false)
		check(t, w.e.StartPump("long", false))
		check(t, w.e.StartPump("p", true))
		before := w.e
		before.Close()
		w.openWith(conf, func(o *engine.Options) { o.After = before })
		w.e.Start()
		w.pass(2000 * time.Second)
		if got := dump(t, w.st, "p", false); !strings.Contains(got, `{"_id":"alien","_deleted":true}`) {
			t.Errorf("the rescan was forgotten: %s", got)
		}
	})
}

// A rescan in the background that failed is made again, without a restart.
func TestBackgroundRescanThatFailedIsTriedAgain(t *testing.T) {
	conf := strings.Replace(shaped("3", ``), `["add", "found"`, `["if", ["eq", "_S.n", 3], ["fail!", "three"]], ["add", "found"`, 1)
	inWorld(t, conf, func(t *testing.T, w *world) {
		put(t, w.st, "a", nil, true)
		put(t, w.st, "in", numbered(1, 5, 2), true)
		w.e.Start()
		w.pass(time.Second)
		put(t, w.st, "out", entities(t, `{"_id": "alien"}`), false)
		put(t, w.st, "in", numbered(4, 4, 3), true)
		check(t, w.e.StartPump("out", true))
		w.pass(5 * time.Minute)
		if _, err := w.e.Rescanning("out"); err == nil {
			t.Fatal("the rescan has not failed")
		}
		put(t, w.st, "in", numbered(4, 4, 1), true)
		w.pass(5 * time.Minute)
		if got := dump(t, w.st, "out", false); !strings.Contains(got, `{"_id":"alien","_deleted":true}`) {
			t.Errorf("the rescan was not made again: %s", got)
		}
	})
}

// A rescan where there was nothing to run beside yet was made, and is wanted no more.
func TestBackgroundRescanOfNothing(t *testing.T) {
	st := memory(t)
	put(t, st, "a", nil, true)
	put(t, st, "in", numbered(1, 2, 1), true)
	e := open(t, st, parse(t, shaped("3", "")))
	p, _ := e.Pipe("out")
	check(t, p.SetRescan(t.Context(), true))
	if _, err := p.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wanted, err := p.RescanWanted(t.Context()); wanted || err != nil {
		t.Errorf("it is still wanted: %v", err)
	}
}

// What a rescan in the background has made is in sync with what it was made from: no
// other one follows.
func TestBackgroundRescanBringsInSync(t *testing.T) {
	more := `"rescan_when_config_changes": true, "reprocessing_policy": "%s",`
	for _, policy := range []string{"automatic", "continue"} {
		st := memory(t)
		put(t, st, "a", nil, true)
		put(t, st, "in", numbered(1, 2, 1), true)
		runPipe(t, open(t, st, parse(t, shaped("3", fmt.Sprintf(more, policy)))), false)
		e := open(t, st, parse(t, shaped("2", fmt.Sprintf(more, policy))))
		p, _ := e.Pipe("out")
		if _, err := p.Rescan(t.Context()); err != nil {
			t.Fatal(err)
		}
		stats, err := p.Run(t.Context(), false)
		why, _ := p.OutOfSync(t.Context())
		if err != nil || stats.Rescan || len(why) > 0 {
			t.Errorf("%s: out of sync: %q, a rescan is due: %v: %v", policy, why, stats.Rescan, err)
		}
	}
}
