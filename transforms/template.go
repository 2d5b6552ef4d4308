package transforms

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/textdist"
)

type templateConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"template"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Name        string        `spec:"name" doc:"Name shown to people."`
	Template    *jsonpos.Node `spec:"template,required" kind:"string|object|array" doc:"Name of the template: transform-collect-rest, transform-defaults-rest or transform-share-rest."`
	Properties  *jsonpos.Node `spec:"properties,required" kind:"object" doc:"What the template is told; each has properties of its own."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node. transform-share-rest does anyway."`
}

func templateType() Type {
	return Type{
		Name:   "template",
		Doc:    "A chain of transforms that is known by name: to look entities up in a REST system, to give them defaults, or to write them there.",
		Config: func() any { return new(templateConfig) },
		Build:  buildTemplate,
	}
}

// templates are the chains by name: each reads its properties and returns the
// parts.
func templates() map[string]func(n *jsonpos.Node, env Env) ([]part, diag.List) {
	return map[string]func(n *jsonpos.Node, env Env) ([]part, diag.List){
		"transform-collect-rest":  collectTemplate,
		"transform-defaults-rest": defaultsTemplate,
		"transform-share-rest":    shareTemplate,
	}
}

// part is one transform of a template: the configuration of one, or one that is
// built in.
type part struct {
	node *jsonpos.Node
	do   *each
}

func buildTemplate(c any, env Env) (Transform, diag.List) {
	cfg := c.(*templateConfig)
	if cfg.Template == nil {
		return nil, nil // its absence has been told
	}
	name, named := cfg.Template.Str()
	all := templates()
	make, known := all[name]
	if !named || !known {
		return nil, diag.List{unknownTemplate(cfg.Template, name, named, slices.Sorted(maps.Keys(all)))}
	}
	parts, diags := make(cfg.Properties, env)
	chain := &Chain{effects: cfg.SideEffects}
	for _, p := range parts {
		if p.do != nil {
			chain.parts = append(chain.parts, p.do)
			continue
		}
		t, found := env.Build(p.node)
		diags.Add(found...)
		if t != nil {
			chain.parts = append(chain.parts, t)
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return chain, diags
}

func unknownTemplate(n *jsonpos.Node, name string, named bool, known []string) diag.Finding {
	f := diag.Finding{Rule: "transform/template", Severity: diag.Error, Span: n.Span}
	if !named {
		f.Message = "a template that is written out cannot be run: what it may say is documented nowhere"
		f.Help = "write its transforms themselves, as a list"
		return f
	}
	f.Message = fmt.Sprintf("there is no template %q", name)
	if near := textdist.Nearest(name, known); near != "" {
		f.Help = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}

// maker writes configurations that stand, for messages, where the template's
// properties do. Nodes of the user keep their own places.
type maker struct{ span jsonpos.Span }

// list and dict, of keys and values in turn, are the shapes that a maker takes
// besides texts, numbers, truths and nodes.
type (
	list []any
	dict []any
)

func (m maker) node(v any) *jsonpos.Node {
	n := &jsonpos.Node{Span: m.span}
	switch v := v.(type) {
	case *jsonpos.Node:
		return v
	case string:
		n.Kind, n.Text = jsonpos.String, v
	case int:
		n.Kind, n.Text = jsonpos.Number, strconv.Itoa(v)
	case bool:
		n.Kind, n.Bool = jsonpos.Bool, v
	case list:
		n.Kind = jsonpos.Array
		for _, e := range v {
			n.Elems = append(n.Elems, m.node(e))
		}
	case dict:
		n.Kind = jsonpos.Object
		for i := 0; i+1 < len(v); i += 2 {
			n.Members = append(n.Members, &jsonpos.Member{Key: v[i].(string), KeySpan: m.span, Value: m.node(v[i+1])})
		}
	}
	return n
}

// rules is a dtl transform whose default rule copies the entity and does more.
func (m maker) rules(on string, named *jsonpos.Node, more ...any) part {
	all := dict{"default", append(list{list{"copy", "*"}}, more...)}
	n := m.node(dict{"type", "dtl", "rules", all})
	if named != nil {
		rules := n.Get("rules")
		for _, r := range named.Members {
			if r.Key != "default" {
				rules.Members = append(rules.Members, r)
			}
		}
	}
	if on != "" {
		n.Members = append(n.Members, m.member("trigger_on", forOperation(on)))
	}
	return part{node: n}
}

func (m maker) member(key string, v any) *jsonpos.Member {
	return &jsonpos.Member{Key: key, KeySpan: m.span, Value: m.node(v)}
}

// forOperation is for entities whose operation it is.
func forOperation(operation string) dict { return dict{"key", operationKey, "value", operation} }

// call is a rest transform that keeps the entity, for those whose operation it is.
func (m maker) call(system, operation, on, allowed string, properties *jsonpos.Node, effects bool) part {
	n := m.node(dict{
		"type", "rest", "system", system, "operation", operation, "replace_entity", false,
		"response_property", bodyKey, "response_status_property", statusKey, "side_effects", effects, "trigger_on", forOperation(on),
	})
	if allowed != "" { // else the operation says it
		n.Members = append(n.Members, m.member("allowed_status_codes", allowed))
	}
	if properties != nil {
		n.Members = append(n.Members, m.member("properties", properties))
	}
	return part{node: n}
}

// stored finds entities of a dataset, without following its changes: what a pipe
// has written itself is no reason to write it again.
func stored(dataset string, where ...any) list {
	return list{"hops", dict{"datasets", list{dataset + " s"}, "where", list(where), "track-dependencies", false}}
}

// Members that a template keeps while it works.
const (
	operationKey = "$operation"
	bodyKey      = "response_body"
	statusKey    = "response_status"
)

// names reads a property that is a name or a list of names.
func names(n *jsonpos.Node) (all []string) {
	if text, ok := n.Str(); ok {
		return []string{text}
	}
	if n != nil {
		for _, e := range n.Elems {
			if text, ok := e.Str(); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
