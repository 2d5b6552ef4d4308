package systems

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// PipeConfig is what a source, transform or sink says about its calls to a
// REST system. Empty fields leave it to the operation.
type PipeConfig struct {
	// Node is the component, whose properties operations, properties, payload,
	// id_expression, updated_expression, allowed_status_codes,
	// ignored_status_codes, rate_limiting_retries and rate_limiting_delay are
	// taken from it.
	Node             *jsonpos.Node
	System           string
	Operation        string
	PayloadProperty  string
	ResponseProperty string
	HeadersProperty  string
	StatusProperty   string
	SinceName        string
	SinceLocation    string
	Retries, Delay   int // used if the node has them
}

// Pipe is a compiled PipeConfig.
type Pipe struct {
	node      *jsonpos.Node
	system    string
	operation string
	ops       map[string]*Operation
	set       settings
}

// CompilePipe compiles the templates of a source, transform or sink.
func CompilePipe(cfg PipeConfig) (*Pipe, diag.List) {
	n, c := cfg.Node, &compiler{}
	p := &Pipe{node: n, system: cfg.System, operation: cfg.Operation, ops: compileOperations(n.Get("operations"), c)}
	p.set = c.settings(cfg)
	return p, c.diags
}

// settings compiles what an operation and a pipe may both say.
func (c *compiler) settings(cfg PipeConfig) settings {
	n := cfg.Node
	set := settings{
		payload: c.tree(n.Get("payload")), properties: c.properties(n.Get("properties")),
		payloadProperty: cfg.PayloadProperty, responseProperty: cfg.ResponseProperty,
		headersProperty: cfg.HeadersProperty, statusProperty: cfg.StatusProperty,
		id: c.text(n.Get("id_expression")), updated: c.text(n.Get("updated_expression")),
		sinceName: cfg.SinceName, sinceLocation: cfg.SinceLocation,
		retries: given(n, "rate_limiting_retries", cfg.Retries), delay: given(n, "rate_limiting_delay", cfg.Delay),
	}
	set.allowed, set.ignored = c.statuses(n)
	return set
}

// System is the id of the system called.
func (p *Pipe) System() string { return p.system }

// Link reports a system or operation that does not exist. A system missing
// from the configuration is reported, too.
func (p *Pipe) Link(get func(id string) System) diag.List {
	r, err := p.REST(get)
	if err != nil || p.operation == "" {
		return LinkTo(p.system, at(p.node, "system"), get)
	}
	if _, err := r.find(p, p.operation); err != nil {
		return diag.List{{Rule: "rest/operation", Severity: diag.Error, Span: at(p.node, "operation"), Message: err.Error()}}
	}
	return nil
}

func at(n *jsonpos.Node, key string) jsonpos.Span {
	if v := n.Get(key); v != nil {
		return v.Span
	}
	return n.Span
}

// Asks is what the pipe asks its system for, as a text to be compared with another:
// a change of what only says how, such as a limit of the rate, is none.
func (p *Pipe) Asks(get func(id string) System) string {
	asks := []byte(p.system)
	var of *jsonpos.Node
	if r, err := p.REST(get); err == nil {
		if op, err := r.find(p, p.operation); err == nil {
			of = op.node
		}
	}
	for _, key := range []string{"url", "params", "payload", "properties", "updated_expression"} {
		n := p.node.Get(key)
		if n == nil || key == "url" || key == "params" {
			n = of.Get(key)
		}
		asks = append(asks, '\n')
		if n != nil {
			asks = n.AppendJSON(asks)
		}
	}
	return string(asks)
}

// REST returns the system to call; the error says why there is none.
func (p *Pipe) REST(get func(id string) System) (*REST, error) { return RESTOf(p.system, get) }

// RESTOf returns the system of that id to call; the error says why there is none.
func RESTOf(id string, get func(id string) System) (*REST, error) {
	s := get(id)
	if s == nil {
		return nil, fmt.Errorf("there is no system %q", id)
	}
	r, ok := s.(*REST)
	if !ok {
		return nil, fmt.Errorf("system %q is no REST system", id)
	}
	return r, nil
}

// LinkTo reports a system that does not exist or cannot be called by address.
func LinkTo(id string, span jsonpos.Span, get func(id string) System) diag.List {
	if _, err := RESTOf(id, get); err != nil {
		return diag.List{{Rule: "rest/system", Severity: diag.Error, Span: span, Message: err.Error(), Unknown: id}}
	}
	return nil
}

// find returns the operation of that name: the pipe's, else the system's.
func (r *REST) find(p *Pipe, name string) (*Operation, error) {
	if op := p.ops[name]; op != nil {
		return op, nil
	}
	if op := r.ops[name]; op != nil {
		return op, nil
	}
	all := slices.Sorted(maps.Keys(r.ops))
	all = append(all, slices.Sorted(maps.Keys(p.ops))...)
	msg := fmt.Sprintf("system %q has no operation %q", r.env.ID, name)
	if near := textdist.Nearest(name, all); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, fmt.Errorf("%s", msg)
}

// properties are the values of `properties`, not templates; in a system they
// may refer to secrets.
type properties struct {
	node  *jsonpos.Node
	plain entity.Value
	dark  bool // refers to secrets
}

func (c *compiler) properties(n *jsonpos.Node) *properties {
	if n == nil || n.Kind != jsonpos.Object {
		return nil
	}
	p := &properties{node: n, plain: entityOf(n), dark: refersToSecret(n)}
	if p.dark && !c.secrets {
		c.diags.Add(secretInPipe(n.Span))
	}
	return p
}

func refersToSecret(n *jsonpos.Node) bool {
	if s, ok := n.Str(); ok {
		return HasSecret(s)
	}
	if slices.ContainsFunc(n.Elems, refersToSecret) {
		return true
	}
	return slices.ContainsFunc(n.Members, func(m *jsonpos.Member) bool { return refersToSecret(m.Value) })
}

// value returns the properties with their secrets resolved.
func (p *properties) value(k *keyring) (entity.Value, error) {
	if p == nil {
		return entity.NewDict(), nil
	}
	if !p.dark {
		return p.plain, nil
	}
	return expandNode(p.node, k)
}

func expandNode(n *jsonpos.Node, k *keyring) (entity.Value, error) {
	var arena *entity.Arena
	switch n.Kind {
	case jsonpos.String:
		s, err := k.expand(n.Text)
		return entity.NewString(s), err
	case jsonpos.Array:
		list := make([]entity.Value, len(n.Elems))
		for i, e := range n.Elems {
			v, err := expandNode(e, k)
			if err != nil {
				return v, err
			}
			list[i] = v
		}
		return entity.NewList(list...), nil
	case jsonpos.Object:
		dict := arena.NewObject(len(n.Members))
		for _, m := range n.Members {
			v, err := expandNode(m.Value, k)
			if err != nil {
				return v, err
			}
			dict.Set(m.Key, v)
		}
		return dict.Value(), nil
	default:
		return entityOf(n), nil
	}
}
