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
type Traffic struct{ inside atomic.Int64 }

const (
	// muchTraffic is how many requests are being stored at once when pumps
	// begin to step aside. A flush takes in as many with ease.
	muchTraffic = 8
	// aside is how long a pump steps aside before a batch at most: what it
	// still gets done is a hundred entities in that time, and more if it reads
	// larger batches.
	aside = 10 * time.Millisecond
	look  = 2 * time.Millisecond
)

func (t *Traffic) enter() {
	if t != nil {
		t.inside.Add(1)
	}
}

func (t *Traffic) leave() {
	if t != nil {
		t.inside.Add(-1)
	}
}

// yield lets requests go first. It ends early with the context; the batch will
// find out.
func (t *Traffic) yield(ctx context.Context, sleep func(context.Context, time.Duration) error) {
	if t == nil {
		return
	}
	for waited := time.Duration(0); waited < aside && t.inside.Load() >= muchTraffic; waited += look {
		if sleep(ctx, look) != nil {
			return
		}
	}
}
