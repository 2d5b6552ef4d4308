package pipes

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// Inlet is the way into a pipe for entities that are posted to it. It may be
// used by many goroutines at once.
type Inlet struct {
	p      *Pipe
	writer sinks.Writer
	steps  sync.Pool
	flow   *flow // the full sync under way, for who has the pipe's turn
}

// Inlet opens the pipe for requests.
func (p *Pipe) Inlet(ctx context.Context) (*Inlet, error) {
	w, err := p.sink.Start(ctx, sinks.Run{Kind: sinks.Request})
	if err != nil {
		return nil, err
	}
	return &Inlet{p: p, writer: w}, nil
}

// Receive sends the entities of one request through transforms and sink. When
// it returns without an error they survive a power cut; with one, none of them
// was stored.
func (in *Inlet) Receive(ctx context.Context, b *entity.Batch) (Stats, error) {
	return in.ReceiveComplete(ctx, b, 0)
}

// ReceiveComplete is Receive for a sender that says up to when it is complete,
// in microseconds since 1970; 0 is now.
func (in *Inlet) ReceiveComplete(ctx context.Context, b *entity.Batch, micros int64) (Stats, error) {
	return in.receiveWith(ctx, b, micros, nil)
}

// receiveWith is ReceiveComplete with writes that stand or fall with the batch;
// after it, if the sink has no commits.
func (in *Inlet) receiveWith(ctx context.Context, b *entity.Batch, micros int64, also []store.Write) (Stats, error) {
	in.p.env.Traffic.enter()
	defer in.p.env.Traffic.leave()
	s := Stats{Kind: sinks.Request.String(), Start: in.p.env.Now(), Read: len(b.Entities)}
	if in.p.transform != nil {
		step, _ := in.steps.Get().(transforms.Step)
		if step == nil {
			step = in.p.transform.Start(transforms.Run{Host: in.p.host()})
		}
		defer in.steps.Put(step) // what it has made is in use until it is written
		if err := step.Apply(ctx, b); err != nil {
			return s, err
		}
	}
	claim, save, err := in.given(ctx, micros)
	if err != nil {
		return s, err
	}
	w, err := in.write(ctx, b, save, also)
	s.Changed, s.End = w.Changed, in.p.env.Now()
	if err == nil {
		in.stands(claim, s.End)
	}
	return s, err
}

func (in *Inlet) write(ctx context.Context, b *entity.Batch, save []store.StateWrite, also []store.Write) (sinks.Written, error) {
	if len(also) == 0 {
		return in.writer.Write(ctx, b, save)
	}
	if c, ok := in.writer.(sinks.Committing); ok {
		p, err := c.BeginWith(ctx, b, store.Batch{State: save, Writes: also})
		if err != nil {
			return sinks.Written{}, err
		}
		return p.Wait(ctx)
	}
	w, err := in.writer.Write(ctx, b, nil)
	if err == nil {
		_, err = commit(ctx, in.p.env.Store, &store.Batch{State: save, Writes: also})
	}
	return w, err
}
