package etlworks

import (
	"context"
	"strconv"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// farewell reads to their ends the logs of pipes and webhooks that are gone:
// what happened just before they went is told before that.
func (f *feed) farewell(ctx context.Context) error {
	before, err := f.known(ctx)
	if err != nil {
		return err
	}
	now, _, err := f.present()
	if err != nil {
		return err
	}
	for key, t := range before {
		if now[key] != nil {
			continue
		}
		switch t.kind.name {
		case "pipe":
			err = f.lastOfPipe(ctx, t.name)
		case "webhook":
			err = f.lastOfWebhook(ctx, t.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lastOfPipe reads the log of a pipe of which something was told before.
func (f *feed) lastOfPipe(ctx context.Context, pipe string) error {
	data, _, err := f.st.State(ctx, logPrefix+pipe)
	if err != nil || data == nil {
		return err
	}
	return f.readLog(ctx, pipe)
}

// lastOfWebhook reads the log of a webhook's pipe, and drops it.
func (f *feed) lastOfWebhook(ctx context.Context, name string) error {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return err
	}
	pipe := pipeOf(id)
	f.own[pipe] = id
	err = f.readLog(ctx, pipe)
	delete(f.own, pipe)
	if err != nil {
		return err
	}
	if err := f.write(ctx, nil, store.Batch{State: []store.StateWrite{{Key: logPrefix + pipe, IfRev: store.AnyRev}}}); err != nil {
		return err
	}
	return f.st.Drop(ctx, pipes.LogDataset(pipe))
}

// silence forgets how far logs were read of pipes that are told of no more: if
// they are again, it is from then on.
func (f *feed) silence(ctx context.Context) error {
	for pipe := range f.mute {
		if _, own := f.own[pipe]; own {
			continue
		}
		data, _, err := f.st.State(ctx, logPrefix+pipe)
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		if err := f.write(ctx, nil, store.Batch{State: []store.StateWrite{{Key: logPrefix + pipe, IfRev: store.AnyRev}}}); err != nil {
			return err
		}
	}
	return nil
}
