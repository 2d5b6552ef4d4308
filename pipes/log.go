package pipes

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// LogDataset is the id of a pipe's execution log.
func LogDataset(pipe string) string { return "system:pump:" + pipe }

// record writes an event of the execution log. The log is told, not asked: it
// does not hold up the pump, and a log that cannot be written fails no run.
func (p *Pipe) record(ctx context.Context, event string, members ...entity.Member) error {
	return recordIn(ctx, p.env.Store, p.ID(), p.env.Now(), event, members...)
}

func recordIn(ctx context.Context, st store.Store, pipe string, now time.Time, event string, members ...entity.Member) error {
	all := append([]entity.Member{
		{Key: entity.IDKey, Value: entity.NewString(event)},
		{Key: "event_type", Value: entity.NewString(event)},
		{Key: "pipe", Value: entity.NewString(pipe)},
		{Key: "event_time", Value: entity.NewDatetime(now)},
	}, members...)
	_, err := st.Append(ctx, &store.Batch{Writes: []store.Write{{
		Dataset: LogDataset(pipe), Ops: []store.Op{{Kind: store.Put, Entity: entity.NewDict(all...)}},
	}}})
	return err
}

func (p *Pipe) logOffset(ctx context.Context, before, after string) error {
	return p.record(ctx, "pump-offset-set",
		entity.Member{Key: "is_reset", Value: entity.NewBool(after == "")},
		entity.Member{Key: "original_pipe_offset", Value: entity.NewString(before)},
		entity.Member{Key: "pipe_offset", Value: entity.NewString(after)})
}

// LogEnabled records that the pump was enabled or disabled.
func (p *Pipe) LogEnabled(ctx context.Context, enabled bool, comment string) error {
	if enabled {
		return p.record(ctx, "pump-enabled")
	}
	return p.record(ctx, "pump-disabled", entity.Member{Key: "comment", Value: entity.NewString(comment)})
}

// logStart records the start of a run, once, as soon as it is worth a record.
func (r *run) logStart(ctx context.Context) {
	if r.logged {
		return
	}
	r.logged = true
	r.p.record(ctx, "pump-started",
		entity.Member{Key: "start_time", Value: entity.NewDatetime(r.stats.Start)},
		entity.Member{Key: "sync_type", Value: entity.NewString(r.kind.String())})
}

// logEnd records how the run ended, unless it did nothing.
func (r *run) logEnd(ctx context.Context, err error) {
	pump := &r.p.Def.Pump
	idle := r.stats.Changed == 0 && (pump.LogNoopChanges || r.stats.Read == 0)
	if err == nil && idle && !pump.LogNoop {
		return
	}
	r.logStart(ctx)
	event := "pump-completed"
	members := []entity.Member{
		{Key: "start_time", Value: entity.NewDatetime(r.stats.Start)},
		{Key: "end_time", Value: entity.NewDatetime(r.stats.End)},
		{Key: "total_time", Value: entity.NewFloat(r.stats.End.Sub(r.stats.Start).Seconds())},
		{Key: "sync_type", Value: entity.NewString(r.kind.String())},
		{Key: "entities_succeeded", Value: entity.NewInt(int64(r.stats.Read))},
		{Key: "metrics", Value: entity.NewDict(
			entity.Member{Key: "entities", Value: entity.NewDict(
				entity.Member{Key: "changes_last_run", Value: entity.NewInt(int64(r.stats.Changed))},
				entity.Member{Key: "entities_last_run", Value: entity.NewInt(int64(r.stats.Read))},
			)})},
	}
	if err != nil {
		event = "pump-failed"
		members = append(members,
			entity.Member{Key: "reason_why_stopped", Value: entity.NewString(err.Error())},
			entity.Member{Key: "original_error_message", Value: entity.NewString(err.Error())})
	}
	r.p.record(ctx, event, members...)
}

// logReadError records a failed read.
func (r *run) logReadError(ctx context.Context, err error) {
	r.logStart(ctx)
	r.p.record(ctx, "read-error", entity.Member{Key: "original_error_message", Value: entity.NewString(err.Error())})
}

// Stats is what a run did.
type Stats struct {
	Kind       string
	Start, End time.Time
	Read       int // source entities
	Tracked    int // … of them read again for a change elsewhere
	Changed    int // versions that differ from what was there
	Deleted    int // tombstones by deletion tracking
}
