package pipes

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/transforms"
)

// flow is a full sync under way, in memory. It can be let go of at any time
// if its writer is able to resume.
type flow struct {
	at     sequence
	writer sinks.Writer
	step   transforms.Step
	idle   *time.Timer
}

// flowIdle is how long a full sync that has fallen silent keeps its memory.
const flowIdle = 15 * time.Minute

// ReceivePush is Receive for a request by the JSON push protocol. A *SequenceError
// is a conflict; nothing was stored then. What a full sync has not sent is
// deleted with its last request, and never before.
func (in *Inlet) ReceivePush(ctx context.Context, b *entity.Batch, p Push) (Stats, error) {
	t, err := in.BeginPush(ctx, b, p)
	if err != nil {
		return t.stats, err
	}
	return t.Wait(ctx)
}

// BeginPush is ReceivePush for those who need the memory of the entities for others
// while the disk is waited for: it is theirs again when it returns without an error.
func (in *Inlet) BeginPush(ctx context.Context, b *entity.Batch, p Push) (Taken, error) {
	if p.Full {
		s, err := in.receiveFull(ctx, b, p)
		return Taken{stats: s}, err
	}
	if err := errors.Join(in.shut(ctx), in.apart(ctx, p)); err != nil {
		return Taken{}, err
	}
	return in.enter(ctx, b, p.Complete, nil)
}

// receiveFull takes in a request that is part of a full sync.
func (in *Inlet) receiveFull(ctx context.Context, b *entity.Batch, p Push) (Stats, error) {
	in.p.env.Traffic.enter()
	defer in.p.env.Traffic.leave()
	unlock, err := in.p.lock(ctx)
	if err != nil {
		return Stats{}, err
	}
	defer unlock()
	s := Stats{Kind: sinks.Full.String(), Start: in.p.env.Now(), Read: len(b.Entities)}
	err = in.sequence(ctx, b, p, &s)
	s.End = in.p.env.Now()
	return s, err
}

// shut returns why nothing is taken in: what a circuit breaker holds back would be
// published over what came after it.
func (in *Inlet) shut(ctx context.Context) error {
	if s, ok := in.p.sink.(sinks.Sider); !ok || s.Side() != nil {
		return nil // there is none
	}
	return in.p.tripped(ctx)
}

// apart refuses a request that is no part of a full sync but has its id.
func (in *Inlet) apart(ctx context.Context, p Push) error {
	if p.Sequence == "" {
		return nil
	}
	q, err := in.p.loadSequence(ctx)
	if err == nil && q.ID == p.Sequence && !q.Over {
		err = conflict("is_full is not true, as it was in the requests of sequence %q before", p.Sequence)
	}
	return err
}

func (in *Inlet) sequence(ctx context.Context, b *entity.Batch, p Push, s *Stats) error {
	if err := in.p.tripped(ctx); err != nil {
		return err
	}
	f, err := in.join(ctx, p)
	if err != nil || f == nil {
		return err
	}
	in.flow = nil // unless it comes to a good end
	f.idle.Stop()
	if err := f.take(ctx, in, b, p, s); err != nil {
		return err
	}
	if !p.Last {
		in.flow = f
		f.idle = time.AfterFunc(flowIdle, func() { in.letGo(f) })
	}
	return nil
}

// letGo forgets a full sync that has fallen silent.
func (in *Inlet) letGo(f *flow) {
	select {
	case in.p.turn <- struct{}{}:
		if in.flow == f {
			in.flow = nil
		}
		<-in.p.turn
	default: // it is in use
	}
}

// join finds the full sync of a request, or begins it; nil if the request is a
// repetition that has nothing to do any more.
func (in *Inlet) join(ctx context.Context, p Push) (*flow, error) {
	stored, err := in.p.loadSequence(ctx)
	if err != nil {
		return nil, err
	}
	at := stored
	if f := in.flow; f != nil && f.at.rev == stored.rev {
		at = f.at // what is held back is not saved yet
	}
	how, err := at.admit(p)
	switch {
	case err != nil || how == repeatsIt:
		return nil, err
	case how == begins:
		return in.begin(ctx, stored)
	}
	if err := in.p.begunAlike(ctx, at); err != nil {
		return nil, err
	}
	if f := in.flow; f != nil && f.at == at {
		return f, nil
	}
	return in.resume(ctx, at)
}

// begin begins a full sync, which takes the place of the one before it.
func (in *Inlet) begin(ctx context.Context, old sequence) (*flow, error) {
	if in.flow != nil {
		in.flow.idle.Stop()
		in.flow = nil
	}
	at, err := in.p.start(ctx, old)
	if err != nil {
		return nil, err
	}
	return in.open(ctx, at)
}

func (in *Inlet) open(ctx context.Context, at sequence) (*flow, error) {
	w, err := in.p.sink.Start(ctx, sinks.Run{Kind: sinks.Full, Resumable: true, Before: &at.Before})
	if err != nil {
		return nil, err
	}
	f := &flow{at: at, writer: w, idle: time.AfterFunc(flowIdle, func() {})}
	if in.p.transform != nil {
		f.step = in.p.transform.Start(transforms.Run{Host: in.p.host(), Resumed: at.ID != ""})
	}
	return f, nil
}

// resume goes on with a full sync that is no longer in memory.
func (in *Inlet) resume(ctx context.Context, at sequence) (*flow, error) {
	f, err := in.open(ctx, at)
	if err != nil {
		return nil, err
	}
	w, able := f.writer.(sinks.Resuming)
	if !able || f.holds() {
		return nil, conflict("the node was started anew, its configuration changed or the sync fell silent, and this sink cannot go on with sequence %q", at.ID)
	}
	for n := range at.Pieces {
		piece, _, err := in.p.env.Store.State(ctx, in.p.sequencePiece(n))
		if err == nil && piece == nil {
			err = conflict("a part of what sequence %q has sent was lost", at.ID)
		}
		if err == nil {
			err = w.Resume(piece)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *flow) holds() bool {
	h, ok := f.writer.(sinks.Holding)
	return ok && h.Holds()
}

// take sends the entities of a request through transforms and sink, and ends
// the sync with its last one.
func (f *flow) take(ctx context.Context, in *Inlet, b *entity.Batch, p Push, s *Stats) error {
	if f.step != nil {
		if err := f.step.Apply(ctx, b); err != nil {
			return err
		}
	}
	claim, save, err := in.given(ctx, p.Complete)
	if err != nil {
		return err
	}
	if p.Last {
		err = f.end(ctx, in, b, p, save, s)
	} else {
		err = f.write(ctx, in, b, p, save, s)
	}
	if err == nil {
		in.stands(claim, in.p.env.Now())
	}
	return err
}

// write writes a request that others will follow. The sequence is saved with
// it, and what it has seen by then.
func (f *flow) write(ctx context.Context, in *Inlet, b *entity.Batch, p Push, save []store.StateWrite, s *Stats) error {
	next, first := f.at.after(p), f.at.ID == ""
	var gone []store.StateWrite
	if first {
		var err error
		if gone, err = in.p.forgetSeen(ctx, 1); err != nil {
			return err
		}
	}
	also := func(progress []byte) store.Batch {
		pieces := gone
		if progress != nil || first {
			pieces = append(pieces, store.StateWrite{Key: in.p.sequencePiece(next.Pieces), Value: progress, IfRev: store.AnyRev})
		}
		if progress != nil {
			next.Pieces++
		}
		return store.Batch{State: append(append([]store.StateWrite{next.write(in.p.sequenceKey())}, pieces...), save...)}
	}
	w, err := f.send(ctx, b, also)
	if err != nil {
		return err
	}
	if len(w.Revs) > 0 {
		next.rev = w.Revs[0]
	}
	f.at, s.Changed = next, w.Changed
	return nil
}

func (f *flow) send(ctx context.Context, b *entity.Batch, also func([]byte) store.Batch) (sinks.Written, error) {
	t, ok := f.writer.(sinks.Telling)
	if !ok {
		return f.writer.Write(ctx, b, also(nil).State)
	}
	pending, err := t.BeginTelling(ctx, b, also)
	if err != nil {
		return sinks.Written{}, err
	}
	return pending.Wait(ctx)
}

// end writes the last request and deletes what the sync has not sent. If that
// is cut short, the request was not the last yet: it can be repeated.
func (f *flow) end(ctx context.Context, in *Inlet, b *entity.Batch, p Push, save []store.StateWrite, s *Stats) error {
	w, err := f.writer.Write(ctx, b, nil)
	if err != nil {
		return err
	}
	if t, ok := f.step.(transforms.Finisher); ok {
		if err := t.Finish(ctx); err != nil {
			return err
		}
	}
	gone, err := in.p.forgetSeen(ctx, 0)
	if err != nil {
		return err
	}
	next := f.at.after(p)
	next.Pieces = 0
	save = append(append([]store.StateWrite{next.write(in.p.sequenceKey())}, gone...), save...)
	done, err := f.writer.Finish(ctx, sinks.Finish{SourcePopulated: true}, save)
	s.Changed, s.Deleted = w.Changed+done.Changed, done.Deleted
	return err
}
