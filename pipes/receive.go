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
	t, err := in.enter(ctx, b, micros, also)
	if err != nil {
		return t.stats, err
	}
	return t.Wait(ctx)
}

// Taken is a request that is on its way into the sink. It has to be waited for.
type Taken struct {
	in      *Inlet // nil: it has arrived
	stats   Stats
	claim   claim
	pending sinks.Pending
}

// Wait returns when what was taken survives a power cut, or why none of it was stored.
func (t *Taken) Wait(ctx context.Context) (Stats, error) {
	if t.in == nil {
		return t.stats, nil
	}
	defer t.in.p.env.Traffic.leave()
	w, err := t.pending.Wait(ctx)
	t.stats.Changed, t.stats.End = w.Changed, t.in.p.env.Now()
	if err == nil {
		t.in.stands(t.claim, t.stats.End)
	}
	return t.stats, err
}

// enter sends the entities of a request on their way; with an error none was.
func (in *Inlet) enter(ctx context.Context, b *entity.Batch, micros int64, also []store.Write) (t Taken, err error) {
	in.p.env.Traffic.enter()
	defer func() {
		if err != nil {
			in.p.env.Traffic.leave()
		}
	}()
	t = Taken{in: in, stats: Stats{Kind: sinks.Request.String(), Start: in.p.env.Now(), Read: len(b.Entities)}}
	if in.p.transform != nil {
		step, _ := in.steps.Get().(transforms.Step)
		if step == nil {
			step = in.p.transform.Start(transforms.Run{Host: in.p.host()})
		}
		defer in.steps.Put(step) // what it has made is in use until it is handed over
		if err := step.Apply(ctx, b); err != nil {
			return t, err
		}
	}
	var save []store.StateWrite
	if t.claim, save, err = in.given(ctx, micros); err == nil {
		t.pending, err = in.offer(ctx, b, save, also)
	}
	return t, err
}

// offer hands over a batch, whose entities may be used again when it returns.
func (in *Inlet) offer(ctx context.Context, b *entity.Batch, save []store.StateWrite, also []store.Write) (sinks.Pending, error) {
	if o, ok := in.writer.(sinks.Offering); ok && len(also) == 0 {
		return o.BeginRequest(ctx, b, save)
	}
	if c, ok := in.writer.(sinks.Committing); ok && len(also) > 0 {
		return c.BeginWith(ctx, b, store.Batch{State: save, Writes: also})
	}
	if len(also) == 0 {
		w, err := in.writer.Write(ctx, b, save)
		return arrived(w), err
	}
	w, err := in.writer.Write(ctx, b, nil)
	if err == nil {
		_, err = commit(ctx, in.p.env.Store, &store.Batch{State: save, Writes: also})
	}
	return arrived(w), err
}

// arrived is a batch that was waited for.
type arrived sinks.Written

// Wait implements sinks.Pending.
func (a arrived) Wait(context.Context) (sinks.Written, error) { return sinks.Written(a), nil }
