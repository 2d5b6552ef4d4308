package pipeforce

import (
	"context"
	"iter"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/systems"
)

type sourceConfig struct {
	spec.Base
	Type     string        `spec:"type,required" doc:"pipeforce"`
	Comment  *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System   string        `spec:"system" default:"pipeforce" doc:"System whose worker_threads bound how many pipelines run at once."`
	Exchange string        `spec:"exchange" default:"default" doc:"Name of the topic that is read."`
	Key      string        `spec:"key,required" doc:"Pattern that a message's key must fit: words with dots between them, where * stands for one word and # for any number."`
	MaxItems int           `spec:"max_batch_items" default:"1" min:"1" max:"10000" doc:"How many messages a batch has at most."`
	MaxBytes int           `spec:"max_batch_bytes" default:"204800" min:"1" max:"204800" doc:"How many bytes of messages a batch has at most."`
	Wait     bool          `spec:"wait" default:"true" doc:"Whether a batch that is not full waits a second for more."`
	Start    string        `spec:"start" enum:"oldest,new" default:"new" doc:"Where a pipe begins that has read nothing yet: with the oldest message that is kept, or with what is published after the pipe was first loaded."`
}

func sourceType() sources.Type {
	return sources.Type{
		Name:   "pipeforce",
		Doc:    "Reads messages like the source message, and has batches that are not full wait a second for more. It is what event.listen and message.receive become.",
		Config: func() any { return new(sourceConfig) },
		Build:  buildSource,
	}
}

// messageReader is what the source of messages can do.
type messageReader interface {
	sources.Source
	sources.Inputs
	sources.Passing
	sources.Consuming
	sources.Choosy
	SupportsSignalling() (on, given bool)
	Load(ctx context.Context) error
}

// flushAfter is how long a batch that is not full waits, lookEvery how often it
// is looked whether it is.
const (
	flushAfter = time.Second
	lookEvery  = 50 * time.Millisecond
)

// batching is a source of messages whose batches wait until they are full.
type batching struct {
	messageReader
	most int
	wait bool
}

func buildSource(c any, env sources.Env) (sources.Source, diag.List) {
	cfg := c.(*sourceConfig)
	b := builder{cfg.Node.Span}
	inner := b.dict("type", b.text("message"), "exchange", cfg.Node.Get("exchange"), "key", cfg.Node.Get("key"),
		"max_batch_items", b.number(cfg.MaxItems), "max_batch_bytes", b.number(cfg.MaxBytes), "start", b.text(cfg.Start))
	made, finds := sources.NewSet(sources.Standard()...).Make("message", inner, env)
	if finds.HasErrors() {
		return nil, finds
	}
	m, ok := made.(messageReader)
	if !ok {
		return made, finds
	}
	return &batching{m, cfg.MaxItems, cfg.Wait}, finds
}

// Read implements sources.Source.
func (s *batching) Read(ctx context.Context, since string, size int) iter.Seq2[*entity.Batch, error] {
	if s.most == 1 || !s.wait {
		return s.messageReader.Read(ctx, since, size)
	}
	return func(yield func(*entity.Batch, error) bool) {
		begun := time.Now()
		for wait := true; wait; {
			wait = false
			for b, err := range s.messageReader.Read(ctx, since, size) {
				if err == nil && b.Last && len(b.Entities) > 0 && len(b.Entities) < s.most && time.Since(begun) < flushAfter {
					wait = true // what comes in the meantime may fill it
					break
				}
				if !yield(b, err) {
					return
				}
				if b != nil && b.Since != "" {
					since = b.Since
				}
			}
			if wait && systems.Sleep(ctx, lookEvery) != nil {
				return
			}
		}
	}
}
