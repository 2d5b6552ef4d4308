package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/store"
)

// record saves a delivery after a try, with what the try says about the
// endpoint. The notice is not nil if that disabled it.
func (q *Queue) record(ctx context.Context, d *Delivery, a *Attempt, now time.Time) (*Notice, error) {
	q.verdict(d, a, now)
	var notice *Notice
	b := &store.Batch{Writes: []store.Write{{Dataset: Dataset(q.ID), Ops: ops(d)}}}
	old := q.outworn(d.Status)
	defer old.release()
	b.Writes[0].Ops = append(b.Writes[0].Ops, old.ops()...)
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
	if err == nil {
		q.came(d.Status, d.ID)
		old.gone()
	}
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
