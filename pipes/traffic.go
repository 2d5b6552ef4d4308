package pipes

import (
	"context"
	"sync/atomic"
	"time"
)

// Traffic is how much is being posted to a node. Whoever posts waits for an
// answer, and gives up after some time; pumps read what was taken in later just
// as well. So pumps step aside while much comes at once, without ever standing
// still.
type Traffic struct{ inside, entered atomic.Int64 }

const (
	// muchTraffic is how many requests are being stored at once when pumps
	// begin to step aside, and how many come between two looks while they go on to.
	// A flush takes in as many with ease.
	muchTraffic = 8
	// leastAside and mostAside bound how long a pump steps aside before it reads a
	// batch: asideShare times as long as it has worked since it did so last. What pumps
	// do meanwhile therefore takes a fifth of their time, whatever a batch takes. One
	// that may take several batches at once is as well off with fewer: leastAtOnce.
	leastAside  = 10 * time.Millisecond
	leastAtOnce = 30 * time.Millisecond
	mostAside   = 100 * time.Millisecond
	asideShare  = 4
	look        = 2 * time.Millisecond
)

// turns is when a pump has stepped aside last.
type turns struct{ last time.Time }

// take lets requests go first, for so long at least if they do not end.
func (t *turns) take(ctx context.Context, env *Env, least time.Duration) {
	if env.Traffic == nil {
		return
	}
	worked := time.Duration(0)
	if !t.last.IsZero() {
		worked = env.Now().Sub(t.last)
	}
	env.Traffic.yield(ctx, min(max(least, asideShare*worked), mostAside), env.Sleep)
	t.last = env.Now()
}

func (t *Traffic) enter() {
	if t != nil {
		t.inside.Add(1)
		t.entered.Add(1)
	}
}

func (t *Traffic) leave() {
	if t != nil {
		t.inside.Add(-1)
	}
}

// yield waits while much is being stored, for most at most. It ends early with the
// context; the batch will find out.
func (t *Traffic) yield(ctx context.Context, most time.Duration, sleep func(context.Context, time.Duration) error) {
	much := t.inside.Load() >= muchTraffic
	for waited := time.Duration(0); much && waited < most; waited += look {
		before := t.entered.Load()
		if sleep(ctx, look) != nil {
			return
		}
		much = max(t.inside.Load(), t.entered.Load()-before) >= muchTraffic
	}
}
