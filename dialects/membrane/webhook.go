package membrane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

type webhookConfig struct {
	spec.Base
	Type         string        `spec:"type,required" doc:"global_webhook"`
	Comment      *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Integration  string        `spec:"integration,required" alias:"system" doc:"Key of the integration."`
	Key          string        `spec:"key,required" doc:"Key of the global webhook."`
	RequestLimit int           `spec:"request_limit" default:"1000" min:"0" doc:"How many requests are kept to be looked at."`
	KeepDays     int           `spec:"keep_days" default:"30" min:"1" max:"36500" doc:"How many days events are kept that no subscription needs any more."`
	KeepUnread   int           `spec:"keep_unread_days" default:"365" min:"1" max:"36500" doc:"How many days events are kept at most, also if a subscription has not had them; never less than keep_days."`
	MaxBody      int           `spec:"max_body_bytes" default:"4194304" min:"1" max:"16777216" doc:"How many bytes a body may have."`
}

func webhookType(pool *jsrun.Pool) sources.Type {
	return sources.Type{
		Name:   "global_webhook",
		Doc:    "Receives a global webhook of an integration, as Membrane has them: the connector's handle makes events of a request, and the answer. Such pipes are made of integrations/<key>.yml.",
		Config: func() any { return new(webhookConfig) },
		Build: func(c any, env sources.Env) (sources.Source, diag.List) {
			cfg := c.(*webhookConfig)
			return &webhook{cfg: cfg, env: env, pool: pool, inbox: &webhooks.Inbox{Pipe: env.PipeID, Store: env.Store,
				Window: 24 * time.Hour, MostRequests: cfg.RequestLimit, MostBytes: webhooks.UsualBytes, MostEvents: 1000000}}, nil
		},
	}
}

// webhook receives what is sent to an integration. By itself it lets nobody in:
// the door does, which has seen the token.
type webhook struct {
	cfg   *webhookConfig
	env   sources.Env
	pool  *jsrun.Pool
	inbox *webhooks.Inbox
}

// Link implements systems.Linker.
func (s *webhook) Link() diag.List {
	_, _, err := s.find()
	if err == nil {
		return nil
	}
	return diag.List{{Rule: "membrane/integration", Severity: diag.Error, Span: s.cfg.At("integration"), Message: err.Error(),
		Help: "an integration is a file integrations/<key>.yml"}}
}

// find returns the integration and its webhook.
func (s *webhook) find() (*integration, *hook, error) {
	i, ok := s.env.System(integrationID(s.cfg.Integration)).(*integration)
	if !ok {
		return nil, nil, fmt.Errorf("there is no integration %q", s.cfg.Integration)
	}
	h := i.hooks[s.cfg.Key]
	if h == nil {
		return nil, nil, fmt.Errorf("the integration %q has no global webhook %q", s.cfg.Integration, s.cfg.Key)
	}
	return i, h, nil
}

// Since implements sources.Source.
func (s *webhook) Since() sources.Since { return sources.Since{Comparable: true} }

// Read implements sources.Source: there is nothing to fetch.
func (s *webhook) Read(context.Context, string, int) iter.Seq2[*entity.Batch, error] {
	return func(func(*entity.Batch, error) bool) {}
}

// Bare implements sources.Bare.
func (s *webhook) Bare() bool { return true }

// AutoPopulates tells that the dataset counts as populated from the start.
func (s *webhook) AutoPopulates() bool { return true }

// Retains implements sources.Retaining.
func (s *webhook) Retains() (least, most time.Duration) {
	const day = 24 * time.Hour
	return time.Duration(s.cfg.KeepDays) * day, time.Duration(max(s.cfg.KeepDays, s.cfg.KeepUnread)) * day
}

// Load readies the inbox and the look-up of subscriptions.
func (s *webhook) Load(ctx context.Context) error {
	if err := s.inbox.Load(ctx); err != nil {
		return err
	}
	return (&registry{store: s.env.Store}).load(ctx)
}

// Check implements sources.Receiver: nobody comes in by this way.
func (s *webhook) Check(context.Context, sources.Request) sources.Verdict {
	return sources.Verdict{Checked: true, Err: fmt.Errorf("%w: global webhooks are received at addresses of their own", webhooks.ErrRefused)}
}

// Decode implements sources.Receiver.
func (s *webhook) Decode([]byte, *entity.Arena) ([]entity.Value, error) {
	return nil, errors.New("the pipe takes in webhooks, not lists of entities")
}

// Methods implements sources.Hook: any method will do.
func (s *webhook) Methods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
}

// Inbox implements sources.Hook.
func (s *webhook) Inbox() *webhooks.Inbox { return s.inbox }

// Limit implements sources.Hook.
func (s *webhook) Limit() int64 { return int64(s.cfg.MaxBody) }

func (s *webhook) now() time.Time {
	if s.env.Now == nil {
		return time.Now()
	}
	return s.env.Now()
}

// Event implements sources.Hook; requests have any number of events instead.
func (s *webhook) Event(sources.Request, *webhooks.Request, *entity.Arena) (entity.Value, string, error) {
	return entity.Value{}, "", errors.New("global webhooks are received at addresses of their own")
}

// Kept implements sources.Hook: the token in the address is not kept, nor is what
// is secret elsewhere.
func (s *webhook) Kept(q sources.Request) *webhooks.Request {
	now, hide := s.now(), systems.NewSecrets(nil)
	if i, _, err := s.find(); err == nil {
		hide = systems.NewSecrets(i.env.Secret)
		// A secret that is not set need not be hidden.
		_, _ = opened(i.cfg.Parameters, hide)
	}
	return &webhooks.Request{ID: webhooks.NewRequestID(now), At: now, Remote: q.Remote, Method: q.Method, URL: hide.Address(q.URL),
		Headers: webhooks.KeptHeaders(q.Header, hide.Redact), Body: q.Body}
}

// visit is one request that the door let in, and what came of it.
type visit struct {
	*webhook
	answer  *answer
	matched []string // ids of the subscriptions that get something
	hide    *systems.Secrets
}

// Check implements sources.Receiver.
func (v *visit) Check(context.Context, sources.Request) sources.Verdict {
	return sources.Verdict{Accepted: true, Checked: true}
}

// Events implements sources.Several.
func (v *visit) Events(ctx context.Context, q sources.Request, kept *webhooks.Request, a *entity.Arena) ([]sources.HookEvent, error) {
	out, console, err := v.handle(ctx, q)
	if err == nil {
		v.answer, err = answerOf(out.Response)
	}
	if err != nil {
		kept.Result = v.resultOf(err, console)
		return nil, v.explained(err)
	}
	return v.events(ctx, out, console, kept, a)
}

// badRequest is a request that handle is not asked about.
type badRequest struct{ err error }

func (e *badRequest) Error() string { return e.err.Error() }

// handle runs the connector's function.
func (v *visit) handle(ctx context.Context, q sources.Request) (*returned, []jsrun.Line, error) {
	i, h, err := v.find()
	if err != nil {
		return nil, nil, err
	}
	v.hide = systems.NewSecrets(i.env.Secret)
	c, err := callOf(q, h.rawOnly)
	if err != nil {
		return nil, nil, &badRequest{err}
	}
	if c.Parameters, err = opened(i.cfg.Parameters, v.hide); err != nil {
		return nil, nil, err
	}
	args, err := json.Marshal(c)
	if err != nil {
		return nil, nil, err
	}
	value, console, err := run(ctx, v.pool, h.code, jsrun.Call{For: v.cfg.Integration + "/" + v.cfg.Key, Names: []string{"handle"}, Args: args})
	if err != nil {
		return nil, console, err
	}
	out, err := readReturned(value)
	return out, console, err
}

// run runs a function, whichever way it is implemented.
func run(ctx context.Context, pool *jsrun.Pool, c code, call jsrun.Call) ([]byte, []jsrun.Line, error) {
	if c.formula == nil {
		call.Script = c.script
		r, err := pool.Call(ctx, call)
		return r.Value, r.Console, err
	}
	vars, err := anyOf(call.Args)
	if err != nil {
		return nil, nil, err
	}
	dict, _ := vars.(map[string]any)
	dict["input"] = dict["data"]
	out, err := c.formula(dict)
	if err != nil {
		return nil, nil, err
	}
	value, err := json.Marshal(out)
	return value, nil, err
}

// events makes the entities of what handle returned.
func (v *visit) events(ctx context.Context, out *returned, console []jsrun.Line, kept *webhooks.Request, a *entity.Arena) ([]sources.HookEvent, error) {
	var all []sources.HookEvent
	unmatched, dropped := 0, 0
	for i, e := range out.Events {
		selector, ok := e.Selector.(string)
		if !ok {
			dropped++
			continue
		}
		payload, err := payloadOf(e.Payload, a)
		if err != nil {
			err = &resultError{"invalid_result", "the payload of an event cannot be stored: " + err.Error()}
			kept.Result = v.resultOf(err, console)
			return nil, v.explained(err)
		}
		matched, err := (&registry{store: v.env.Store}).matching(ctx, route{v.cfg.Integration, v.cfg.Key, selector})
		if err != nil {
			return nil, err
		}
		if len(matched) == 0 {
			unmatched++
		}
		ids := make([]entity.Value, len(matched))
		for j, id := range matched {
			ids[j] = entity.NewString(id)
			if !slices.Contains(v.matched, id) {
				v.matched = append(v.matched, id)
			}
		}
		o := a.NewObject(6)
		o.Add(entity.IDKey, entity.NewString(kept.ID+":"+strconv.Itoa(i)))
		o.Add("received", entity.NewDatetime(kept.At))
		o.Add("selector", entity.NewString(selector))
		o.Add("payload", payload)
		o.Add("request", entity.NewString(kept.ID))
		o.Add("subscriptions", entity.NewList(ids...))
		all = append(all, sources.HookEvent{Entity: o.Value(), ID: dedupID(e.DedupKey)})
	}
	members := []entity.Member{number("status", v.answer.status), number("events", len(all)), number("unmatched", unmatched)}
	if dropped > 0 {
		members = append(members, number("invalid_selector", dropped))
	}
	kept.Result = entity.NewDict(append(members, v.consoleOf(console)...)...)
	return all, nil
}

func number(key string, n int) entity.Member {
	return entity.Member{Key: key, Value: entity.NewInt(int64(n))}
}

func payloadOf(data json.RawMessage, a *entity.Arena) (entity.Value, error) {
	if len(data) == 0 {
		return entity.Value{}, nil
	}
	return entity.Decode(a, data, entity.DecodeOptions{Plain: true, FloatAsDecimal: true})
}

// dedupID is the key of an event as it is remembered; one that is no text, or too
// long, is none.
func dedupID(key any) string {
	text, err := plain(key)
	if err != nil {
		return ""
	}
	return webhooks.EventID(text)
}

// consoleOf is what was written to the console, without secrets.
func (v *visit) consoleOf(lines []jsrun.Line) []entity.Member {
	if len(lines) == 0 {
		return nil
	}
	all := make([]entity.Value, len(lines))
	for i, l := range lines {
		all[i] = entity.NewString(v.redact(l.Level + ": " + l.Text))
	}
	return []entity.Member{{Key: "console", Value: entity.NewList(all...)}}
}

func (v *visit) redact(s string) string {
	if v.hide == nil {
		return s
	}
	return v.hide.Redact(s)
}

// resultOf says what went wrong, for who looks at the request.
func (v *visit) resultOf(err error, console []jsrun.Line) entity.Value {
	o := entity.NewDict(entity.Member{Key: "type", Value: entity.NewString(kindOf(err))}, entity.Member{Key: "message", Value: entity.NewString(v.redact(err.Error()))})
	return entity.NewDict(append([]entity.Member{{Key: "error", Value: o}}, v.consoleOf(console)...)...)
}

// handlerError is a handler that failed. Its text has no secrets.
type handlerError struct {
	text  string
	cause error
}

func (e *handlerError) Error() string { return e.text }

// Unwrap returns the cause, whose text may hold secrets.
func (e *handlerError) Unwrap() error { return e.cause }

// explained is an error as pipes pass it on: what is the sender's fault is
// refused.
func (v *visit) explained(err error) error {
	hidden := &handlerError{v.redact(err.Error()), err}
	if status := statusOf(err); status >= 400 && status < 500 {
		return &pipes.RefusedError{Cause: hidden}
	}
	return hidden
}
