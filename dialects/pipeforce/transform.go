package pipeforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
)

type transformConfig struct {
	spec.Base
	Type     string        `spec:"type,required" doc:"pipeforce"`
	Comment  *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Pipeline *jsonpos.Node `spec:"pipeline,required" kind:"array" doc:"The commands, as a *.pi.yaml file has them, what it listens to included."`
	Headers  *jsonpos.Node `spec:"headers" kind:"object" doc:"Headers of the pipeline."`
	Vars     *jsonpos.Node `spec:"vars" kind:"object" doc:"Variables that the pipeline begins with."`
	Body     *jsonpos.Node `spec:"body" kind:"any" doc:"Body that a pipeline begins with which listens to nothing."`
}

func transformType() transforms.Type {
	return transforms.Type{
		Name:   "pipeforce",
		Doc:    "Runs a pipeline of PIPEFORCE for each message, or each batch of them. It is what a *.pi.yaml file becomes, and hands nothing on.",
		Config: func() any { return new(transformConfig) },
		Build:  buildTransform,
	}
}

// redeliveries is how often a message is delivered again that was not
// acknowledged.
const redeliveries = 10

// pipeline is the transform.
type pipeline struct {
	program *program
	env     transforms.Env
	loading sync.Mutex
	rt      *runtime // nil until it is first asked for
}

func buildTransform(c any, env transforms.Env) (transforms.Transform, diag.List) {
	cfg := c.(*transformConfig)
	if cfg.Pipeline == nil {
		return nil, nil // said already
	}
	cc := &compiler{}
	p := &pipeline{env: env, program: cc.program(env.PipeID, cfg)}
	return p, cc.finds
}

// SideEffects implements transforms.Transform.
func (p *pipeline) SideEffects() bool { return true }

// Link implements systems.Linker: mails need a server.
func (p *pipeline) Link() (finds diag.List) {
	h, _ := p.env.System(systemID).(*hub)
	for _, s := range p.program.steps {
		if s.cmd.name == "mail.send" && (h == nil || h.cfg.SMTP.Host == "") {
			finds.Add(fault(s.at, "smtp", `add {"_id": "pipeforce", "type": "system:pipeforce", "smtp": {"host": …}} to systems/`,
				"mail.send needs a mail server, and the system pipeforce names none"))
		}
	}
	return finds
}

// runtime readies what commands reach the node by.
func (p *pipeline) runtime(ctx context.Context) (*runtime, error) {
	p.loading.Lock()
	defer p.loading.Unlock()
	if p.rt != nil {
		return p.rt, nil
	}
	h, ok := p.env.System(systemID).(*hub)
	if !ok {
		h = defaultHub(p.env.Secret, p.env.Transport)
	}
	rt := &runtime{store: p.env.Store, now: p.env.Now, hub: h}
	if err := rt.load(ctx); err != nil {
		return nil, err
	}
	p.rt = rt
	return rt, nil
}

// defaultHub is the system where none is configured.
func defaultHub(secret systems.SecretFunc, transport http.RoundTripper) *hub {
	cfg := new(systemConfig)
	_ = spec.Decode(&jsonpos.Node{Kind: jsonpos.Object}, cfg) // what is missing has its default
	return newHub(cfg, systems.Env{ID: systemID, Secret: secret, Transport: transport})
}

// Start implements transforms.Transform.
func (p *pipeline) Start(transforms.Run) transforms.Step { return &pipelineStep{p: p} }

// pipelineStep is a pipeline in one run of its pipe.
type pipelineStep struct {
	p *pipeline
	// known are what messages came to of which others, worked on at the same time,
	// failed: they are handed in again one by one, and not worked on again.
	known map[string]error
}

// Apply implements transforms.Step: it runs the pipeline, and hands nothing on.
func (s *pipelineStep) Apply(ctx context.Context, b *entity.Batch) error {
	rt, err := s.p.runtime(ctx)
	if err != nil {
		return err
	}
	all := make([]messages.Message, 0, len(b.Entities))
	for _, e := range b.Entities {
		if m, ok := messages.Of(e); ok {
			all = append(all, m)
		}
	}
	b.Entities = b.Entities[:0]
	switch {
	case len(all) == 0:
		return nil
	case s.p.program.batch:
		return s.p.once(ctx, rt, all)
	case len(all) > 1:
		return s.together(ctx, rt, all)
	}
	if err, done := s.known[all[0].ID]; done {
		delete(s.known, all[0].ID)
		return err
	}
	return s.p.once(ctx, rt, all)
}

// together runs the pipeline for several messages at once.
func (s *pipelineStep) together(ctx context.Context, rt *runtime, all []messages.Message) error {
	errs := make([]error, len(all))
	var work sync.WaitGroup
	for i := range all {
		work.Go(func() { errs[i] = s.p.once(ctx, rt, all[i:i+1]) })
	}
	work.Wait()
	first := errors.Join(errs...)
	s.known = map[string]error{}
	if first != nil {
		for i, m := range all {
			s.known[strings.Clone(m.ID)] = errs[i]
		}
	}
	return first
}

// once runs the pipeline for a message, or for a batch of them, and says in the
// log and in results what came of it.
func (p *pipeline) once(ctx context.Context, rt *runtime, all []messages.Message) error {
	x := &exec{rt: rt, program: p.program, user: rt.hub.users[anonymousUser], vars: entity.NewDict(), headers: entity.NewDict(), request: entity.NewDict()}
	if p.program.trigger == nil {
		x.user = rt.hub.users[systemUser]
	} else {
		x.ofMessage(all)
	}
	begun := rt.now()
	if p.program.trigger != nil {
		ok, err := p.chosen(x)
		if err != nil {
			return p.told(ctx, x, begun, err, err)
		}
		if !ok {
			return p.passed(ctx, x)
		}
	}
	err := x.run(ctx)
	switch {
	case x.verdict == nacked && err == nil:
		err = errNacked
	case x.verdict == acked || x.verdict == dropped:
		// What happens behind an acknowledgement calls for no redelivery.
		if err != nil {
			x.note("ERROR", err.Error())
		}
		return p.told(ctx, x, begun, err, nil)
	}
	return p.told(ctx, x, begun, err, err)
}

var errNacked = errors.New("the pipeline gave the message back (message.nack)")

// chosen tells whether selector and filter let an event through.
func (p *pipeline) chosen(x *exec) (bool, error) {
	t := p.program.trigger
	e := t.raw["selector"]
	if e == nil {
		e = t.raw["filter"]
	} else if h, ok := x.body.Get("headers"); ok {
		x.headers = merged(x.headers, h)
	}
	if e == nil {
		return true, nil
	}
	v, err := e.Eval(x.scope())
	if err != nil {
		return false, &stepError{t.cmd.name, t.at, err}
	}
	return enabled(v), nil
}

// passed says that the pipeline has nothing to do for a call.
func (p *pipeline) passed(ctx context.Context, x *exec) error {
	if x.ids.correlation == "" || p.program.batch {
		return nil
	}
	return x.rt.commit(ctx, store.Batch{Writes: []store.Write{ended(x.ids.correlation, p.program.id, skipped, entity.Value{}, x.rt.now(), 0)}})
}

// told keeps what came of a run; err is its error, again the one for which it is
// to be tried again.
func (p *pipeline) told(ctx context.Context, x *exec, begun time.Time, err, again error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b := store.Batch{Writes: []store.Write{change(logDataset, putOp(x.record(begun, err)))}}
	if id := x.ids.correlation; id != "" && p.program.trigger != nil && !p.program.batch {
		w, attempt, readErr := p.outcome(ctx, x, err, again)
		if readErr != nil {
			return errors.Join(again, readErr)
		}
		if attempt {
			b.Writes = append(b.Writes, w)
		}
	}
	if keepErr := x.rt.commit(context.WithoutCancel(ctx), b); keepErr != nil {
		return errors.Join(again, keepErr)
	}
	return again
}

// outcome is what a run means for the result of its call: a failure that will be
// tried again leaves it open.
func (p *pipeline) outcome(ctx context.Context, x *exec, err, again error) (w store.Write, known bool, readErr error) {
	id := x.ids.correlation
	found, readErr := x.rt.get(ctx, resultsDataset, id, id+"/"+p.program.id)
	if readErr != nil || found[0].IsNull() {
		return w, false, readErr // nobody waits for it, or not any more
	}
	attempts := number(found[1], "attempts") + 1
	status, value := "ok", x.body
	if err != nil {
		status, value = "error", failure(err)
		if again != nil && p.retries() && attempts <= redeliveries {
			status, value = "waiting", entity.Value{}
		}
	}
	return ended(id, p.program.id, status, value, x.rt.now(), attempts), true, nil
}

// retries tells whether messages that fail are delivered again.
func (p *pipeline) retries() bool {
	return p.program.trigger != nil && p.program.trigger.cmd.name == "message.receive"
}

// failure is an error as callers see it, who may be anybody: what a command says
// to them, and nothing of how the node is made.
func failure(err error) entity.Value {
	kind, status, message := "PipelineException", 500, "the pipeline failed; why stands in the log of the node, under the traceId"
	var pr *problem
	if errors.As(err, &pr) {
		kind, status, message = pr.kind, pr.status, pr.Error()
	}
	return entity.NewDict(text("type", kind), member("statusCode", entity.NewInt(int64(status))), text("message", message), text("uuid", newUUID()))
}

// record is what is kept of a run.
func (x *exec) record(begun time.Time, err error) entity.Value {
	status := "ok"
	if err != nil {
		status = "error"
	}
	notes := make([]entity.Value, len(x.logged))
	for i, n := range x.logged {
		notes[i] = entity.NewDict(text("level", n.level), text("text", n.text))
	}
	all := []entity.Member{text(entity.IDKey, messages.NewID(x.rt.now())), text("pipeline", x.program.id), text("status", status),
		text("user", x.user.name), text("traceId", x.ids.trace), text("correlationId", x.ids.correlation),
		at("begun", begun), at("ended", x.rt.now()), member("log", entity.NewList(notes...))}
	if err != nil {
		all = append(all, text("error", strings.ToValidUTF8(err.Error(), "\uFFFD")), text("command", commandOf(err)))
	}
	return entity.NewDict(all...)
}

func commandOf(err error) string {
	var s *stepError
	if errors.As(err, &s) {
		return fmt.Sprintf("%s:%d:%d: %s", s.at.File, s.at.Start.Line, s.at.Start.Col, s.cmd)
	}
	return ""
}
