package pipes

import (
	"context"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// LogDataset is the id of a pipe's execution log.
func LogDataset(pipe string) string { return "system:pump:" + pipe }

// record writes an event of the execution log. The log is told, not asked: it
// does not hold up the pump, and a log that cannot be written fails no run.
func (p *Pipe) record(ctx context.Context, event string, members ...entity.Member) error {
	return p.recordWith(ctx, nil, event, members...)
}

// recordWith saves states in the same commit.
func (p *Pipe) recordWith(ctx context.Context, with []store.StateWrite, event string, members ...entity.Member) error {
	_, err := p.env.Store.Append(ctx, &store.Batch{State: with, Writes: []store.Write{logged(p.ID(), p.env.Now(), event, members...)}})
	return err
}

// recordNow writes an event of something that was done by hand: whoever did it finds
// it in the log as soon as he is told that it is done.
func (p *Pipe) recordNow(ctx context.Context, event string, members ...entity.Member) error {
	return recordIn(ctx, p.env.Store, p.ID(), p.env.Now(), event, members...)
}

func recordIn(ctx context.Context, st store.Store, pipe string, now time.Time, event string, members ...entity.Member) error {
	_, err := commit(ctx, st, &store.Batch{Writes: []store.Write{logged(pipe, now, event, members...)}})
	return err
}

// logged is an event on its way into the execution log.
func logged(pipe string, now time.Time, event string, members ...entity.Member) store.Write {
	all := append([]entity.Member{
		{Key: entity.IDKey, Value: entity.NewString(event)},
		{Key: "event_type", Value: entity.NewString(event)},
		{Key: "pipe", Value: entity.NewString(pipe)},
		instant("event_time", now),
	}, members...)
	return store.Write{Dataset: LogDataset(pipe), Ops: []store.Op{put(eventOf(all))}}
}

// longest is how long a property of an event may be, as JSON.
const longest = 10 << 20

// eventOf makes an event of its members; what is too long is cut.
func eventOf(members []entity.Member) entity.Value {
	for i, m := range members {
		if text := entity.AppendJSON(nil, m.Value); len(text) > longest {
			members[i].Value = entity.NewString(strings.ToValidUTF8(string(text[:longest]), "") + "…")
		}
	}
	return entity.NewDict(members...)
}

func (p *Pipe) logOffset(ctx context.Context, before, after string) error {
	return p.recordNow(ctx, "pump-offset-set",
		entity.Member{Key: "is_reset", Value: entity.NewBool(after == "")},
		entity.Member{Key: "original_pipe_offset", Value: entity.NewString(before)},
		entity.Member{Key: "pipe_offset", Value: entity.NewString(after)})
}

// LogEnabled records that the pump was enabled or disabled.
func (p *Pipe) LogEnabled(ctx context.Context, enabled bool, comment string) error {
	if enabled {
		return p.recordNow(ctx, "pump-enabled")
	}
	return p.recordNow(ctx, "pump-disabled", entity.Member{Key: "comment", Value: entity.NewString(comment)})
}
