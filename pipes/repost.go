package pipes

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// DiscardRetries gives up waiting for entities that have failed: they are
// neither tried again nor put among the dead letters. It returns how many there
// were. A run that is under way fails.
func (p *Pipe) DiscardRetries(ctx context.Context) (int, error) {
	s, err := p.loadState(ctx)
	if err != nil {
		return 0, err
	}
	b := &store.Batch{State: p.write(s)}
	if b.Writes, err = p.emptyQueue(ctx); err != nil {
		return 0, err
	}
	n := 0
	for _, w := range b.Writes {
		n += len(w.Ops)
	}
	b.Writes = append(b.Writes, logged(p.ID(), p.env.Now(), "pump-discard-retries", count("num_entities", n)))
	if _, err := commit(ctx, p.env.Store, b); err != nil {
		return 0, err
	}
	return n, nil
}

// ErrNotFailed is an entity that cannot be reposted.
var ErrNotFailed = errors.New("is not among the entities that have failed")

// Repost has entities that were given up tried again by the next run: those
// with the given ids, or all. Their dead letters go. It returns how many there
// are. A run that is under way fails.
func (p *Pipe) Repost(ctx context.Context, ids []string) (int, error) {
	if !p.keepsFailed() {
		return 0, errors.New("failed entities are kept only with max_write_errors_in_retry_dataset")
	}
	if err := p.tripped(ctx); err != nil {
		return 0, err
	}
	s, err := p.loadState(ctx)
	if err != nil {
		return 0, err
	}
	failed, err := p.given(ctx, ids)
	if err != nil || len(failed) == 0 {
		return 0, err
	}
	b := &store.Batch{State: p.write(s)}
	var queue, log, letters []store.Op
	for _, f := range failed {
		f.dead, f.attempts, f.epoch = false, 0, s.Epoch
		queue = append(queue, put(f.value()))
		log = append(log, put(eventOf(p.errorEvent(f, flag("retryable", true), flag("resolved", false), flag("dead", false),
			entity.Member{Key: "entity", Value: f.entity}))))
		letters = append(letters, store.Op{Kind: store.Delete, ID: f.key})
	}
	b.Writes = []store.Write{{Dataset: RetryDataset(p.ID()), Ops: queue}, {Dataset: LogDataset(p.ID()), Ops: append(log, put(p.reposted(failed)))}}
	if name := p.Letters(); name != "" {
		b.Writes = append(b.Writes, store.Write{Dataset: name, Ops: letters})
	}
	_, err = commit(ctx, p.env.Store, b)
	return len(failed), err
}

// given returns the entities that were given up.
func (p *Pipe) given(ctx context.Context, ids []string) (failed []failure, err error) {
	if len(ids) == 0 {
		err = p.eachFailure(ctx, store.Query{}, func(f failure) {
			if f.dead {
				f.entity = f.entity.Clone()
				failed = append(failed, f)
			}
		})
		return failed, err
	}
	known, err := p.known(ctx, ids, nil)
	for _, id := range ids {
		f, ok := known[id]
		if !ok && err == nil {
			f, ok, err = p.fromLetter(ctx, id)
		}
		if err == nil && !ok {
			err = fmt.Errorf("entity %q %w", id, ErrNotFailed)
		}
		failed = append(failed, f)
	}
	return failed, err
}

// fromLetter makes a failure of a dead letter of which the queue knows nothing
// any more.
func (p *Pipe) fromLetter(ctx context.Context, id string) (failure, bool, error) {
	if p.Letters() == "" {
		return failure{}, false, nil
	}
	found, err := p.env.Store.Get(ctx, p.Letters(), []string{id}, nil)
	if err != nil || found[0].IsNull() || entity.Deleted(found[0]) {
		return failure{}, false, err
	}
	e, ok := found[0].Get("entity")
	return failure{key: id, hash: hashOf(e), entity: e, dead: true}, ok && e.Kind() == entity.Dict, nil
}

// reposted records which entities are tried again.
func (p *Pipe) reposted(failed []failure) entity.Value {
	var all []entity.Value
	for _, f := range failed {
		members := []entity.Member{text(entity.IDKey, f.key), flag(entity.DeletedKey, entity.Deleted(f.entity))}
		if at, ok := f.entity.Get(entity.UpdatedKey); ok {
			members = append(members, entity.Member{Key: entity.UpdatedKey, Value: at})
		}
		all = append(all, entity.NewDict(members...))
	}
	return eventOf([]entity.Member{text(entity.IDKey, "entities-reposted"), text("event_type", "entities-reposted"), text("pipe", p.ID()),
		text("pipe_id", p.ID()), instant("event_time", p.env.Now()), {Key: "entities", Value: entity.NewList(all...)}, count("num_entities", len(failed))})
}

// ResetRescan has a full run that was cut short begin anew instead of going on.
func (p *Pipe) ResetRescan(ctx context.Context) error {
	s, err := p.loadState(ctx)
	if err != nil {
		return err
	}
	s.Full.Offset, s.Full.Pieces = "", 0
	forgotten, err := p.forgetProgress(ctx)
	if err != nil {
		return err
	}
	_, err = commit(ctx, p.env.Store, &store.Batch{State: append(p.write(s), forgotten...)})
	return err
}

// SkipToEnd moves the offset behind all that the source has. What was not read
// before never will be.
func (p *Pipe) SkipToEnd(ctx context.Context) error {
	in := p.Inputs()
	if typ := p.text("source", "type"); len(in) != 1 || typ != "dataset" {
		return errors.New(`only a source of type "dataset" knows its end`)
	}
	_, last, err := p.env.Store.Head(ctx, in[0])
	if err != nil {
		return err
	}
	if last == store.Start {
		return errors.New("the dataset is empty")
	}
	return p.SetOffset(ctx, strconv.FormatInt(int64(last), 10))
}
