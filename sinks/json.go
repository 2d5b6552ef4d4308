package sinks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

type jsonConfig struct {
	spec.Base
	Type      string            `spec:"type,required" doc:"json"`
	Comment   *jsonpos.Node     `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System    string            `spec:"system,required" doc:"Id of the URL system."`
	URL       string            `spec:"url,required" doc:"Address of a receiver that follows the JSON push protocol, absolute or relative to the system's."`
	BatchSize int               `spec:"batch_size" default:"100" min:"1" doc:"Entities in a request at most."`
	Headers   map[string]string `spec:"headers" doc:"Headers of the requests; they replace the system's of the same name."`
}

func jsonType() Type {
	return Type{
		Name:   "json",
		Doc:    "Posts the entities to another node or service by the JSON push protocol.",
		Config: func() any { return new(jsonConfig) },
		Build:  buildJSON,
	}
}

// jsonSink posts entities by the JSON push protocol.
type jsonSink struct {
	cfg    *jsonConfig
	header map[string]string
	system func(id string) systems.System
	store  store.Store
	newID  func() string
}

func buildJSON(c any, env Env) (Sink, diag.List) {
	cfg := c.(*jsonConfig)
	s := &jsonSink{cfg: cfg, system: env.System, store: env.Store, newID: env.NewID}
	s.header = map[string]string{"Content-Type": "application/json"}
	if s.newID == nil {
		s.newID = rand.Text
	}
	maps.DeleteFunc(s.header, func(string, string) bool { return hasHeader(cfg.Headers, "Content-Type") })
	maps.Copy(s.header, cfg.Headers)
	return s, nil
}

func hasHeader(headers map[string]string, name string) bool {
	for key := range headers {
		if textproto.CanonicalMIMEHeaderKey(key) == name {
			return true
		}
	}
	return false
}

// Link implements systems.Linker.
func (s *jsonSink) Link() diag.List {
	return systems.LinkTo(s.cfg.System, s.cfg.At("system"), s.system)
}

// BatchSize implements Sink.
func (s *jsonSink) BatchSize() int { return s.cfg.BatchSize }

// Bare implements Bare.
func (s *jsonSink) Bare() bool { return true }

// Start implements Sink. Requests to a receiver come at the same time, each is a
// sync of its own.
func (s *jsonSink) Start(_ context.Context, r Run) (Writer, error) {
	if r.Kind == Request {
		return &singlePush{s}, nil
	}
	return s.begin(r.Kind == Full), nil
}

func (s *jsonSink) begin(full bool) *pusher {
	return &pusher{s: s, full: full, sequence: s.newID()}
}

// ErrPushConflict is a full sync that the receiver has no place for: another one
// is under way there, or it has lost this one.
var ErrPushConflict = errors.New("the receiver answered 409 Conflict: the sync is broken off and begins anew with the next run")

// pusher is one sync: the requests of a run. It can not go on where another one
// was cut short: the receiver is told everything anew.
type pusher struct {
	s        *jsonSink
	full     bool
	sequence string
	done     int // requests that were answered
	buf      []byte
}

// Write implements Writer.
func (p *pusher) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	sent := 0
	for from := 0; from < len(b.Entities); {
		n, taken := p.encode(b.Entities[from:])
		if from += taken; n == 0 {
			continue
		}
		if err := p.post(ctx, false); err != nil {
			return Written{}, err
		}
		sent += n
	}
	w, err := saveStates(ctx, p.s.store, save)
	w.Changed = sent
	return w, err
}

// encode makes the body of a request, and tells how many entities are in it and
// how many it has dealt with. Filtered ones are for datasets only.
func (p *pusher) encode(entities []entity.Value) (n, taken int) {
	// The one before may still be on its way, if its answer came early.
	p.buf = append(make([]byte, 0, cap(p.buf)), '[')
	for taken < len(entities) && n < p.s.cfg.BatchSize {
		e := entities[taken]
		if taken++; entity.Filtered(e) {
			continue
		}
		if n++; n > 1 {
			p.buf = append(p.buf, ',')
		}
		p.buf = entity.AppendJSON(p.buf, systems.Outward(e))
	}
	p.buf = append(p.buf, ']')
	return n, taken
}

// post sends the body. What got no answer is sent again under the same id, so
// that a receiver that has taken it in knows it again.
func (p *pusher) post(ctx context.Context, last bool) error {
	r, err := systems.RESTOf(p.s.cfg.System, p.s.system)
	if err != nil {
		return err
	}
	res, err := r.Open(ctx, systems.Fetch{Method: http.MethodPost, URL: p.s.cfg.URL, Params: p.params(last), Header: p.s.header, Body: p.buf})
	var status *systems.StatusError
	if errors.As(err, &status) && status.Status == http.StatusConflict {
		return fmt.Errorf("%w: %w", ErrPushConflict, err)
	}
	if err != nil {
		return err
	}
	p.done++
	// The answer says nothing; reading it keeps the connection.
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return errors.Join(err, res.Body.Close())
}

func (p *pusher) params(last bool) map[string]string {
	params := map[string]string{"sequence_id": p.sequence, "is_full": strconv.FormatBool(p.full), "request_id": strconv.Itoa(p.done + 1)}
	if p.done > 0 {
		params["previous_request_id"] = strconv.Itoa(p.done)
	}
	if p.full && p.done == 0 {
		params["is_first"] = "true"
	}
	if p.full && last {
		params["is_last"] = "true"
	}
	return params
}

// Finish implements Writer: a sync ends with a request without entities. A full
// one that lacks something has no end, so that nothing is deleted for it.
func (p *pusher) Finish(ctx context.Context, f Finish, save []store.StateWrite) (Written, error) {
	if p.full && !f.Incomplete || !p.full && p.done > 0 {
		p.encode(nil)
		if err := p.post(ctx, true); err != nil {
			return Written{}, err
		}
	}
	return saveStates(ctx, p.s.store, save)
}

// singlePush posts the entities of requests to a receiver.
type singlePush struct{ s *jsonSink }

// Write implements Writer.
func (w *singlePush) Write(ctx context.Context, b *entity.Batch, save []store.StateWrite) (Written, error) {
	return w.s.begin(false).Write(ctx, b, save)
}

// Finish implements Writer.
func (w *singlePush) Finish(ctx context.Context, _ Finish, save []store.StateWrite) (Written, error) {
	return saveStates(ctx, w.s.store, save)
}
