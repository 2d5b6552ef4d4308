package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// Hook is the ability of receivers that take any request as one event, keep it
// as it came, and know the event again.
type Hook interface {
	Receiver
	// Methods are the HTTP methods that requests may have.
	Methods() []string
	// Inbox keeps the requests.
	Inbox() *webhooks.Inbox
	// Limit is how many bytes a body may have.
	Limit() int64
	// Kept is the request as it may be kept and shown: without secrets.
	Kept(q Request) *webhooks.Request
	// Event makes the entity of a request that is proven, and tells the id by
	// which repeated deliveries are known, "" if there is none. Errors are fit for
	// the caller's eyes.
	Event(q Request, kept *webhooks.Request, a *entity.Arena) (e entity.Value, id string, err error)
}

// Several is the ability of hooks whose requests hold any number of events.
type Several interface {
	Hook
	// Events is asked instead of Event. Its errors are what the caller of
	// pipes.Inlet.ReceiveHook gets. What it sets in kept.Result is kept with the
	// request.
	Events(ctx context.Context, q Request, kept *webhooks.Request, a *entity.Arena) ([]HookEvent, error)
}

// HookEvent is one event of a request: its entity, and the id by which repeated
// deliveries are known, "" if there is none.
type HookEvent struct {
	Entity entity.Value
	ID     string
}

type webhookConfig struct {
	spec.Base
	Type          string        `spec:"type,required" doc:"webhook"`
	Comment       *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Signature     string        `spec:"signature,required" enum:"standard,github,shopify,etlworks,stripe,slack,basic,bearer,header,none" doc:"How senders prove who they are; none lets anybody post who can reach the node."`
	Header        string        `spec:"signature_header" doc:"Header that carries the secret if signature is header."`
	Secret        string        `spec:"secret" doc:"The secret shared with the sender: $SECRET(name)."`
	Previous      string        `spec:"previous_secret" doc:"The secret before this one, accepted too while the sender changes over: $SECRET(name)."`
	PreviousUntil string        `spec:"previous_secret_until" doc:"Time, such as 2027-01-31T12:00:00Z, from which on the previous secret is not accepted any more."`
	IDHeader      string        `spec:"event_id_header" doc:"Header that names the event. Unless given the one of the signature scheme, if it has any."`
	IDPath        string        `spec:"event_id_path" doc:"Path, with dots, of the value in a JSON body that names the event; goes before the header."`
	Window        float64       `spec:"duplicate_window_hours" default:"24" min:"1" max:"720" doc:"How long the ids of events are remembered: a delivery of one that was taken in before is answered like the first and has no effect."`
	EventLimit    int           `spec:"event_limit" default:"1000000" min:"1000" doc:"How many ids are remembered at most."`
	RequestLimit  int           `spec:"request_limit" default:"1000" min:"0" doc:"How many requests are kept to be looked at. Of those that proved nothing the beginnings of the last 100 are kept apart."`
	RequestBytes  int           `spec:"request_bytes" default:"268435456" min:"1" doc:"How many bytes the bodies of those requests may have together."`
	MaxBody       int           `spec:"max_body_bytes" default:"4194304" min:"1" max:"104857600" doc:"How many bytes a body may have."`
	Methods       []string      `spec:"methods" doc:"HTTP methods that requests may have: GET, POST, PUT, PATCH, DELETE. Unless given POST alone; if given the entity says its own in method."`
	Origins       []string      `spec:"allowed_origins" doc:"Senders that may send, by the names they give when they ask for it by OPTIONS, as CloudEvents has it; * stands for all. It is a courtesy among systems and proves nothing. Unless given such questions are refused."`
	AllowedRate   int           `spec:"allowed_rate" min:"0" doc:"How many requests a minute senders are told that they may make; 0 does not bound them."`
	AutoPopulate  bool          `spec:"auto_populate_dataset" default:"true" doc:"Whether the sink's dataset counts as populated from the start."`
}

func webhookType() Type {
	return Type{
		Name:   "webhook",
		Doc:    "Receives webhooks of any sender at /api/receivers/{pipe}/entities: keeps each request as it came, verifies its signature, leaves out events that came before, and makes an entity of it with headers, params and body.",
		Config: func() any { return new(webhookConfig) },
		Build:  buildWebhook,
	}
}

// webhookSource takes in webhooks.
type webhookSource struct {
	cfg    *webhookConfig
	env    Env
	scheme webhooks.Scheme // nil: anybody may post
	names  webhooks.Rotation
	inbox  *webhooks.Inbox
}

func buildWebhook(c any, env Env) (Source, diag.List) {
	cfg := c.(*webhookConfig)
	s := &webhookSource{cfg: cfg, env: env, names: webhooks.Rotation{Secret: cfg.Secret, Previous: cfg.Previous}}
	s.inbox = &webhooks.Inbox{Pipe: env.PipeID, Store: env.Store, Window: systems.Duration(cfg.Window, time.Hour),
		MostRequests: cfg.RequestLimit, MostBytes: int64(cfg.RequestBytes), MostEvents: cfg.EventLimit}
	return s, append(s.check(), s.checkMethods()...)
}

func (s *webhookSource) check() (finds diag.List) {
	fault := func(key, help, format string, args ...any) {
		finds.Add(diag.Finding{Rule: "webhook/" + strings.ReplaceAll(key, "_", "-"), Severity: diag.Error, Span: s.cfg.At(key),
			Message: fmt.Sprintf(format, args...), Help: help})
	}
	for _, key := range []string{"secret", "previous_secret"} {
		if v, ok := s.cfg.Node.Get(key).Str(); ok && !systems.OnlySecret(v) {
			fault(key, "store it among the node's secrets and write $SECRET(name)", "%s stands in the configuration, where anybody can read it", key)
		}
	}
	var err error
	switch name := s.cfg.Signature; {
	case strings.Contains(name, "$"):
		// An environment variable without a value was reported.
		fault("signature", "", "signature is %q, which is no scheme", name)
	case name == "none" && s.cfg.Secret != "":
		fault("signature", "choose a scheme, or leave the secret out", `"secret" has no effect with "signature": "none"`)
	case name == "none" || name == "": // what is missing was reported
	case s.cfg.Secret == "":
		fault("signature", "", `"signature": %q needs "secret"`, name)
	default:
		if s.scheme, err = webhooks.New(name, s.cfg.Header); err != nil {
			fault("signature", "", "%s", err)
		}
	}
	if s.cfg.PreviousUntil != "" {
		if s.names.Until, err = time.Parse(time.RFC3339, s.cfg.PreviousUntil); err != nil {
			fault("previous_secret_until", "for example 2027-01-31T12:00:00Z", "previous_secret_until is no time")
		}
	}
	return finds
}

// Since implements Source.
func (s *webhookSource) Since() Since { return Since{false, true, false} }

// Read implements Source: there is nothing to fetch.
func (s *webhookSource) Read(context.Context, string, int) iter.Seq2[*entity.Batch, error] {
	return func(func(*entity.Batch, error) bool) {}
}

// Bare implements Bare.
func (s *webhookSource) Bare() bool { return true }

// AutoPopulates tells whether the sink's dataset is populated at load.
func (s *webhookSource) AutoPopulates() bool { return s.cfg.AutoPopulate }

// Load readies the inbox.
func (s *webhookSource) Load(ctx context.Context) error { return s.inbox.Load(ctx) }

// Inbox implements Hook.
func (s *webhookSource) Inbox() *webhooks.Inbox { return s.inbox }

// Limit implements Hook.
func (s *webhookSource) Limit() int64 { return int64(s.cfg.MaxBody) }

func (s *webhookSource) now() time.Time {
	if s.env.Now == nil {
		return time.Now()
	}
	return s.env.Now()
}

// Check implements Receiver: whatever goes wrong refuses.
func (s *webhookSource) Check(_ context.Context, q Request) Verdict {
	if s.scheme == nil {
		return Verdict{Accepted: s.cfg.Signature == "none"}
	}
	keys, _, err := s.keys()
	if err == nil {
		err = s.scheme.Verify(&webhooks.Message{Header: q.Header, Body: q.Body}, keys, s.now())
	}
	return Verdict{Accepted: err == nil, Checked: true, Err: err}
}

// keys are the live secrets, and what takes them out of a text.
func (s *webhookSource) keys() (keys webhooks.Keys, hide *systems.Secrets, err error) {
	hide = systems.NewSecrets(s.env.Secret)
	for _, ref := range s.names.Live(s.now()) {
		key, err := hide.Expand(ref)
		if err != nil {
			return nil, hide, err
		}
		keys = append(keys, key)
	}
	return keys, hide, nil
}

// Decode implements Receiver; requests are read by Event instead.
func (s *webhookSource) Decode([]byte, *entity.Arena) ([]entity.Value, error) {
	return nil, errors.New("the pipe takes in webhooks, not lists of entities")
}

// Kept implements Hook.
func (s *webhookSource) Kept(q Request) *webhooks.Request {
	_, hide, _ := s.keys() // one that is missing need not be hidden
	now := s.now()
	return &webhooks.Request{ID: webhooks.NewRequestID(now), At: now, Remote: q.Remote, Method: q.Method, URL: hide.Address(q.URL),
		Headers: webhooks.KeptHeaders(q.Header, hide.Redact, http.CanonicalHeaderKey(s.cfg.Header)), Body: q.Body}
}

// Event implements Hook.
func (s *webhookSource) Event(q Request, kept *webhooks.Request, a *entity.Arena) (entity.Value, string, error) {
	body, err := bodyOf(q, a)
	if err != nil {
		return entity.Value{}, "", err
	}
	id := s.eventID(q, body)
	name := id
	if name == "" {
		name = kept.ID
		if u, ok := s.scheme.(webhooks.Unnamed); ok {
			id = u.Known(&webhooks.Message{Header: q.Header, Body: q.Body})
		}
	}
	o := a.NewObject(6)
	o.Add(entity.IDKey, entity.NewString(name))
	if len(s.cfg.Methods) > 0 {
		o.Add("method", entity.NewString(kept.Method))
	}
	o.Add("received", entity.NewDatetime(kept.At))
	o.Add("headers", webhooks.LowerHeaders(kept.Headers))
	o.Add("params", paramsOf(kept.URL))
	o.Add("body", body)
	return o.Value(), id, nil
}

func (s *webhookSource) eventID(q Request, body entity.Value) string {
	var id string
	switch {
	case s.cfg.IDPath != "":
		v := body
		for step := range strings.SplitSeq(s.cfg.IDPath, ".") {
			v, _ = v.Get(step)
		}
		if v.Kind() != entity.Dict && v.Kind() != entity.List {
			id = string(entity.AppendBare(nil, v))
		}
	case s.cfg.IDHeader != "":
		id = q.Header.Get(s.cfg.IDHeader)
	case s.scheme != nil:
		id = s.scheme.ID(&webhooks.Message{Header: q.Header, Body: q.Body})
	default:
		id = q.Header.Get("Webhook-Id")
	}
	return webhooks.EventID(id)
}

// paramsOf are the parameters of an address that nothing secret stands in any
// more; what cannot be read has none.
func paramsOf(address string) entity.Value {
	u, err := url.Parse(address)
	if err != nil {
		return dictOf(nil)
	}
	return dictOf(u.Query())
}

func dictOf(v url.Values) entity.Value {
	var members []entity.Member
	for _, key := range slices.Sorted(maps.Keys(v)) {
		members = append(members, entity.Member{Key: strings.ToValidUTF8(key, "\uFFFD"), Value: textsOf(v[key])})
	}
	return entity.NewDict(members...)
}

// textsOf is a text, or a list if there are several.
func textsOf(values []string) entity.Value {
	all := make([]entity.Value, len(values))
	for i, v := range values {
		all[i] = entity.NewString(strings.ToValidUTF8(v, "\uFFFD"))
	}
	if len(all) == 1 {
		return all[0]
	}
	return entity.NewList(all...)
}
