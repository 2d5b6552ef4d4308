package pipes

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Traffic is how much is being posted to a node. Whoever posts waits for an
// answer, and gives up after some time; pumps read what was taken in later just
// as well. So pumps step aside while much comes at once, without ever standing
// still: far while a burst is taken in, and less when it proves to be none.
type Traffic struct {
	inside, entered atomic.Int64

	mu    sync.Mutex
	begun time.Time // when much began to come
	last  time.Time // when much came last
}

const (
	// muchTraffic is how many requests are being stored at once when pumps
	// begin to step aside, and how many come between two looks while they go on to.
	// A flush takes in as many with ease.
	muchTraffic = 8
	look        = 2 * time.Millisecond
	// burst is for how long what comes is taken for one, and lull how long there is
	// between two.
	burst = 2 * time.Second
	lull  = time.Second / 4
)

// manners are how far a pump steps aside before it reads a batch: share times as long
// as it has worked since it did so last, but no less and no more than two bounds.
type manners struct {
	least, most time.Duration
	share       time.Duration
}

var (
	// What pumps do beside a burst takes a twentieth of their time, and beside what
	// does not end a fifth, whatever a batch takes. One that may take several batches
	// at once is as well off with fewer.
	inBurst     = manners{10 * time.Millisecond, 500 * time.Millisecond, 19}
	atOnceBurst = manners{250 * time.Millisecond, 500 * time.Millisecond, 19}
	inTraffic   = manners{10 * time.Millisecond, 100 * time.Millisecond, 4}
	atOnce      = manners{30 * time.Millisecond, 100 * time.Millisecond, 4}
)

// turns is when a pump has stepped aside last.
type turns struct{ last time.Time }

// take lets requests go first. several tells that the pump may take several batches
// at once.
func (t *turns) take(ctx context.Context, env *Env, several bool) {
	if env.Traffic == nil {
		return
	}
	now := env.Now()
	m, worked := env.Traffic.manners(now, several), time.Duration(0)
	if !t.last.IsZero() {
		worked = now.Sub(t.last)
	}
	much := env.Traffic.yield(ctx, min(max(m.least, m.share*worked), m.most), env.Sleep)
	if t.last = env.Now(); much {
		env.Traffic.goesOn(t.last)
	}
}

// manners are those of a pump that is about to read.
func (t *Traffic) manners(now time.Time, several bool) manners {
	switch burst := t.bursts(now); {
	case burst && several:
		return atOnceBurst
	case burst:
		return inBurst
	case several:
		return atOnce
	default:
		return inTraffic
	}
}

// bursts tells whether what comes has not come for long.
func (t *Traffic) bursts(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside.Load() >= muchTraffic {
		if now.Sub(t.last) > lull {
			t.begun = now
		}
		t.last = now
	}
	return now.Sub(t.begun) < burst
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

// goesOn notes that much still comes.
func (t *Traffic) goesOn(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = now
}

// yield waits while much is being stored, for most at most, and tells whether it
// still is. It ends early with the context; the batch will find out.
func (t *Traffic) yield(ctx context.Context, most time.Duration, sleep func(context.Context, time.Duration) error) (much bool) {
	much = t.inside.Load() >= muchTraffic
	for waited := time.Duration(0); much && waited < most; waited += look {
		before := t.entered.Load()
		if sleep(ctx, look) != nil {
			return false
		}
		much = max(t.inside.Load(), t.entered.Load()-before) >= muchTraffic
	}
	return much
}
