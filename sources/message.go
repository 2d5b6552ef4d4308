package sources

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
)

// Passing is the ability of sources whose entities pass by: what was there once
// may be gone, and that something is not there says nothing. Their pipes have
// no full runs.
type Passing interface {
	Passing() bool
}

// Choosy is the ability of sources that what is new in a dataset may be nothing for.
type Choosy interface {
	// Chooses tells whether an entity of the dataset is for it.
	Chooses(e entity.Value) bool
}

// Consuming is the ability of sources that need what is behind a place in a
// dataset, of which all else may be removed.
type Consuming interface {
	// Consumes are the places by their datasets, for a pipe that goes on from since.
	Consumes(ctx context.Context, since string) (map[string]store.Offset, error)
}

// Retaining is the ability of sources of whose pipe's dataset only what is new is
// wanted.
type Retaining interface {
	// Retains is how long what came is kept that nobody consumes any more, and how
	// long at most.
	Retains() (least, most time.Duration)
}

type messageConfig struct {
	spec.Base
	Type     string        `spec:"type,required" doc:"message"`
	Comment  *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Exchange string        `spec:"exchange" default:"default" doc:"Name of the topic that is read. It is made if it is not there."`
	Key      string        `spec:"key" default:"#" doc:"Pattern that a message's key must fit: words with dots between them, where * stands for one word and # for any number."`
	MaxItems int           `spec:"max_batch_items" default:"100" min:"1" max:"10000" doc:"How many messages a batch has at most."`
	MaxBytes int           `spec:"max_batch_bytes" default:"1048576" min:"1" max:"104857600" doc:"How many bytes of messages a batch has at most; a larger message is a batch of its own."`
	Wait     float64       `spec:"max_batch_wait" min:"0" max:"10" doc:"How many seconds a batch that is not full waits for more messages. Unless given it does not wait."`
	Start    string        `spec:"start" enum:"oldest,new" default:"oldest" doc:"Where a pipe begins that has read nothing yet: with the oldest message that is kept, or with what is published after the pipe was first loaded."`
	Signals  bool          `spec:"supports_signalling" default:"true" doc:"Whether a message starts the pipe."`
}

func messageType() Type {
	return Type{
		Name:   "message",
		Doc:    "Reads the messages of a topic of the node whose keys fit a pattern. The pipe's offset is its place in the topic: a batch that was written is acknowledged, one that failed comes again.",
		Config: func() any { return new(messageConfig) },
		Build:  buildMessage,
	}
}

// messageSource reads a topic.
type messageSource struct {
	cfg     *messageConfig
	pipe    string
	topic   messages.Topic
	pattern messages.Pattern
}

func buildMessage(c any, env Env) (Source, diag.List) {
	cfg := c.(*messageConfig)
	s := &messageSource{cfg: cfg, pipe: env.PipeID, topic: messages.Topic{Name: cfg.Exchange, Store: env.Store, Now: env.Now}}
	var diags diag.List
	if err := messages.CheckExchange(cfg.Exchange); err != nil {
		diags.Add(diag.Finding{Rule: "message/exchange", Severity: diag.Error, Span: cfg.At("exchange"), Message: err.Error()})
	}
	var err error
	if s.pattern, err = messages.ParsePattern(cfg.Key); err != nil {
		diags.Add(diag.Finding{Rule: "message/key", Severity: diag.Error, Span: cfg.At("key"), Message: err.Error(),
			Help: "for example order.*.paid, or order.#"})
	}
	return s, diags
}

// Since implements Source.
func (s *messageSource) Since() Since { return Since{true, true, true} }

// Passing implements Passing.
func (s *messageSource) Passing() bool { return true }

// CheckOffset implements Placed.
func (s *messageSource) CheckOffset(since string) error {
	_, err := parseOffset(since)
	return err
}

// Anchor implements Anchored.
func (s *messageSource) Anchor() string { return s.cfg.Exchange }

// Datasets implements Inputs.
func (s *messageSource) Datasets() []string { return []string{s.topic.Dataset()} }

// SupportsSignalling implements Signalled.
func (s *messageSource) SupportsSignalling() (on, given bool) { return s.cfg.Signals, true }

// Chooses implements Choosy.
func (s *messageSource) Chooses(e entity.Value) bool {
	return !entity.Deleted(e) && s.pattern.Match(messages.Key(e))
}

func (s *messageSource) startKey() string { return "message-start/" + s.pipe }

// mark takes apart where a pipe begins that wants what is new: the place, and the
// topic, which marks of earlier versions do not name.
func mark(state []byte) (at, topic string) {
	at, topic, _ = strings.Cut(string(state), " ")
	return at, topic
}

// Load makes the topic, and marks where a pipe begins that wants what is new.
func (s *messageSource) Load(ctx context.Context) error {
	if err := s.topic.Load(ctx); err != nil || s.cfg.Start != "new" {
		return err
	}
	known, _, err := s.topic.Store.State(ctx, s.startKey())
	if _, of := mark(known); err != nil || known != nil && (of == "" || of == s.topic.Name) {
		return err
	}
	_, last, err := s.topic.Store.Head(ctx, s.topic.Dataset())
	if err != nil {
		return err
	}
	p, err := s.topic.Store.Append(ctx, &store.Batch{State: []store.StateWrite{
		{Key: s.startKey(), Value: append(strconv.AppendInt(nil, int64(last), 10), " "+s.topic.Name...), IfRev: store.AnyRev}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// from is where reading begins. An offset past the end belongs to a topic that
// was made anew since.
func (s *messageSource) from(ctx context.Context, since string) (store.Offset, error) {
	if since == "" && s.cfg.Start == "new" {
		marked, _, err := s.topic.Store.State(ctx, s.startKey())
		if err != nil {
			return 0, err
		}
		since, _ = mark(marked)
	}
	at, err := parseOffset(since)
	if err != nil {
		return 0, err
	}
	_, last, err := s.topic.Store.Head(ctx, s.topic.Dataset())
	if at > last {
		at = store.Start
	}
	return at, err
}

// Consumes implements Consuming.
func (s *messageSource) Consumes(ctx context.Context, since string) (map[string]store.Offset, error) {
	at, err := s.from(ctx, since)
	return map[string]store.Offset{s.topic.Dataset(): at}, err
}
