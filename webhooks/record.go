package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// record saves a delivery after a try, with what the try says about the
// endpoint. The notice is not nil if that disabled it.
func (q *Queue) record(ctx context.Context, d *Delivery, a *Attempt, now time.Time) (*Notice, error) {
	q.verdict(d, a, now)
	var notice *Notice
	b := q.write(d)
	err := q.save(ctx, b, func(h *Health) {
		switch {
		case a.Error == "":
			h.FailingSince, h.LastFailure = time.Time{}, time.Time{}
		case !a.Manual:
			q.failed(h, a.At.UTC().Round(0))
		}
		why := q.disables(a, h, now)
		if h.Disabled || why == "" {
			return
		}
		h.Disabled, h.By, h.Why, h.At = true, "", why, now.UTC().Round(0)
		notice = &Notice{Endpoint: q.ID, Why: why, At: h.At}
		q.tell(b, *notice)
	})
	return notice, err
}

// failed notes a failure. The time that an endpoint has been failing does not go
// on while there was nothing to send: one failure now and then disables nobody.
func (q *Queue) failed(h *Health, at time.Time) {
	quiet := 48 * time.Hour
	for _, d := range q.Schedule {
		quiet = max(quiet, 2*d)
	}
	if h.FailingSince.IsZero() || at.Sub(h.LastFailure) > quiet {
		h.FailingSince = at
	}
	if at.Sub(h.LastFailure) > time.Hour {
		h.LastFailure = at
	}
}

// verdict says what a delivery is after a try.
func (q *Queue) verdict(d *Delivery, a *Attempt, now time.Time) {
	manual := d.Manual
	d.Manual = false
	if !manual {
		d.Tries++
	}
	switch {
	case a.Error == "":
		d.Status = Delivered
	case manual:
		d.Status = d.Before
	case a.Status == http.StatusGone, d.Tries > len(q.Schedule):
		d.Status = Failed
	default:
		d.Due = now.Add(pause(q.Schedule[d.Tries-1], a))
	}
}

// disables says why a try disables the endpoint, "" if it does not.
func (q *Queue) disables(a *Attempt, h *Health, now time.Time) string {
	switch {
	case a.Status == http.StatusGone:
		return "the receiver answered 410 Gone"
	case a.Error != "" && !a.Manual && q.DisableAfter > 0 && !h.FailingSince.IsZero() && now.Sub(h.FailingSince) >= q.DisableAfter:
		return fmt.Sprintf("every try has failed since %s; the last one: %s", h.FailingSince.Format(time.RFC3339), a.Error)
	default:
		return ""
	}
}

// keep is how many deliveries of a status are kept.
func (q *Queue) keep(s Status) int {
	if s == Failed {
		return q.KeepFailed
	}
	return q.KeepDelivered
}

// trim removes, of the deliveries that came to that end, those that did longest
// ago, if there are so many more than are to be kept that it is worth it.
func (s *shift) trim(status Status, there int) error {
	keep := s.Queue.keep(status)
	extra := there - keep
	if extra <= keep/10 {
		return nil
	}
	return s.Queue.alone(func() error { return s.forget(status, extra) })
}

func (s *shift) forget(status Status, extra int) error {
	var ops []store.Op
	from, known := s.kept[status]
	if !known {
		from = store.Start
	}
	err := s.Queue.eachOf(s.ctx, extra, status, from, func(e entity.Value) bool {
		r := record{e}
		ops = append(ops, store.Op{Kind: store.Delete, ID: r.text(entity.IDKey)})
		from = store.Offset(r.number(entity.UpdatedKey))
		return len(ops) < extra
	})
	if err == nil && len(ops) > 0 {
		err = s.Queue.commit(s.ctx, &store.Batch{Writes: []store.Write{{Dataset: Dataset(s.Queue.ID), Ops: ops}}})
	}
	if err != nil {
		return err
	}
	s.kept[status] = from
	s.Queue.end(status, -len(ops))
	if status == Failed {
		s.Log.Warn("deliveries that failed longest ago are forgotten", "webhook", s.Queue.ID, "deliveries", len(ops))
	}
	return nil
}

// each yields the deliveries that got a status behind an offset, in the order in
// which they did; yield returns false to stop, and keeps nothing.
func (q *Queue) each(ctx context.Context, status Status, since store.Offset, yield func(e entity.Value) bool) error {
	return q.eachOf(ctx, 0, status, since, yield)
}

// eachOf is each for callers that will stop after about so many.
func (q *Queue) eachOf(ctx context.Context, about int, status Status, since store.Offset, yield func(e entity.Value) bool) error {
	arena := entity.NewArena()
	for {
		arena.Reset()
		page, err := q.store.Read(ctx, Dataset(q.ID), store.Query{Since: since, Limit: min(about, 100), Index: statusIndex, Key: []byte(status)}, arena)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if !entity.Deleted(e) && !yield(e) {
				return nil
			}
		}
		if since = page.Next; page.End {
			return nil
		}
	}
}
