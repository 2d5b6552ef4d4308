package pipes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// Stats is what a run did.
type Stats struct {
	Kind       string
	Start, End time.Time
	Read       int // source entities
	Tracked    int // … of them read again for a change elsewhere
	Changed    int // versions that differ from what was there
	Deleted    int // tombstones by deletion tracking
	Succeeded  int // source entities delivered
	Failed     int // failures to deliver one
	Retried    int // source entities that had failed in an earlier run
	ReadErrors int
	// Rescan tells that a rescan in the background is due.
	Rescan bool
	// Kept tells that nothing was deleted for absence, since entities failed or
	// what the source reads is no complete view.
	Kept bool
	// Memory is what the largest batch took, in bytes.
	Memory int64
	// Peak is what the whole node took at the end of the batch where that was most,
	// in bytes.
	Peak int64
	// Time spent in source, transforms and sink.
	Source, Transform, Sink time.Duration
}

func text(key, value string) entity.Member {
	return entity.Member{Key: key, Value: entity.NewString(value)}
}

func count(key string, n int) entity.Member {
	return entity.Member{Key: key, Value: entity.NewInt(int64(n))}
}

func flag(key string, on bool) entity.Member {
	return entity.Member{Key: key, Value: entity.NewBool(on)}
}

func instant(key string, t time.Time) entity.Member { return text(key, t.UTC().Format(eventLayout)) }

func seconds(key string, d time.Duration) entity.Member {
	return entity.Member{Key: key, Value: entity.NewFloat(d.Seconds())}
}

// logStart records the start of a run, once, as soon as it is worth a record.
func (r *run) logStart(ctx context.Context) {
	if r.logged {
		return
	}
	r.logged = true
	// What cannot be logged fails no run.
	r.started, _ = r.p.env.Store.Append(ctx, &store.Batch{Writes: []store.Write{r.startRecord()}})
}

// startLater is how long a run may take whose start is recorded when it ends.
const startLater = time.Second

// logLongStart records the start of a run that takes long, and of a full one.
func (r *run) logLongStart(ctx context.Context) {
	if r.kind != sinks.Incremental || r.p.env.Now().Sub(r.stats.Start) >= startLater {
		r.logStart(ctx)
	}
}

// startRecord is the record of the start of a run.
func (r *run) startRecord() store.Write {
	e := eventOf([]entity.Member{text(entity.IDKey, "pump-started"), text("event_type", "pump-started"), text("pipe", r.p.ID()),
		instant("event_time", r.p.env.Now()), instant("start_time", r.stats.Start), text("sync_type", r.kind.String()),
		text("pump_definition", r.p.ID())})
	return store.Write{Dataset: LogDataset(r.p.ID()), Ops: []store.Op{put(e)}}
}

// stands is a batch that is safe.
type stands struct{}

// Wait implements store.Pending.
func (stands) Wait(context.Context) (store.Result, error) { return store.Result{}, nil }

// location is the place of the record of the start in the log.
func (r *run) location(ctx context.Context) []entity.Member {
	if r.started == nil {
		return nil
	}
	if _, err := r.started.Wait(ctx); err != nil {
		return nil
	}
	found, err := r.p.env.Store.Get(ctx, LogDataset(r.p.ID()), []string{"pump-started"}, nil)
	if err != nil || found[0].IsNull() {
		return nil
	}
	at, _ := found[0].Get(entity.UpdatedKey)
	n, _ := at.Int64()
	return []entity.Member{startedAt(store.Offset(n))}
}

func startedAt(o store.Offset) entity.Member { return count("pump_started_location", int(o)) }

// idle tells whether a run did nothing that is worth a record.
func (r *run) idle(ctx context.Context) bool {
	pump, s := &r.p.Def.Pump, &r.stats
	if pump.LogNoop || s.Failed+s.Retried+s.ReadErrors > 0 {
		return false
	}
	nothing := s.Changed == 0 && s.Deleted == 0
	if !pump.LogNoopChanges {
		nothing = s.Read == 0
	}
	return nothing && !r.silentTooLong(ctx) && !r.recovers(ctx)
}

// recovers tells whether the last record is of a failure, which would go on to
// be the last that is known of the pipe.
func (r *run) recovers(ctx context.Context) bool {
	last, err := r.p.LastRun(ctx)
	return err == nil && last.Failed != ""
}

// silentTooLong tells whether the last record of a completed run is older than
// notification_granularity.
func (r *run) silentTooLong(ctx context.Context) bool {
	n := r.p.Def.Pump.Granularity
	if n == nil || n.Kind != jsonpos.Number {
		return false
	}
	most, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || most <= 0 || most > math.MaxInt32 {
		return false
	}
	found, err := r.p.env.Store.Get(ctx, LogDataset(r.p.ID()), []string{"pump-completed"}, nil)
	if err != nil {
		return false
	}
	return found[0].IsNull() || r.p.env.Now().Sub(EventTime(found[0])).Seconds() > most
}

// logEnd records how the run ended, unless it did nothing.
func (r *run) logEnd(ctx context.Context, err error) {
	if err == nil && (r.over || r.idle(ctx)) {
		return
	}
	r.logStart(ctx)
	members, told := r.ended(ctx, r.location(ctx)...)
	if err == nil {
		r.p.recordWith(ctx, told, "pump-completed", members...)
		return
	}
	if r.stopped != "" {
		members = append(members, text("stopped", r.stopped))
	}
	members = append(append(members, text("reason_why_stopped", err.Error())), traces(err)...)
	if !r.culprit.IsNull() {
		members = append(members, entity.Member{Key: "exception_entity", Value: r.culprit})
	}
	r.p.recordWith(ctx, told, "pump-failed", append(members, entity.Member{Key: "node_build_info", Value: buildInfo()})...)
}

// ended is what the record of the end says whatever the end was, the place of that of
// the start included, and what is saved with it.
func (r *run) ended(ctx context.Context, started ...entity.Member) (members []entity.Member, told []store.StateWrite) {
	s := &r.stats
	waiting, _, _ := r.p.Failures(ctx)
	forgotten, told := r.p.forgotten(ctx)
	members = append([]entity.Member{instant("start_time", s.Start), instant("end_time", s.End),
		text("total_time", strconv.FormatFloat(s.End.Sub(s.Start).Seconds(), 'f', -1, 64)),
		text("sync_type", r.kind.String()), text("pump_definition", r.p.ID()), flag("retry_entities_exist", waiting > 0),
		count("entities_succeeded", s.Succeeded), count("entities_failed", s.Failed), r.metrics(forgotten)}, started...)
	if next, ok := r.p.nextInterval(); ok {
		members = append(members, entity.Member{Key: "next_interval", Value: entity.NewFloat(next)})
	}
	if s.Kept {
		members = append(members, text("deletion_tracking", "left out: "+r.kept))
	}
	return members, told
}

func (r *run) metrics(forgotten int64) entity.Member {
	s := &r.stats
	all := []entity.Member{{Key: "entities", Value: entity.NewDict(
		count("changes_last_run", s.Changed+s.Deleted), count("entities_last_run", s.Read),
		count("read_errors_last_run", s.ReadErrors), count("write_errors_last_run", s.Failed),
		count("ttl_deletes_entities_last_run", int(forgotten)), // apart from runs: since the last one
		seconds("source_time", s.Source), seconds("transform_time", s.Transform), seconds("sink_time", s.Sink))}}
	if joins := r.joins.Most(); len(joins)+len(r.p.facts.Hops) > 0 {
		rows, peak := r.joins.Found()
		all = append(all, entity.Member{Key: "hops", Value: cardinalities(joins, rows, peak)})
	}
	all = append(all, entity.Member{Key: "memory", Value: entity.NewDict(count("batch-max-mem-size", int(s.Memory)), count("total-peak", int(s.Peak)))})
	return entity.Member{Key: "metrics", Value: entity.NewDict(all...)}
}

// cardinalities is what hops have found: in all, and traced ones at the most, by
// trace and alias.
func cardinalities(joins map[string]map[string]int, rows, peak int) entity.Value {
	traces := []entity.Member{count("max-cardinality", peak), count("max-cardinality-last-run", peak), count("total-rows-last-run", rows)}
	for _, name := range slices.Sorted(maps.Keys(joins)) {
		var most []entity.Member
		for _, alias := range slices.Sorted(maps.Keys(joins[name])) {
			most = append(most, count(alias, joins[name][alias]))
		}
		traces = append(traces, entity.Member{Key: name, Value: entity.NewDict(
			entity.Member{Key: "max_cardinality", Value: entity.NewDict(most...)})})
	}
	return entity.NewDict(traces...)
}

// nextInterval is the number of seconds until the next run by the schedule,
// give or take what keeps pumps from marching in step.
func (p *Pipe) nextInterval() (float64, bool) {
	switch {
	case p.Def.Pump.Mode != "scheduled":
		return 0, false
	case p.Def.Pump.Cron == "":
		return p.Interval().Seconds(), true
	}
	now := p.env.Now()
	c, err := ParseCron(p.Def.Pump.Cron)
	if err != nil {
		return 0, false
	}
	next, err := c.Next(now)
	return next.Sub(now).Seconds(), err == nil
}

// logReadError records a failed read.
func (r *run) logReadError(ctx context.Context, err error) {
	r.stats.ReadErrors++
	r.logStart(ctx)
	var guid [16]byte
	rand.Read(guid[:]) // it never fails
	members := append([]entity.Member{text(entity.IDKey, "read-error:"+hex.EncodeToString(guid[:])), text("event_type", "read-error"),
		text("pipe", r.p.ID()), instant("event_time", r.p.env.Now()), count("error_code", errorCode(err))}, traces(err)...)
	r.p.env.Store.Append(ctx, &store.Batch{Writes: []store.Write{{Dataset: LogDataset(r.p.ID()), Ops: []store.Op{put(eventOf(members))}}}})
}

// errorCode tells a system that could not be reached, 0, from an entity that
// cannot be dealt with, 1.
func errorCode(err error) int {
	var call *systems.CallError
	var network net.Error
	if errors.As(err, &call) || errors.As(err, &network) {
		return 0
	}
	return 1
}

// traces tell of an error what went through which hands: the whole text, the
// place in the rules if there is one, and what it comes from.
func traces(err error) []entity.Member {
	root := origin(err)
	members := []entity.Member{text("traceback", chain(err)), text("original_traceback", chain(root)), text("original_error_message", root.Error())}
	if at, ok := dtl.IsRunError(err); ok && at.Span.File != "" {
		members = append(members, text("location", fmt.Sprintf("%s:%d:%d", at.Span.File, at.Span.Start.Line, at.Span.Start.Col)))
	}
	return members
}

// wrapped is the next cause of an error; nil where causes may hold secrets.
func wrapped(err error) error {
	switch err.(type) {
	case *systems.OperationError, *systems.CallError, *systems.StatusError, *dtl.RunError:
		return nil
	}
	return errors.Unwrap(err)
}

// origin is the innermost error that may be shown.
func origin(err error) error {
	for next := wrapped(err); next != nil; next = wrapped(err) {
		err = next
	}
	return err
}

// chain lists an error and its causes, the outermost first.
func chain(err error) string {
	lines := []string{err.Error()}
	for err = wrapped(err); err != nil; err = wrapped(err) {
		if text := "caused by: " + err.Error(); text != "caused by: "+lines[0] {
			lines = append(lines, text)
		}
	}
	return strings.Join(lines, "\n")
}

// buildInfo tells which Sluice this is.
func buildInfo() entity.Value {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return entity.NewDict()
	}
	members := []entity.Member{text("version", info.Main.Version), text("go", info.GoVersion)}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			members = append(members, text("git-revision", s.Value))
		case "vcs.time":
			members = append(members, text("date", s.Value))
		case "vcs.modified":
			members = append(members, flag("dirty", s.Value == "true"))
		}
	}
	return entity.NewDict(members...)
}
