package pipes

import (
	"context"
	"errors"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/webhooks"
)

// clogged returns why the webhook that the pipe feeds takes in nothing.
func (p *Pipe) clogged(ctx context.Context) error {
	q := p.Webhook()
	if q == nil {
		return nil
	}
	return p.untilRoom(q.Blocked(ctx))
}

// untilRoom makes what a webhook does not take in now something to wait for:
// the pipe goes on when its queue changes.
func (p *Pipe) untilRoom(err error) error {
	if errors.Is(err, webhooks.ErrDisabled) || errors.Is(err, webhooks.ErrQueueFull) {
		return &WaitError{Reason: "waits: " + err.Error(), Dataset: webhooks.Dataset(p.ID())}
	}
	return err
}

// tellOfWebhook has the execution log say when the pipe's webhook was enabled or
// disabled, in the commit that does it.
func (p *Pipe) tellOfWebhook() {
	q := p.Webhook()
	if q == nil {
		return
	}
	q.Tell = func(n webhooks.Notice) []store.Write {
		event := "webhook-disabled"
		if n.Enabled {
			event = "webhook-enabled"
		}
		members := []entity.Member{text(entity.IDKey, event), text("event_type", event), text("pipe", p.ID()), instant("event_time", n.At), text("reason", n.Why)}
		if n.By != "" {
			members = append(members, text("by", n.By))
		}
		return []store.Write{{Dataset: LogDataset(p.ID()), Ops: []store.Op{put(eventOf(members))}}}
	}
}
