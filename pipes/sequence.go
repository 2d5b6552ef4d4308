package pipes

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/sluiceio/sluice/store"
)

// Push is what a sender says of a request by the JSON push protocol.
type Push struct {
	// Full tells that the request is part of a full sync, whose requests have
	// one Sequence, an id Request each, and say which one was the Previous.
	Full                        bool
	Sequence, Request, Previous string
	// First and Last mark the ends of a full sync.
	First, Last bool
	// Body is what was posted, by which a request is known again.
	Body []byte
	// Complete is up to when the sender is complete, in microseconds since 1970;
	// 0 is now.
	Complete int64
}

// SequenceError is a request that conflicts with the full sync under way, or
// with there being none. The sender has to begin anew, with a new sequence.
type SequenceError struct{ text string }

// Error says what conflicts, and what to do.
func (e *SequenceError) Error() string {
	return e.text + "; begin the full sync anew, with another sequence_id"
}

func conflict(format string, args ...any) error {
	return &SequenceError{fmt.Sprintf(format, args...)}
}

// sequence is how far a full sync has come that others push. It is saved in the
// commit of each of its requests, so that it goes on after a restart and a
// request that is repeated for its lost answer is known again. Of each pipe
// there is one: the last.
type sequence struct {
	ID       string `json:"id"`
	Request  string `json:"request"` // the last one taken
	Previous string `json:"previous,omitempty"`
	Digest   string `json:"digest"` // of its body
	// Over tells that the last request was the last of all.
	Over bool `json:"over,omitempty"`
	// Pieces is how many pieces there are of what it has seen.
	Pieces int `json:"pieces,omitempty"`
	// Generation is that of the sink's dataset, Before its newest version when
	// the sync began.
	Generation string       `json:"generation,omitempty"`
	Before     store.Offset `json:"before"`
	// Config is the digest of what decided the output then.
	Config string `json:"config,omitempty"`
	rev    uint64
}

func (p *Pipe) sequenceKey() string { return "push/" + p.ID() }

func (p *Pipe) sequencePieces() string { return p.sequenceKey() + "/" }

func (p *Pipe) sequencePiece(n int) string { return fmt.Sprintf("%s%08d", p.sequencePieces(), n) }

func (p *Pipe) loadSequence(ctx context.Context) (q sequence, err error) {
	data, rev, err := p.env.Store.State(ctx, p.sequenceKey())
	if err != nil || data == nil {
		return q, err
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return q, fmt.Errorf("the full sync of pipe %s cannot be read: %w", p.ID(), err)
	}
	q.rev = rev
	return q, nil
}

// write saves the sequence, unless somebody else has done so.
func (q sequence) write(key string) store.StateWrite {
	data, err := json.Marshal(q)
	if err != nil {
		data = nil // texts and numbers always marshal
	}
	return store.StateWrite{Key: key, Value: data, IfRev: q.rev}
}

// What a request is to the sequence.
type standing uint8

const (
	begins standing = iota
	continuesIt
	repeatsIt
)

// admit judges a request of a full sync.
func (q *sequence) admit(p Push) (standing, error) {
	same := p.Sequence == q.ID && q.ID != ""
	switch {
	case same && p.Request == q.Request && p.Previous == q.Previous && digest(p.Body) == q.Digest && p.Last == q.Over:
		return repeatsIt, nil
	case same && !q.Over && p.First:
		return begins, conflict("is_first is true, but sequence %q has begun already", p.Sequence)
	case same && !q.Over && p.Previous != q.Request:
		return begins, conflict("previous_request_id is %q, but the previous request of sequence %q was %q", p.Previous, p.Sequence, q.Request)
	case same && !q.Over:
		return continuesIt, nil
	case p.First || p.Previous == "":
		return begins, nil
	case q.ID == "" || q.Over:
		return begins, conflict("the request goes on with sequence %q, which is not under way", p.Sequence)
	default:
		return begins, conflict("the request goes on with sequence %q, but sequence %q has taken its place", p.Sequence, q.ID)
	}
}

func digest(body []byte) string {
	sum := xxh3.Hash128(body).Bytes()
	return hex.EncodeToString(sum[:])
}

// after is the sequence behind a request.
func (q sequence) after(p Push) sequence {
	q.ID, q.Request, q.Previous, q.Digest, q.Over = p.Sequence, p.Request, p.Previous, digest(p.Body), p.Last
	return q
}

// start is the beginning of a sequence in the place of another.
func (p *Pipe) start(ctx context.Context, old sequence) (sequence, error) {
	q := sequence{rev: old.rev, Before: store.Start, Config: p.digest}
	if p.Output() == "" {
		return q, nil
	}
	generation, last, err := p.env.Store.Head(ctx, p.Output())
	if errors.Is(err, store.ErrNoDataset) {
		return q, nil
	}
	q.Generation, q.Before = hex.EncodeToString(generation[:]), last
	return q, err
}

// begunAlike refuses to go on if the sink's dataset or the pipe is not that of the
// beginning: what the sync has seen says nothing about it.
func (p *Pipe) begunAlike(ctx context.Context, q sequence) error {
	now, err := p.start(ctx, q)
	switch {
	case err != nil:
		return err
	case now.Generation != q.Generation:
		return conflict("the dataset was made anew since sequence %q began", q.ID)
	case q.Config != "" && now.Config != q.Config:
		return conflict("the configuration of the pipe has changed since sequence %q began", q.ID)
	}
	return nil
}

// forgetSeen removes what a sequence has seen, but for the first kept pieces.
func (p *Pipe) forgetSeen(ctx context.Context, kept int) (gone []store.StateWrite, err error) {
	keys, err := p.env.Store.States(ctx, p.sequencePieces())
	for _, key := range keys {
		if key >= p.sequencePiece(kept) {
			gone = append(gone, store.StateWrite{Key: key, IfRev: store.AnyRev})
		}
	}
	return gone, err
}
