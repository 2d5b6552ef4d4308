// Package pipeforce is the dialect of PIPEFORCE: pipelines in *.pi.yaml files
// become pipes, webhooks of one receiving address become events, and results of
// pipelines can be polled.
package pipeforce

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
	"github.com/sluiceio/sluice/webhooks"
)

// Dialect returns the dialect.
func Dialect() dialects.Dialect {
	return dialects.Dialect{
		Name: "pipeforce", Front: front{}, Serve: serve,
		Sources: []sources.Type{sourceType()}, Transforms: []transforms.Type{transformType()}, Systems: []systems.Type{systemType()},
	}
}

// service is the dialect in a node that is served.
type service struct {
	node    dialects.Node
	rt      *runtime
	log     *slog.Logger
	inbox   *webhooks.Inbox
	hooked  []listener // the pipelines, and what they listen to
	news    *news
	polls   polls
	counted calls
	pace    pace
	// refusals are requests to be kept that were not taken in.
	refusals chan refusal
	tasks    sync.WaitGroup
	// life lasts until end is called; what has begun has a consumer.
	life     context.Context
	end      context.CancelFunc
	begun    sync.Mutex
	consumer *messages.Consumer
}

// listener is a pipeline that listens to messages.
type listener struct {
	pipe    string
	pattern messages.Pattern
}

func serve(ctx context.Context, n dialects.Node, mux *http.ServeMux) (func(), error) {
	s := &service{node: n, log: n.Log(), news: newNews(), polls: polls{last: map[string]time.Time{}}, counted: calls{of: map[string]*called{}}, refusals: make(chan refusal, mostRefusals)}
	s.rt = &runtime{store: n.Store(), now: n.Now, hub: hubOf(n), address: n.Address()}
	s.inbox = &webhooks.Inbox{Pipe: inboxID, Store: n.Store(), Window: 24 * time.Hour, MostRequests: s.rt.hub.cfg.RequestLimit, MostBytes: webhooks.UsualBytes, MostEvents: 1}
	s.life, s.end = context.WithCancel(ctx)
	s.hooked = listeners(n)
	s.doors(mux)
	// Pipelines have made the dataset when they were loaded. A node that has none, and
	// was never called, has nothing to do until somebody calls.
	_, err := n.Store().Info(ctx, hooksDataset)
	if err == nil {
		err = s.begin()
	}
	if err != nil && !errors.Is(err, store.ErrNoDataset) {
		s.stop()
		return func() {}, err
	}
	return s.stop, nil
}

// begin readies the datasets and what goes on beside calls, unless that is done.
func (s *service) begin() error {
	s.begun.Lock()
	defer s.begun.Unlock()
	if err := s.life.Err(); err != nil || s.consumer != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.rt.load, s.inbox.Load, s.rt.keepAddress} {
		if err := step(s.life); err != nil {
			return err
		}
	}
	consumer, err := s.rt.completions(s.life)
	if err != nil {
		return err
	}
	s.consumer = consumer
	s.tasks.Go(func() { s.news.follow(s.life, s.node.Store()) })
	s.tasks.Go(func() { s.tidyLoop(s.life) })
	s.tasks.Go(func() { s.keepRefused(s.life) })
	s.tasks.Go(func() { s.consume(s.life, consumer) })
	return nil
}

// stop ends what begin began.
func (s *service) stop() {
	s.end()
	s.begun.Lock()
	defer s.begun.Unlock()
	s.tasks.Wait()
	if s.consumer != nil {
		s.consumer.Close()
		s.flushCalls(context.WithoutCancel(s.life))
	}
}

// hubOf makes the system of the configuration, for the doors.
func hubOf(n dialects.Node) *hub {
	secret := func(name string) (string, bool) { return n.Config().Secrets.Lookup(systemID, name) }
	c := n.Config().Get(systemID)
	if c == nil || c.Type != "system:pipeforce" {
		return defaultHub(secret, n.Transport())
	}
	cfg := new(systemConfig)
	_ = spec.Decode(c.Effective, cfg) // it was checked before the node was opened
	h := newHub(cfg, systems.Env{ID: systemID, Node: c.Effective, Secret: secret, Transport: n.Transport(), Now: n.Now})
	_ = h.readUsers()
	return h
}

// listeners finds the pipelines of the node that listen to messages of the
// default topic.
func listeners(n dialects.Node) (all []listener) {
	for _, c := range n.Config().Components {
		source := c.Effective.Get("source")
		kind, _ := source.Get("type").Str()
		exchange, _ := source.Get("exchange").Str()
		key, _ := source.Get("key").Str()
		if kind != "pipeforce" || c.Type != "pipe" || exchangeName(exchange) != messages.DefaultExchange {
			continue
		}
		if _, ok := n.Pipe(c.ID); !ok {
			continue
		}
		if p, err := messages.ParsePattern(key); err == nil && !batched(c.Effective) {
			all = append(all, listener{c.ID, p})
		}
	}
	return all
}

// completions opens the consumer of messages that end results: async.complete.<id>
// and async.cancel.<id>.
func (rt *runtime) completions(ctx context.Context) (*messages.Consumer, error) {
	pattern, err := messages.ParsePattern("async.*.#")
	if err != nil {
		return nil, err
	}
	return messages.OpenConsumer(ctx, messages.ConsumerOptions{Topic: rt.topic(""), Name: "pipeforce-async", Pattern: pattern, FromNow: true, MaxItems: 100})
}

// storeWait is how long a store is left alone that did not answer.
const storeWait = 5 * time.Second

// consume ends results as messages say, until the context ends.
func (s *service) consume(ctx context.Context, c *messages.Consumer) {
	for ctx.Err() == nil {
		batch, err := c.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("messages that complete results cannot be read; it is tried again", "error", err)
			}
			_ = systems.Sleep(ctx, storeWait) // whose end the loop sees
			continue
		}
		for _, d := range batch {
			err := s.rt.byMessage(ctx, d.Message)
			if err == nil {
				err = c.Ack(ctx, d)
			} else {
				err = errors.Join(err, c.Nack(ctx, err.Error(), d))
			}
			if err != nil && ctx.Err() == nil {
				s.log.Error("a message that completes a result", "key", d.Key, "error", err)
			}
		}
	}
}
