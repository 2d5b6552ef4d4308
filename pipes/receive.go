package pipes

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
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
	save, known, err := in.given(ctx, micros)
	if err != nil {
		return s, err
	}
	w, err := in.writer.Write(ctx, b, save)
	if err == nil {
		known()
	}
	s.Changed, s.End = w.Changed, in.p.env.Now()
	return s, err
}
