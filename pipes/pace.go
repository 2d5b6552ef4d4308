package pipes

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// pace is how many entities a run reads and writes at once. Each commit waits for
// the disk, so that a run that has much before it takes several batches at once, if
// nobody but the store sees batches and nobody has said how large they are to be. What
// fails is taken up again in batches as they are else: what follows of a failure is
// the same.
type pace struct {
	now, least, most int
	asked            time.Time // when a batch was begun last
	weight           uint64    // of that, as JSON; 0 if it was not full
	failed           bool
}

const (
	// mostAtOnce is how many batches are taken at once at most: beyond, a commit
	// costs nothing beside what it holds.
	mostAtOnce = 8
	// lightBatch is how much may be in a batch, and quickBatch how long it may have
	// taken, for one that is twice as large to be the next; slowBatch is what makes
	// them smaller again.
	lightBatch = 1 << 20
	quickBatch = 50 * time.Millisecond
	slowBatch  = 200 * time.Millisecond
)

// errSmaller asks for what is not safe yet to be read again, in smaller batches.
var errSmaller = errors.New("what was taken at once failed")

// setPace decides whether the run may take several batches at once.
func (r *run) setPace() {
	n := r.p.batchSize()
	r.pace = pace{now: n, least: n, most: n}
	if r.ahead != nil && !r.holds && r.kind != sinks.Partial && r.p.Def.BatchSize == 0 && r.p.Def.Pump.MaxSeconds == 0 {
		r.pace.most = mostAtOnce * n
	}
}

// atOnce tells whether it may.
func (p *pace) atOnce() bool { return p.most > p.least }

// paced reads a source that asks how large the next batch may be.
func (r *run) paced(ctx context.Context) (iter.Seq2[*entity.Batch, error], bool) {
	s, ok := r.p.source.(sources.Paced)
	if !ok || !r.pace.atOnce() {
		return nil, false
	}
	r.pace.asked = time.Time{}
	return s.ReadPaced(ctx, r.position(), r.size), true
}

// size is how many entities the next batch may have.
func (r *run) size() int {
	p := &r.pace
	begun, now := p.asked, r.p.env.Now()
	p.asked = now
	switch took := now.Sub(begun); {
	case begun.IsZero():
	case p.failed || r.careful():
		p.now = p.least
	case took > slowBatch:
		p.now = max(p.now/2, p.least)
	case took < quickBatch && p.weight > 0 && p.weight < lightBatch:
		p.now = min(2*p.now, p.most)
	}
	p.weight = 0
	return p.now
}

// weigh notes how much there is in a batch that is as large as it may be.
func (p *pace) weigh(entities []entity.Value) {
	if p.now == p.most || len(entities) < p.now {
		return
	}
	p.weight = 1
	for _, e := range entities {
		p.weight += uint64(e.Weight())
	}
}

// smaller gives up a job that has failed, if it is of several batches, and with it
// the one behind it.
func (r *run) smaller(j *job) bool {
	if len(j.keep) <= r.pace.least || !r.pace.atOnce() {
		return false
	}
	r.pace.failed, r.pace.now = true, r.pace.least
	r.stats.Read = j.before
	return true
}

// lingering is how long a run may take to read on when it has come to the end and more
// has come meanwhile: its beginning and its end cost as much as a hundred entities.
const lingering = 200 * time.Millisecond

// lingers tells whether an incremental run from datasets into a dataset reads on rather
// than leave what has come since to the next one.
func (r *run) lingers(ctx context.Context, before []store.Offset) bool {
	return !slices.Equal(before, r.inputs(ctx)) && r.p.env.Now().Sub(r.stats.Start) < lingering
}

// inputs is where the datasets that are read end now; nil if the run does not linger.
func (r *run) inputs(ctx context.Context) (ends []store.Offset) {
	if r.ahead == nil || r.kind != sinks.Incremental || !r.chrono || slices.Contains(r.p.Inputs(), r.p.Output()) {
		return nil
	}
	for _, d := range r.p.Inputs() {
		_, last, err := r.p.env.Store.Head(ctx, d)
		if err != nil {
			last = store.Start // it does not exist, or the next run will tell
		}
		ends = append(ends, last)
	}
	return ends
}
