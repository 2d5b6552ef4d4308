package pipes

import (
	"context"
	"errors"

	"github.com/sluiceio/sluice/entity"
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

// LogWebhookDisabled records that the pipe's webhook was disabled by itself.
func (p *Pipe) LogWebhookDisabled(ctx context.Context, why string) error {
	return p.record(ctx, "webhook-disabled", entity.Member{Key: "reason", Value: entity.NewString(why)})
}
