package pipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/store"
)

// state is what a pipe remembers between runs. It is saved in the same commit
// as the entities it speaks of.
type state struct {
	// Offset is where the next run continues; "" reads everything.
	Offset string `json:"offset"`
	// Completed tells that a run has come to its end since the last reset.
	Completed bool `json:"completed"`
	// Runs counts completed runs, for rescan_run_count.
	Runs int `json:"runs"`
	// Tracking is how far the changes of hopped datasets have been followed.
	Tracking map[string]tracked `json:"tracking,omitempty"`
	// Basis is what the output was made from, OutOfSync why that is not so now.
	Basis     *basis   `json:"basis,omitempty"`
	OutOfSync []string `json:"out_of_sync,omitempty"`
	rev       uint64
}

func (p *Pipe) stateKey() string { return "pipe/" + p.ID() }

func (p *Pipe) loadState(ctx context.Context) (state, error) {
	var s state
	data, rev, err := p.env.Store.State(ctx, p.stateKey())
	if err != nil || data == nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("the state of pipe %s cannot be read: %w", p.ID(), err)
	}
	s.rev = rev
	return s, nil
}

func (p *Pipe) write(s state) []store.StateWrite {
	data, err := json.Marshal(s)
	if err != nil {
		return nil // a struct of texts and numbers always marshals
	}
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
	return s.Offset, err
}

// SetOffset moves the place where the next run continues; "" resets the pipe.
func (p *Pipe) SetOffset(ctx context.Context, offset string) error {
	if p.Def.DisableSetLastSeen {
		return errors.New(`"disable_set_last_seen" forbids it`)
	}
	s, err := p.loadState(ctx)
	if err != nil {
		return err
	}
	before := s.Offset
	s.Offset, s.Completed = offset, s.Completed && offset != ""
	if _, err := commit(ctx, p.env.Store, &store.Batch{State: p.write(s)}); err != nil {
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
