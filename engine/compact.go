package engine

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

const (
	// compactLook is how often it is looked for something to compact.
	compactLook = time.Minute
	// compactIdle is after how many looks without any change it is looked closely.
	compactIdle = 60
	// compactDaily is the time between compactions that growth does not start.
	compactDaily = 24 * time.Hour
	// compactGrown is how many new versions start a compaction: so many, and a
	// quarter of what was there.
	compactGrown = 20_000
	// compactGrownBytes are how many new bytes do, and a quarter of what was there:
	// few entities may be large.
	compactGrownBytes = 256 << 20
	// sealFrom is which share of the last file's versions must be of no use before it
	// is ended to be compacted, too.
	sealFrom = 0.5
)

// compacted is what is remembered of a dataset's last compaction.
type compacted struct {
	at              time.Time
	versions, bytes int64
}

// compactor decides which datasets are compacted, and when.
type compactor struct {
	e     *Engine
	last  map[string]compacted
	daily time.Time // when age last started a compaction, in an earlier life too
	aged  bool      // age starts the one under way
	now   time.Time // of the look under way
	heard uint64    // changes heard of before it
	idle  int       // looks since
	// retracted is what is known of retractions, by dataset.
	retracted map[string]*retracting
	// seal has the file at the end of the log take part; again asks for another look
	// though nothing changes.
	seal, again bool
}

// compactLoop compacts in the background until the node closes. There is one
// goroutine of it, and each step of the store is bounded, so pumps go on.
func (e *Engine) compactLoop() {
	s, ok := e.o.Store.(store.Compacter)
	if !ok {
		return
	}
	c := &compactor{e: e, last: map[string]compacted{}, retracted: map[string]*retracting{}, again: true, daily: storedTime(e.ctx, e.o.Store, compactedKey)}
	tick := time.NewTicker(compactLook)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-tick.C:
			if err := c.run(e.ctx, s); err != nil && !errors.Is(err, store.ErrConflict) && e.ctx.Err() == nil {
				e.o.Log.Error("compaction failed; what was there is still there", "error", err)
			}
		}
	}
}

// run compacts what is due, if anything is.
func (c *compactor) run(ctx context.Context, s store.Compacter) error {
	if !c.stirred() {
		return nil
	}
	infos, err := c.e.o.Store.Datasets(ctx)
	if err != nil {
		return err
	}
	by := map[string]store.Info{}
	for _, i := range infos {
		by[i.Name] = i
	}
	due, err := c.due(ctx, by)
	if err != nil || len(due) == 0 {
		return err
	}
	floors, err := c.e.Floors(ctx)
	if err != nil {
		return err
	}
	done, err := s.Compact(ctx, store.CompactOptions{Datasets: due, Floors: floors, SealFrom: sealFrom, Seal: c.seal})
	for name, n := range done.Forgotten {
		err = errors.Join(err, pipes.Forgotten(ctx, c.e.o.Store, name, n))
	}
	for name := range due {
		info, known := c.e.o.Store.Info(ctx, name)
		if known == nil {
			c.last[name] = compacted{c.now, info.Versions, info.Bytes}
		}
		if err == nil && c.seal {
			c.didRetract(name, floors)
		}
	}
	if c.aged {
		c.saveDaily()
	}
	return err
}

// stirred tells whether anything has changed since the last look. If not, age
// alone makes something due, and an hour more does not matter.
func (c *compactor) stirred() bool {
	c.e.mu.Lock()
	heard := c.e.mu.heard
	c.e.mu.Unlock()
	if c.idle++; heard == c.heard && c.idle < compactIdle && !c.again {
		return false
	}
	c.heard, c.idle, c.again, c.now = heard, 0, false, c.e.now()
	return true
}

// compactedKey is the state that says when age last started a compaction, so
// that a node that is started anew every day compacts too.
const compactedKey = "compacted"

func (c *compactor) saveDaily() {
	c.daily = c.now
	c.e.save(compactedKey, c.now.UTC().Format(time.RFC3339))
}

func (c *compactor) due(ctx context.Context, infos map[string]store.Info) (map[string]store.Retention, error) {
	due := map[string]store.Retention{}
	if c.aged, c.seal = false, false; c.daily.IsZero() {
		c.saveDaily()
	}
	for _, p := range c.e.graph.pipes {
		x, on, err := p.Compaction(ctx)
		if err != nil {
			return nil, err
		}
		if info, there := infos[x.Dataset]; on && there && info.Populated {
			retracts, err := c.retracts(ctx, &x, &info)
			if err != nil {
				return nil, err
			}
			if c.isDue(&x, &info) || retracts {
				due[x.Dataset] = x.Keep
				c.seal = c.seal || retracts || c.aged && forgets(&x, &info)
			}
		}
		for _, own := range p.Own() {
			if info, there := infos[own.Dataset]; there && c.isDue(&own, &info) {
				due[own.Dataset] = own.Keep
			}
		}
	}
	return due, c.dueTopics(ctx, infos, due)
}

// forgets tells whether entities of a dataset are to be forgotten whole when they are
// old enough, however few they are.
func forgets(x *pipes.Compaction, info *store.Info) bool {
	return x.Keep.TTLDeletes > 0 && info.Deleted > 0 || x.Keep.KeepVersions == 0 && x.Keep.MaxAge == 0 && info.Versions > 0
}

// dueTopics adds the topics of messages that are due, each with the longest
// retention that any pipe asks for.
func (c *compactor) dueTopics(ctx context.Context, infos map[string]store.Info, due map[string]store.Retention) error {
	limits := map[string]messages.Limits{}
	for _, p := range c.e.graph.pipes {
		if name, keep := p.Publishes(); name != "" {
			limits[name] = limits[name].Longer(keep)
		}
	}
	for dataset, info := range infos {
		name, topic := messages.Exchange(dataset)
		if !topic || !c.isDue(&pipes.Compaction{Dataset: dataset, AsItGrows: true, Growth: 1}, &info) {
			continue
		}
		keep, asked := limits[name]
		if !asked {
			keep = messages.DefaultLimits()
		}
		var err error
		if due[dataset], err = (messages.Topic{Name: name, Store: c.e.o.Store, Now: c.e.o.Now}).Retention(ctx, keep); err != nil {
			return err
		}
	}
	return nil
}

// isDue tells whether a dataset is due. What a node finds when it starts counts
// as compacted when age last started a compaction, or now.
func (c *compactor) isDue(x *pipes.Compaction, info *store.Info) bool {
	last, known := c.last[info.Name]
	if !known {
		newest := info.Live + info.Deleted
		last = compacted{c.daily, newest, info.Bytes / max(info.Versions, 1) * newest}
		c.last[info.Name] = last
	}
	since := c.now.Sub(last.at)
	grown := info.Versions - last.versions
	bytes := info.Bytes - last.bytes
	many := grown >= compactGrown && grown >= last.versions/4 || bytes >= compactGrownBytes && bytes >= last.bytes/4
	if x.AsItGrows && since >= x.Interval && many {
		return true
	}
	aged := since >= compactDaily && float64(info.Versions) >= x.Growth*float64(last.versions)
	c.aged = c.aged || aged
	return aged
}
