package etlworks

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

func offsetWrite(pipe string, at store.Offset) store.StateWrite {
	return store.StateWrite{Key: logPrefix + pipe, Value: strconv.AppendInt(nil, int64(at), 10), IfRev: store.AnyRev}
}

// offset is how far a log was read.
func (f *feed) offset(ctx context.Context, pipe string) (store.Offset, error) {
	if at, known := f.seen[pipe]; known {
		return at, nil
	}
	data, _, err := f.st.State(ctx, logPrefix+pipe)
	if err != nil || data == nil {
		return store.Start, err
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	return store.Offset(n), err
}

// write is the journal's, which waits for readers that are far behind: what they
// have not read would be forgotten.
func (f *feed) write(ctx context.Context, all []occurrence, also store.Batch) error {
	if err := f.journal.write(ctx, all, also); err != nil {
		return err
	}
	if f.since += len(all); f.since < Kept/10 {
		return nil
	}
	f.since = 0
	f.compact(ctx)
	return f.wait(ctx)
}

const (
	readerPause  = 50 * time.Millisecond
	longestPause = 30 * time.Second
)

// wait returns when no reader is far behind, or those that are do not come
// nearer.
func (f *feed) wait(ctx context.Context) error {
	for _, p := range f.read {
		before, stuck := int64(-1), time.Duration(0)
		for stuck < longestPause {
			behind, err := f.behind(ctx, p)
			if err != nil || behind < Kept/2 {
				break
			}
			if stuck += readerPause; behind != before {
				before, stuck = behind, 0
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(readerPause):
			}
		}
	}
	return nil
}

// behind is how many events a pipe has not read.
func (f *feed) behind(ctx context.Context, p *pipes.Pipe) (int64, error) {
	_, last, err := f.st.Head(ctx, EventsDataset)
	if err != nil {
		return 0, err
	}
	offset, err := p.Offset(ctx)
	if err != nil || offset == "" {
		return 0, err
	}
	at, err := strconv.ParseInt(offset, 10, 64)
	return int64(last) - at, err
}

// compact gives back the room of events that are kept no more.
func (f *feed) compact(ctx context.Context) {
	c, ok := f.st.(store.Compacter)
	if !ok {
		return
	}
	_, err := c.Compact(ctx, store.CompactOptions{Datasets: map[string]store.Retention{EventsDataset: {KeepVersions: 1}}})
	if err != nil && !errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
		f.n.Log().Error("old events are not removed yet", "error", err)
	}
}

// abandon forgets what only a feed needs, when nobody reads events any more: it
// would begin anew.
func abandon(ctx context.Context, st store.Store) error {
	on, _, err := st.State(ctx, feedKey)
	if err != nil || on == nil {
		return err
	}
	logs, err := st.States(ctx, logPrefix)
	if err != nil {
		return err
	}
	b := &store.Batch{State: []store.StateWrite{{Key: feedKey, IfRev: store.AnyRev}}}
	for _, key := range logs {
		b.State = append(b.State, store.StateWrite{Key: key, IfRev: store.AnyRev})
	}
	if err := st.Drop(ctx, componentsDataset); err != nil {
		return err
	}
	p, err := st.Append(ctx, b)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}
