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
		return LastRun{At: eventTime(completed)}, nil
	}
	why, _ := failed.Get("reason_why_stopped")
	return LastRun{At: eventTime(failed), Failed: why.Text()}, nil
}

// place is the version's place in the log, which clocks do not confuse.
func place(e entity.Value) int64 {
	v, _ := e.Get(entity.UpdatedKey)
	n, _ := v.Int64()
	return n
}

func eventTime(e entity.Value) time.Time {
	if e.IsNull() {
		return time.Time{}
	}
	v, _ := e.Get("event_time")
	if v.Kind() != entity.Datetime {
		return time.Time{}
	}
	return v.Time()
}
