package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/jinja"
	"github.com/sluiceio/sluice/systems"
)

// Receiver is the ability of sources whose entities are posted to the node.
type Receiver interface {
	// Check judges a request before its body is decoded.
	Check(ctx context.Context, q Request) Verdict
	// Decode reads the entities of a body: one, or a list of them. They refer
	// to body, which must not change while they are in use. Errors say what is
	// wrong with the body and are fit for the caller's eyes.
	Decode(body []byte, a *entity.Arena) ([]entity.Value, error)
}

// Request is what a receiver judges.
type Request struct {
	URL    string
	Params url.Values
	Header http.Header
	Body   []byte // raw, already bounded
	Method string
	Remote string // address of the caller
}

// Verdict is what became of a request.
type Verdict struct {
	// Accepted lets the request in.
	Accepted bool
	// Checked tells that a validation_expression was asked. Without one every
	// request is accepted here, and others decide who may call.
	Checked bool
	// Text is what the expression says to the caller, if it refuses.
	Text string
	// Err is why the expression could not be worked out, for the operator and
	// never for the caller. The request is refused then.
	Err error
}

type httpEndpointConfig struct {
	spec.Base
	Type           string        `spec:"type,required" doc:"http_endpoint"`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	System         string        `spec:"system" doc:"Id of a system whose secrets the validation_expression may use."`
	AutoPopulate   bool          `spec:"auto_populate_dataset" default:"true" doc:"Whether the sink's dataset counts as populated from the start."`
	FloatAsDecimal bool          `spec:"do_float_as_decimal" default:"true" doc:"Whether numbers with a fraction become decimals instead of floats."`
	FloatAsInt     bool          `spec:"do_float_as_int" default:"true" doc:"Whether numbers whose fraction is zero become integers."`
	Validation     string        `spec:"validation_expression" doc:"Template that judges a request by url, request_params, request_headers and request_body. The empty text accepts; any other, and any error, refuses."`
	Trace          *jsonpos.Node `spec:"trace" kind:"boolean|object" doc:"Whether requests and responses are written to the execution log."`
}

func httpEndpointType() Type {
	return Type{
		Name:   "http_endpoint",
		Doc:    "Receives entities that others post to the node, as JSON or, by SDShare push, as RDF.",
		Config: func() any { return new(httpEndpointConfig) },
		Build:  buildHTTPEndpoint,
	}
}

type httpEndpoint struct {
	cfg        *httpEndpointConfig
	env        Env
	validation *jinja.Validation // nil without an expression
	secrets    jinja.SecretFunc  // is s.secret, made once
}

func buildHTTPEndpoint(c any, env Env) (Source, diag.List) {
	cfg := c.(*httpEndpointConfig)
	s := &httpEndpoint{cfg: cfg, env: env}
	s.secrets = s.secret
	diags := systems.Unsupported(cfg.Node, ruleUnsupported, "trace", diag.Warning)
	if systems.Has(cfg.Node, "validation_expression") {
		diags.Add(s.compile(cfg.Node.Get("validation_expression"))...)
	}
	return s, diags
}

// compile compiles the expression and tries whether it would let in what
// nobody signed.
func (s *httpEndpoint) compile(n *jsonpos.Node) diag.List {
	v, err := jinja.CompileValidation(s.cfg.Validation, jinja.Options{
		Host: &jinja.Host{Now: s.env.Now, JWKS: s.env.JWKS}, Pos: systems.TextPos(n),
	})
	if err != nil {
		return diag.List{systems.TemplateFinding(err, n.Span)}
	}
	s.validation = v
	if s.env.Context == nil {
		return diag.List{{Rule: "auth/not-probed", Severity: diag.Error, Span: n.Span,
			Message: "the validation_expression was not tried against forged requests"}}
	}
	if f, open := s.env.Probes.try(s.env.Context, s.cfg.Validation, v); open {
		f.Span = n.Span
		return diag.List{f}
	}
	return nil
}

// Bare implements Bare.
func (s *httpEndpoint) Bare() bool { return true }

// Since implements Source.
func (s *httpEndpoint) Since() Since { return Since{false, true, false} }

// Read implements Source: there is nothing to fetch.
func (s *httpEndpoint) Read(context.Context, string, int) iter.Seq2[*entity.Batch, error] {
	return func(func(*entity.Batch, error) bool) {}
}

// AutoPopulates tells whether the sink's dataset is populated at load.
func (s *httpEndpoint) AutoPopulates() bool { return s.cfg.AutoPopulate }

// Link implements systems.Linker.
func (s *httpEndpoint) Link() diag.List {
	if s.cfg.System == "" || s.env.System(s.cfg.System) != nil {
		return nil
	}
	return diag.List{{Rule: "source/system", Severity: diag.Error, Span: s.cfg.At("system"),
		Message: fmt.Sprintf("there is no system %q", s.cfg.System), Unknown: s.cfg.System}}
}

// Check implements Receiver.
func (s *httpEndpoint) Check(ctx context.Context, q Request) Verdict {
	if s.validation == nil {
		return Verdict{Accepted: s.cfg.Validation == ""}
	}
	ok, text, err := s.validation.Check(ctx,
		jinja.Request{URL: q.URL, Params: q.Params, Headers: q.Header, Body: q.Body}, s.secrets)
	return Verdict{Accepted: ok && err == nil, Checked: true, Text: text, Err: err}
}

// secret looks at the system's secrets first, then at the node's.
func (s *httpEndpoint) secret(_ context.Context, name string) (string, error) {
	if v, ok := s.find(name); ok {
		return v, nil
	}
	return "", jinja.UnknownSecret(name, nil)
}

func (s *httpEndpoint) find(name string) (string, bool) {
	if s.cfg.System != "" {
		if h, ok := s.env.System(s.cfg.System).(systems.SecretHolder); ok {
			return h.Secret(name)
		}
	}
	if s.env.Secret == nil {
		return "", false
	}
	return s.env.Secret(name)
}

// Decode implements Receiver.
func (s *httpEndpoint) Decode(body []byte, a *entity.Arena) ([]entity.Value, error) {
	v, err := entity.Decode(a, body, entity.DecodeOptions{FloatAsDecimal: s.cfg.FloatAsDecimal, FloatAsInt: s.cfg.FloatAsInt})
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case entity.Dict:
		return append(a.Values(1), v), nil
	case entity.List:
		for i, e := range v.Elems() {
			if e.Kind() != entity.Dict {
				return nil, fmt.Errorf("entity %d is of type %s; entities must be dicts", i+1, e.Kind())
			}
		}
		return v.Elems(), nil
	default:
		return nil, errors.New("the body is of type " + v.Kind().String() + "; it must be an entity or a list of entities")
	}
}
