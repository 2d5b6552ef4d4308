package pipes

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// LastRun is the end of a pipe's last run that was worth a record.
type LastRun struct {
	At     time.Time
	Failed string // why; "" if it came to its end
}

// LastRun reads the end of the last run from the execution log.
func (p *Pipe) LastRun(ctx context.Context) (LastRun, error) {
	found, err := p.env.Store.Get(ctx, LogDataset(p.ID()), []string{"pump-completed", "pump-failed"}, nil)
	if errors.Is(err, store.ErrNoDataset) {
		return LastRun{}, nil
	}
	if err != nil || len(found) != 2 {
		return LastRun{}, err
	}
	completed, failed := found[0], found[1]
	if failed.IsNull() || !completed.IsNull() && place(completed) > place(failed) {
		return LastRun{At: EventTime(completed)}, nil
	}
	why, _ := failed.Get("reason_why_stopped")
	return LastRun{At: EventTime(failed), Failed: why.Text()}, nil
}

// place is the version's place in the log, which clocks do not confuse.
func place(e entity.Value) int64 {
	v, _ := e.Get(entity.UpdatedKey)
	n, _ := v.Int64()
	return n
}

// eventLayout is how times stand in the execution log: as text, for those who read it
// elsewhere.
const eventLayout = "2006-01-02T15:04:05.000000Z07:00"

// EventTime is when an event of the execution log was, zero if it does not say. Earlier
// versions wrote datetimes.
func EventTime(e entity.Value) time.Time {
	v, _ := e.Get("event_time")
	switch v.Kind() {
	case entity.Datetime:
		return v.Time()
	case entity.String:
		t, err := time.Parse(time.RFC3339Nano, v.Text())
		if err == nil {
			return t
		}
	}
	return time.Time{}
}
