package membrane

import (
	"encoding/json"
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/schemacheck"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type integrationConfig struct {
	spec.Base
	ID           string        `spec:"_id,required" doc:"Id of the component: the integration's key and -integration."`
	Type         string        `spec:"type,required" doc:"system:membrane"`
	Key          string        `spec:"key,required" doc:"Key of the integration, as it stands in addresses."`
	Name         string        `spec:"name" doc:"Name of the integration."`
	Connector    string        `spec:"connector,required" doc:"Key of the connector that it installs."`
	Parameters   *jsonpos.Node `spec:"parameters" kind:"object" doc:"Parameters of the connector. Texts may hold $SECRET(name)."`
	Archived     bool          `spec:"archived" doc:"Whether its webhooks are refused as gone."`
	ExposeErrors bool          `spec:"expose_errors" doc:"Whether senders are told what a handler threw."`
	Webhooks     *jsonpos.Node `spec:"webhooks" kind:"array" doc:"Its global webhooks, as the connector's folder has them."`
	Events       *jsonpos.Node `spec:"events" kind:"array" doc:"Its external events, as the connector's folder has them."`
}

type connectionConfig struct {
	spec.Base
	ID          string        `spec:"_id,required" doc:"Id of the component: the connection's key and -connection."`
	Type        string        `spec:"type,required" doc:"system:membrane_connection"`
	Key         string        `spec:"key,required" doc:"Key of the connection."`
	Name        string        `spec:"name" doc:"Name of the connection."`
	Integration string        `spec:"integration,required" doc:"Key of the integration it belongs to."`
	User        string        `spec:"user" doc:"Id of the customer whose connection it is."`
	System      string        `spec:"system" doc:"Id of the system by which apiClient reaches the other side."`
	Parameters  *jsonpos.Node `spec:"parameters" kind:"object" doc:"What else functions may know of the connection."`
	Credentials *jsonpos.Node `spec:"credentials" kind:"object" doc:"What functions get as credentials. Texts may hold $SECRET(name)."`
}

func integrationType() systems.Type {
	return systems.Type{
		Name:   "system:membrane",
		Doc:    "A connector of Membrane as it is installed, made of integrations/<key>.yml and the connector's folder.",
		Config: func() any { return new(integrationConfig) },
		Build:  buildIntegration,
	}
}

func connectionType() systems.Type {
	return systems.Type{
		Name:   "system:membrane_connection",
		Doc:    "A customer's connection of an integration, made of integrations/<key>.yml.",
		Config: func() any { return new(connectionConfig) },
		Build: func(c any, env systems.Env) (systems.System, diag.List) {
			return &connection{cfg: c.(*connectionConfig), env: env}, nil
		},
	}
}

// code is how a function of a connector is implemented.
type code struct {
	script  string
	formula formula
}

func codeOf(n *jsonpos.Node) (code, diag.List) {
	if script, ok := n.Get("script").Str(); ok {
		return code{script: script}, nil
	}
	if tree := n.Get("formula"); tree != nil {
		f, finds := parseFormula(tree)
		return code{formula: f}, finds
	}
	return code{}, diag.List{{Rule: "membrane/missing-file", Severity: diag.Error, Span: n.Span, Message: "there is neither a script nor a formula"}}
}

// hook is a global webhook of an integration.
type hook struct {
	key, name string
	rawOnly   bool
	code
}

// event is an external event of an integration.
type event struct {
	key, name  string
	parameters *schemacheck.Schema // nil takes all
	payload    *schemacheck.Schema // what does not fit is left out; nil takes all
	text       []byte              // for its version
	code
}

// integration is a connector that is installed.
type integration struct {
	cfg    *integrationConfig
	env    systems.Env
	hooks  map[string]*hook
	events map[string]*event
}

// ID implements systems.System.
func (i *integration) ID() string { return i.cfg.ID }

func buildIntegration(c any, env systems.Env) (systems.System, diag.List) {
	i := &integration{cfg: c.(*integrationConfig), env: env, hooks: map[string]*hook{}, events: map[string]*event{}}
	var finds diag.List
	for _, n := range elems(i.cfg.Webhooks) {
		code, more := codeOf(n)
		finds.Add(more...)
		h := &hook{rawOnly: n.Get("raw_only").IsTrue(), code: code}
		h.key, _ = n.Get("key").Str()
		h.name, _ = n.Get("name").Str()
		i.hooks[h.key] = h
	}
	for _, n := range elems(i.cfg.Events) {
		code, more := codeOf(n)
		finds.Add(more...)
		e := &event{code: code, text: n.AppendJSON(nil)}
		e.key, _ = n.Get("key").Str()
		e.name, _ = n.Get("name").Str()
		for key, into := range map[string]**schemacheck.Schema{"parameters_schema": &e.parameters, "schema": &e.payload} {
			if s := n.Get(key); s != nil {
				*into, more = schemacheck.Compile(s)
				finds.Add(more...)
			}
		}
		i.events[e.key] = e
	}
	return i, finds
}

func elems(n *jsonpos.Node) []*jsonpos.Node {
	if n == nil {
		return nil
	}
	return n.Elems
}

// connection is a customer's link to the other side.
type connection struct {
	cfg *connectionConfig
	env systems.Env
}

// ID implements systems.System.
func (c *connection) ID() string { return c.cfg.ID }

// opened is a value with its secrets in clear, for one call; hide takes them out
// of what is told.
func opened(n *jsonpos.Node, hide *systems.Secrets) (json.RawMessage, error) {
	if n == nil {
		return json.RawMessage("{}"), nil
	}
	out, err := openedNode(n, hide)
	if err != nil {
		return nil, err
	}
	return out.AppendJSON(nil), nil
}

func openedNode(n *jsonpos.Node, hide *systems.Secrets) (*jsonpos.Node, error) {
	c := *n
	var err error
	switch n.Kind {
	case jsonpos.String:
		if c.Text, err = hide.Expand(n.Text); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", n.Span.File, n.Span.Start.Line, err)
		}
	case jsonpos.Array:
		c.Elems = make([]*jsonpos.Node, len(n.Elems))
		for i, e := range n.Elems {
			if c.Elems[i], err = openedNode(e, hide); err != nil {
				return nil, err
			}
		}
	case jsonpos.Object:
		c.Members = make([]*jsonpos.Member, len(n.Members))
		for i, m := range n.Members {
			v, err := openedNode(m.Value, hide)
			if err != nil {
				return nil, err
			}
			c.Members[i] = &jsonpos.Member{Key: m.Key, KeySpan: m.KeySpan, Value: v}
		}
	}
	return &c, nil
}
