package pipeforce

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// batched tells whether a pipe gets lists of messages: those complete nothing.
func batched(pipe *jsonpos.Node) bool {
	n := pipe.Get("source").Get("wait")
	return n == nil || n.IsTrue()
}

// byMessage ends the result that a message's key names.
func (rt *runtime) byMessage(ctx context.Context, m messages.Message) error {
	if id, ok := strings.CutPrefix(m.Key, "async.complete."); ok {
		return rt.complete(ctx, id, "ok", m.Body)
	}
	if id, ok := strings.CutPrefix(m.Key, "async.cancel."); ok {
		return rt.complete(ctx, id, "cancelled", entity.Value{})
	}
	return nil
}

// news tells those who wait that results have changed.
type news struct {
	mu struct {
		sync.Mutex
		changed chan struct{}
	}
}

func newNews() *news {
	n := &news{}
	n.mu.changed = make(chan struct{})
	return n
}

// next is closed with the next change.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.changed
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.mu.changed)
	n.mu.changed = make(chan struct{})
}

// restAfter is how long nobody is told again after they were: those who wait look
// at the store.
const restAfter = 10 * time.Millisecond

// follow tells of every change until the context ends.
func (n *news) follow(ctx context.Context, st store.Store) {
	w := st.Watch()
	defer w.Close()
	for {
		changed, err := w.Next(ctx)
		if err != nil {
			return
		}
		if slices.Contains(changed, resultsDataset) {
			n.tell()
			if systems.Sleep(ctx, restAfter) != nil {
				return
			}
		}
	}
}

// polls remembers who asked when, so that nobody asks too often.
type polls struct {
	sync.Mutex
	last map[string]time.Time
}

// pollEvery is how long the next poll of an id must wait; mostPolls bounds what is
// remembered.
const (
	pollEvery = 3 * time.Second
	mostPolls = 100_000
)

// tooSoon tells whether an id is asked for again too early.
func (p *polls) tooSoon(id string, now time.Time) bool {
	p.Lock()
	defer p.Unlock()
	last, known := p.last[id]
	if known && now.Sub(last) < pollEvery {
		return true
	}
	if len(p.last) >= mostPolls {
		clear(p.last)
	}
	p.last[id] = now
	return false
}

// calls counts calls of webhooks between two writes.
type calls struct {
	sync.Mutex
	of map[string]*called
}

type called struct {
	times int64
	last  time.Time
}

func (c *calls) add(token string, now time.Time) {
	c.Lock()
	defer c.Unlock()
	id := digest(token)
	if c.of[id] == nil {
		c.of[id] = &called{}
	}
	c.of[id].times++
	c.of[id].last = now
}

// flushCalls writes down what was counted. Calls that were not written down when
// the node is killed are not counted.
func (s *service) flushCalls(ctx context.Context) {
	s.counted.Lock()
	counted := s.counted.of
	s.counted.of = map[string]*called{}
	s.counted.Unlock()
	var ops []store.Op
	for id, c := range counted {
		found, err := s.rt.get(ctx, callsDataset, id)
		if err != nil {
			s.log.Error("calls of webhooks cannot be counted", "error", err)
			return
		}
		ops = append(ops, putOp(entity.NewDict(text(entity.IDKey, id),
			member("callCount", entity.NewInt(number(found[0], "callCount")+c.times)), at("lastCalled", c.last))))
	}
	if len(ops) == 0 {
		return
	}
	if err := s.rt.commit(ctx, store.Batch{Writes: []store.Write{change(callsDataset, ops...)}}); err != nil {
		s.log.Error("calls of webhooks cannot be counted", "error", err)
	}
}

const (
	flushEvery   = 2 * time.Second
	tidyEvery    = time.Minute
	outboundFor  = time.Hour
	compactEvery = time.Hour
	compactGrown = 256 << 20 // bytes after which it is not waited for
)

// tidyLoop writes down counts, and removes what is kept no longer.
func (s *service) tidyLoop(ctx context.Context) {
	flush, tidy := time.NewTicker(flushEvery), time.NewTicker(tidyEvery)
	defer flush.Stop()
	defer tidy.Stop()
	compacted, size := time.Now(), s.size(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			s.flushCalls(ctx)
			continue
		case <-tidy.C:
		}
		if err := s.rt.tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("old results cannot be removed", "error", err)
		}
		if now := s.size(ctx); time.Since(compacted) >= compactEvery || now > size+compactGrown {
			s.compact(ctx)
			compacted, size = time.Now(), s.size(ctx)
		}
	}
}

// owned are the datasets that the service looks after.
func owned() []string {
	return append(datasets(), webhooks.RequestsDataset(inboxID), webhooks.RefusedDataset(inboxID), webhooks.EventsDataset(inboxID))
}

// size is how many bytes they have.
func (s *service) size(ctx context.Context) (bytes int64) {
	for _, d := range owned() {
		info, err := s.rt.store.Info(ctx, d)
		if err == nil {
			bytes += info.Bytes
		}
	}
	return bytes
}

// compact gives back the room of what was removed.
func (s *service) compact(ctx context.Context) {
	c, ok := s.rt.store.(store.Compacter)
	if !ok {
		return
	}
	keep := store.Retention{KeepVersions: 1, MinAge: time.Minute, TTLDeletes: compactEvery}
	o := store.CompactOptions{Datasets: map[string]store.Retention{}}
	for _, d := range owned() {
		o.Datasets[d] = keep
	}
	if _, err := c.Compact(ctx, o); err != nil && ctx.Err() == nil {
		s.log.Error("datasets of pipelines cannot be compacted", "error", err)
	}
}

// tidy removes results that are gone, payloads that were handed out, and runs
// that are too many.
func (rt *runtime) tidy(ctx context.Context) error {
	if err := rt.tidyResults(ctx); err != nil {
		return err
	}
	var ops []store.Op
	now := rt.now()
	err := rt.each(ctx, outboundDataset, func(v entity.Value) error {
		if now.Sub(moment(v, "at")) > outboundFor {
			ops = append(ops, deleteOp(strings.Clone(str(v, entity.IDKey))))
		}
		return nil
	})
	if err == nil {
		err = rt.remove(ctx, outboundDataset, ops, nil)
	}
	if err != nil {
		return err
	}
	return rt.trim(ctx, logDataset, rt.hub.cfg.LogLimit)
}

// tidyResults removes results that are gone. Only those are looked at closely
// that may be.
func (rt *runtime) tidyResults(ctx context.Context) error {
	now := rt.now()
	keep, fetched := rt.hub.keeps()
	old := map[string]bool{}
	err := rt.each(ctx, resultsDataset, func(v entity.Value) error {
		id := str(v, entity.IDKey)
		base, isFetched := strings.CutSuffix(id, "~fetched")
		if isFetched && now.Sub(moment(v, "at")) > fetched || !strings.ContainsAny(id, "/!~") && now.Sub(moment(v, "created")) > keep {
			old[strings.Clone(base)] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	var ops []store.Op
	var states []store.StateWrite
	for id := range old {
		r, err := rt.result(ctx, id)
		if err != nil {
			return err
		}
		if r != nil {
			continue
		}
		found, err := rt.get(ctx, resultsDataset, id)
		if err != nil {
			return err
		}
		states = append(states, store.StateWrite{Key: completionKey(id), IfRev: store.AnyRev})
		for _, part := range []string{"", "!", "~ping", "~fetched"} {
			ops = append(ops, deleteOp(id+part))
		}
		list, _ := found[0].Get("pipelines")
		for _, p := range list.Elems() {
			ops = append(ops, deleteOp(id+"/"+p.Text()))
		}
	}
	return rt.remove(ctx, resultsDataset, ops, states)
}

// mostAtOnce bounds what one commit removes.
const mostAtOnce = 1000

func (rt *runtime) remove(ctx context.Context, dataset string, ops []store.Op, states []store.StateWrite) error {
	for part := range slices.Chunk(ops, mostAtOnce) {
		if err := rt.commit(ctx, store.Batch{Writes: []store.Write{change(dataset, part...)}}); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(states, mostAtOnce) {
		if err := rt.commit(ctx, store.Batch{State: part}); err != nil {
			return err
		}
	}
	return nil
}

// trim deletes what was written first, until no more than most are left.
func (rt *runtime) trim(ctx context.Context, dataset string, most int) error {
	info, err := rt.store.Info(ctx, dataset)
	if err != nil {
		return err
	}
	extra := info.Live - int64(most)
	if extra <= 0 {
		return nil
	}
	var ops []store.Op
	err = rt.each(ctx, dataset, func(v entity.Value) error {
		if extra--; extra >= 0 {
			ops = append(ops, deleteOp(strings.Clone(str(v, entity.IDKey))))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rt.remove(ctx, dataset, ops, nil)
}
