package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/sluiceio/sluice/webhooks"
)

// ErrNoWebhook is a pipe whose sink is no webhook.
var ErrNoWebhook = errors.New("the pipe feeds no webhook")

// dispatchers makes what delivers the webhooks of the configuration. A webhook
// whose pipe is gone keeps its queue, and is served again when the pipe is back.
func (e *Engine) dispatchers() map[string]*webhooks.Dispatcher {
	hooks, room := map[string]*webhooks.Dispatcher{}, new(webhooks.Room)
	for _, p := range e.graph.pipes {
		q := p.Webhook()
		if q == nil {
			continue
		}
		id := webhooks.Dataset(q.ID)
		if e.o.After != nil && e.o.After.hooks[id] != nil {
			q.Succeed(e.o.After.hooks[id].Queue)
		}
		hooks[id] = &webhooks.Dispatcher{Queue: q, Now: e.now, Log: e.o.Log, Room: room}
	}
	return hooks
}

// drainWebhooks tries all deliveries that are due, those of one webhook beside
// those of the others.
func (e *Engine) drainWebhooks(ctx context.Context) {
	var all sync.WaitGroup
	for _, d := range e.hooks {
		all.Go(func() { d.Drain(ctx) })
	}
	all.Wait()
}

// Webhooks are the ids of the pipes that feed webhooks, in the order of the
// configuration.
func (e *Engine) Webhooks() []string {
	ids := []string{}
	for _, p := range e.graph.pipes {
		if p.Webhook() != nil {
			ids = append(ids, p.ID())
		}
	}
	return ids
}

// Webhook returns the queue that a pipe feeds.
func (e *Engine) Webhook(id string) (*webhooks.Queue, error) {
	p, ok := e.Pipe(id)
	if !ok {
		return nil, ErrNoPipe
	}
	if q := p.Webhook(); q != nil {
		return q, nil
	}
	return nil, ErrNoWebhook
}

// EnableWebhook enables a webhook or disables it. A pipe that waited for it
// goes on.
func (e *Engine) EnableWebhook(ctx context.Context, id string, enabled bool, sw Switch) error {
	q, err := e.Webhook(id)
	if err != nil {
		return err
	}
	if err := q.SetEnabled(ctx, enabled, sw.By, sw.Comment, e.now()); err != nil {
		return err
	}
	e.signal([]string{webhooks.Dataset(id)}, nil)
	return nil
}
