package enginetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
)

// aClock is a clock on the wall that may be set.
type aClock struct{ off, looks atomic.Int64 }

func (c *aClock) now() time.Time {
	c.looks.Add(1)
	return time.Now().Round(0).Add(time.Duration(c.off.Load()))
}

func (c *aClock) set(by time.Duration) { c.off.Add(int64(by)) }

const clocked = `[{"_id": "often", "type": "pipe", "source": {"type": "probe"}, "pump": {"schedule_interval": 60}},
	{"_id": "hourly", "type": "pipe", "source": {"type": "probe"}, "pump": {"cron_expression": "0 * * * ?"}},
	{"_id": "daily", "type": "pipe", "source": {"type": "probe"}, "pump": {"schedule_interval": 86400}}]`

func inClockedWorld(t *testing.T, f func(w *world, c *aClock)) {
	inWorld(t, clocked, func(t *testing.T, w *world) {
		w.e.Close()
		c := new(aClock)
		w.openWith(clocked, func(o *engine.Options) { o.Now = c.now })
		w.e.Start()
		w.pass(time.Hour + 5*time.Minute)
		f(w, c)
	})
}

// runs counts the runs of a pipe since it was last asked.
func runs(w *world, pipe string, before *int) int {
	n := len(w.p.times(pipe))
	d := n - *before
	*before = n
	return d
}

// A clock that is set back, by minutes or by years, neither stalls pumps nor
// makes them run more often than their schedule says.
func TestClockSetBack(t *testing.T) {
	backs := []time.Duration{time.Second, 10 * time.Minute, 5 * time.Hour, 40000 * time.Hour}
	if testing.Short() {
		backs = backs[3:]
	}
	for _, back := range backs {
		inClockedWorld(t, func(w *world, c *aClock) {
			var often, hourly, daily int
			runs(w, "often", &often)
			runs(w, "hourly", &hourly)
			runs(w, "daily", &daily)
			c.set(-back)
			looked := c.looks.Load()
			w.pass(3 * time.Hour)
			if n := runs(w, "often", &often); n < 170 || n > 192 {
				t.Errorf("set back by %s: a pump of every minute ran %d times in three hours", back, n)
			}
			if n := runs(w, "hourly", &hourly); n < 2 || n > 4 {
				t.Errorf("set back by %s: a pump of every hour ran %d times in three hours", back, n)
			}
			if n := c.looks.Load() - looked; n > 5000 {
				t.Errorf("set back by %s: the clock was looked at %d times", back, n)
			}
			w.pass(24 * time.Hour)
			if n := runs(w, "daily", &daily); n < 1 || n > 2 {
				t.Errorf("set back by %s: a pump of every day ran %d times in 27 hours", back, n)
			}
		})
	}
}

// A clock that is set forward makes everything due that became due meanwhile,
// once.
func TestClockSetForward(t *testing.T) {
	inClockedWorld(t, func(w *world, c *aClock) {
		var often, hourly, daily int
		runs(w, "often", &often)
		runs(w, "hourly", &hourly)
		runs(w, "daily", &daily)
		c.set(48 * time.Hour)
		w.pass(40 * time.Second)
		for pipe, before := range map[string]*int{"often": &often, "hourly": &hourly, "daily": &daily} {
			if n := runs(w, pipe, before); n != 1 {
				t.Errorf("%s ran %d times after the clock went two days forward", pipe, n)
			}
		}
	})
}

// A due time that was remembered by a clock that went wrong is not waited for.
func TestRememberedDueIsBounded(t *testing.T) {
	inClockedWorld(t, func(w *world, c *aClock) {
		c.set(20000 * time.Hour)
		w.pass(time.Hour)
		w.e.Close()
		c.set(-20000 * time.Hour)
		var hourly, daily int
		runs(w, "hourly", &hourly)
		runs(w, "daily", &daily)
		w.openWith(clocked, func(o *engine.Options) { o.Now = c.now })
		w.e.Start()
		w.pass(26 * time.Hour)
		if n := runs(w, "hourly", &hourly); n < 25 {
			t.Errorf("the pump of every hour ran %d times in 26 hours", n)
		}
		if n := runs(w, "daily", &daily); n != 1 {
			t.Errorf("the pump of every day ran %d times in 26 hours", n)
		}
	})
}
