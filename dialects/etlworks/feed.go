package etlworks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// feed writes down what happens in a node, as long as some pipe reads it. One
// goroutine owns it.
type feed struct {
	*journal
	n     dialects.Node
	hooks []*stored
	own   map[string]int64        // webhooks by the ids of their pipes
	mute  map[string]bool         // pipes whose runs come of events: told of, they would go on for ever
	seen  map[string]store.Offset // of each log, as far as it was read
	read  []*pipes.Pipe           // that read the events
	since int                     // events written since it was looked whether they are read
}

// retryPause is how long a store is left alone that did not answer.
const retryPause = 5 * time.Second

// newFeed returns the feed of a node; nil if nobody would read it.
func newFeed(n dialects.Node, j *journal, hooks []*stored) *feed {
	f := &feed{journal: j, n: n, hooks: hooks, own: map[string]int64{}, mute: map[string]bool{}, seen: map[string]store.Offset{}}
	for _, s := range hooks {
		f.own[pipeOf(s.ID)] = s.ID
	}
	all := f.pipes()
	for _, p := range all {
		if slices.Contains(p.Inputs(), EventsDataset) {
			f.read = append(f.read, p)
		}
	}
	if len(f.read) == 0 {
		return nil
	}
	// Whatever comes of events, by however many pipes, is not told of.
	fed := map[string]bool{EventsDataset: true}
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if f.mute[p.ID()] || !slices.ContainsFunc(p.Inputs(), func(d string) bool { return fed[d] }) {
				continue
			}
			f.mute[p.ID()], grew = true, true
			if p.Output() != "" {
				fed[p.Output()] = true
			}
		}
	}
	return f
}

// pipes are all pipes of the node.
func (f *feed) pipes() []*pipes.Pipe {
	var all []*pipes.Pipe
	for _, c := range f.n.Config().Components {
		if p, ok := f.n.Pipe(c.ID); ok && c.Type == "pipe" {
			all = append(all, p)
		}
	}
	return all
}

// run feeds until ctx ends.
func (f *feed) run(ctx context.Context) {
	w := f.st.Watch() // before anything is read, so that no change is missed
	defer w.Close()
	for ctx.Err() == nil {
		err := f.begin(ctx)
		if err == nil {
			err = f.follow(ctx, w)
		}
		if ctx.Err() != nil {
			return
		}
		f.n.Log().Error("what happens in the node cannot be written down for webhooks; it is tried again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// begin tells what has changed while nobody looked.
func (f *feed) begin(ctx context.Context) error {
	for _, d := range []string{EventsDataset, componentsDataset} {
		if _, err := f.st.Create(ctx, d); err != nil {
			return err
		}
	}
	on, _, err := f.st.State(ctx, feedKey)
	if err != nil {
		return err
	}
	if on == nil {
		if err := f.first(ctx); err != nil {
			return err
		}
	}
	if err := f.farewell(ctx); err != nil {
		return err
	}
	if err := f.compare(ctx, false); err != nil {
		return err
	}
	for _, p := range f.pipes() {
		if err := f.log(ctx, p.ID()); err != nil {
			return err
		}
	}
	return f.silence(ctx)
}

// note saves, before any pump starts, where the logs of pipes end that were not
// followed so far: what comes behind is told, also by a node that is killed before
// it could.
func (f *feed) note(ctx context.Context) error {
	keys, err := f.st.States(ctx, logPrefix)
	if err != nil {
		return err
	}
	var b store.Batch
	for _, p := range f.pipes() {
		if f.mute[p.ID()] {
			continue
		}
		if _, noted := slices.BinarySearch(keys, logPrefix+p.ID()); noted {
			continue
		}
		_, last, err := f.st.Head(ctx, pipes.LogDataset(p.ID()))
		if errors.Is(err, store.ErrNoDataset) {
			last, err = store.Start, nil
		}
		if err != nil {
			return err
		}
		b.State = append(b.State, offsetWrite(p.ID(), last))
	}
	return f.write(ctx, nil, b)
}

// first begins with what there is, of which nothing is told.
func (f *feed) first(ctx context.Context) error {
	hooks := f.hooks
	f.hooks = nil // they are told of, as created
	err := f.compare(ctx, true)
	f.hooks = hooks
	b := store.Batch{State: []store.StateWrite{{Key: feedKey, Value: []byte("on"), IfRev: store.AnyRev}}, Populate: []string{EventsDataset}}
	if err == nil {
		err = f.write(ctx, nil, b)
	}
	return err
}

// follow writes down what happens from now on.
func (f *feed) follow(ctx context.Context, w store.Watch) error {
	for {
		changed, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for _, d := range changed {
			id, isLog := strings.CutPrefix(d, pipes.LogDataset(""))
			if !isLog {
				continue
			}
			if err := f.log(ctx, id); err != nil {
				return err
			}
		}
	}
}

// log writes down what is new in a pipe's execution log, if its runs are told of.
func (f *feed) log(ctx context.Context, pipe string) error {
	_, own := f.own[pipe]
	if _, ok := f.n.Pipe(pipe); !ok || f.mute[pipe] && !own {
		return nil
	}
	return f.readLog(ctx, pipe)
}

func (f *feed) readLog(ctx context.Context, pipe string) error {
	at, err := f.offset(ctx, pipe)
	if err != nil {
		return err
	}
	arena := entity.NewArena()
	for end := false; !end; {
		arena.Reset()
		page, err := f.st.Read(ctx, pipes.LogDataset(pipe), store.Query{Since: at, History: true}, arena)
		if errors.Is(err, store.ErrNoDataset) {
			return nil
		}
		if err != nil {
			return err
		}
		var told []occurrence
		for _, e := range page.Entities {
			told = append(told, f.entry(pipe, e)...)
		}
		at, end = page.Next, page.End
		if len(told) > 0 {
			if err := f.write(ctx, told, store.Batch{State: []store.StateWrite{offsetWrite(pipe, at)}}); err != nil {
				return err
			}
		}
		f.seen[pipe] = at
	}
	return nil
}
