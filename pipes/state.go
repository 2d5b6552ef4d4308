package pipes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
)

// state is what a pipe remembers between runs. It is saved in the same commit
// as the entities it speaks of.
type state struct {
	// Offset is where the next run continues; "" reads everything.
	Offset string `json:"offset"`
	// Completed tells that a run has come to its end since the last reset.
	Completed bool `json:"completed"`
	// Runs counts completed runs since the last full one, that one included,
	// for rescan_run_count.
	Runs int `json:"runs"`
	// Partials counts completed runs since the last full or partial one, that
	// one included, for partial_rescan_run_count.
	Partials int `json:"partials,omitempty"`
	// Full is a full run that is under way or owed.
	Full fullRun `json:"full,omitzero"`
	// Epoch counts resets. What failed in an earlier one is tried again when it
	// is read again.
	Epoch int `json:"epoch,omitempty"`
	// Tracking is how far the changes of hopped datasets have been followed.
	Tracking map[string]tracked `json:"tracking,omitempty"`
	// Origin is what a distant source was when Offset was read from it.
	Origin string `json:"origin,omitempty"`
	// Basis is what the output was made from, OutOfSync why that is not so now.
	Basis     *basis   `json:"basis,omitempty"`
	OutOfSync []string `json:"out_of_sync,omitempty"`
	// Rescan begins with rescanWanted if a rescan in the background is, and goes on
	// with which one; else it is "".
	Rescan string `json:"rescan,omitempty"`
	// Refill tells that the last full run could not delete, since its source had been
	// made anew and was not populated yet, or since entities had failed.
	Refill bool `json:"refill,omitempty"`
	// Subset is the dataset of which the source reads a subset, if it does: what has
	// left the subset behind Offset must stay to be read.
	Subset string `json:"subset,omitempty"`
	// Anchor is what Offset is a place in, "" if nobody knows.
	Anchor string `json:"anchor,omitempty"`
	// Sink is the dataset the pipe writes to, "" if nobody knows.
	Sink string `json:"sink,omitempty"`
	// Over tells that reading began again from the beginning, and that the runs that
	// do so are no full ones.
	Over bool `json:"over,omitempty"`
	rev  uint64
}

func (p *Pipe) stateKey() string { return "pipe/" + p.ID() }

func (p *Pipe) loadState(ctx context.Context) (state, error) {
	var s state
	data, rev, err := p.env.Store.State(ctx, p.stateKey())
	if err != nil || data == nil {
		return s, err
	}
	if last := p.last.Load(); last != nil && bytes.Equal(last.data, data) {
		s = last.state
	} else if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("the state of pipe %s cannot be read: %w", p.ID(), err)
	}
	s.rev = rev
	return s, nil
}

// writtenState is a state as it was written last, so that it need not be read to be
// known. What it refers to never changes.
type writtenState struct {
	data  []byte
	state state
}

func (p *Pipe) write(s state) []store.StateWrite {
	s.Subset, s.Sink = p.subsetOf(), p.Output()
	data, err := json.Marshal(s)
	if err != nil {
		return nil // a struct of texts and numbers always marshals
	}
	s.OutOfSync = slices.Clip(s.OutOfSync)
	p.last.Store(&writtenState{data, s})
	return []store.StateWrite{{Key: p.stateKey(), Value: data, IfRev: s.rev}}
}

// EverCompleted tells whether a run of the pipe has ever come to its end.
func (p *Pipe) EverCompleted(ctx context.Context) (bool, error) {
	s, err := p.loadState(ctx)
	return s.Completed, err
}

// Offset is where the next run continues; "" if it reads everything.
func (p *Pipe) Offset(ctx context.Context) (string, error) {
	s, err := p.loadState(ctx)
	return p.goesOn(s), err
}

// ErrFixedOffset is an offset that the configuration forbids to move by hand.
var ErrFixedOffset = errors.New(`"disable_set_last_seen" forbids to reset the pipe`)

// SetOffset moves the place where the next run continues. "" resets the pipe:
// it reads everything, and what failed before counts no more. A run that is
// under way fails.
func (p *Pipe) SetOffset(ctx context.Context, offset string) error {
	return p.moveTo(ctx, offset, nil)
}

// moveTo is SetOffset with states that are saved in the same commit.
func (p *Pipe) moveTo(ctx context.Context, offset string, also []store.StateWrite) error {
	if p.Def.DisableSetLastSeen {
		return ErrFixedOffset
	}
	if c, ok := p.source.(sources.Placed); ok && offset != "" {
		if err := c.CheckOffset(offset); err != nil {
			return err
		}
	}
	s, err := p.loadState(ctx)
	if err != nil {
		return err
	}
	before := s.Offset
	b := &store.Batch{}
	if b.State, err = p.forgetProgress(ctx); err != nil {
		return err
	}
	s.Offset, s.Full, s.Anchor, s.Over = offset, fullRun{}, p.anchor(), false
	if offset == "" {
		s.Completed = false
		s.Epoch++
		if b.Writes, err = p.emptyQueue(ctx); err != nil {
			return err
		}
	}
	b.State = append(append(b.State, p.write(s)...), also...)
	if _, err := commit(ctx, p.env.Store, b); err != nil {
		return err
	}
	return p.logOffset(ctx, before, offset)
}

func commit(ctx context.Context, st store.Store, b *store.Batch) (store.Result, error) {
	pending, err := st.Append(ctx, b)
	if err != nil {
		return store.Result{}, err
	}
	return pending.Wait(ctx)
}
