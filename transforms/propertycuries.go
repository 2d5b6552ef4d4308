package transforms

import (
	"context"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type propertiesToCuriesConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"properties_to_curies"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Rule        *jsonpos.Node `spec:"rule" kind:"string" doc:"Entry of rdf in the node's metadata whose prefix_rules are used; goes before id and properties."`
	Safe        string        `spec:"quote_safe_characters" default:"/" doc:"Characters that are not quoted, besides letters, digits and _.-~; goes before the entry's."`
	ID          string        `spec:"id" doc:"Prefix of _id."`
	Properties  *jsonpos.Node `spec:"properties" kind:"array" doc:"Prefixes, each followed by the list of patterns of the path that it is for. The first that fits counts; * stands for any characters, ** for any steps."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func propertiesToCuriesType() Type {
	return Type{
		Name:   "properties_to_curies",
		Doc:    "Gives keys and _id prefixes by patterns. Older configurations have it.",
		Config: func() any { return new(propertiesToCuriesConfig) },
		Build:  buildPropertiesToCuries,
	}
}

func buildPropertiesToCuries(c any, env Env) (Transform, diag.List) {
	cfg := c.(*propertiesToCuriesConfig)
	p := &prefixer{id: cfg.ID, safe: cfg.Safe}
	rules := cfg.Properties
	var diags diag.List
	if cfg.Rule != nil {
		entry := env.Metadata.Get("rdf").Get(cfg.Rule.Text)
		if entry == nil {
			diags.Add(missingEntry(cfg.Rule))
		}
		p.id, _ = entry.Get("prefix_rules").Get("id").Str()
		rules = entry.Get("prefix_rules").Get("properties")
		if safe, ok := entry.Get("quote_safe_characters").Str(); ok && !systems.Has(cfg.Node, "quote_safe_characters") {
			p.safe = safe
		}
	} else if p.id == "" || rules == nil {
		diags.Add(wrongRules(cfg.Node, "rule, or id and properties, must be given"))
	}
	diags.Add(p.compile(rules)...)
	return &each{effects: cfg.SideEffects, do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
		return p.dict(a, e, nil), nil
	}}, diags
}

func wrongRules(n *jsonpos.Node, message string) diag.Finding {
	return diag.Finding{Rule: "transform/rdf", Severity: diag.Error, Span: n.Span, Message: message}
}

// prefixer gives prefixes.
type prefixer struct {
	id, safe string
	rules    []prefixRule
}

type prefixRule struct {
	prefix  string
	pattern []string
}

func (p *prefixer) compile(n *jsonpos.Node) (finds diag.List) {
	if n == nil {
		return nil
	}
	if len(n.Elems)%2 != 0 {
		finds.Add(wrongRules(n, "prefixes and lists of patterns must come in pairs"))
	}
	for i := 0; i+1 < len(n.Elems); i += 2 {
		name, ok := n.Elems[i].Str()
		rule := prefixRule{prefix: name}
		if !ok || n.Elems[i+1].Kind != jsonpos.Array || len(n.Elems[i+1].Elems) == 0 {
			finds.Add(wrongRules(n.Elems[i], "a prefix is a string, followed by a list of patterns"))
			continue
		}
		for _, step := range n.Elems[i+1].Elems {
			rule.pattern = append(rule.pattern, step.Text)
		}
		p.rules = append(p.rules, rule)
	}
	return finds
}

func (p *prefixer) dict(a *entity.Arena, d entity.Value, path []string) entity.Value {
	o := a.NewObject(d.Len())
	for _, m := range d.Object().Members() {
		if m.Key == entity.IDKey && m.Value.Kind() == entity.String && p.id != "" {
			o.Set(m.Key, entity.NewString(p.curie(p.id, m.Value.Text())))
			continue
		}
		inner := append(path[:len(path):len(path)], m.Key)
		o.Set(p.key(inner), p.value(a, m.Value, inner))
	}
	return o.Value()
}

func (p *prefixer) value(a *entity.Arena, v entity.Value, path []string) entity.Value {
	switch v.Kind() {
	case entity.Dict:
		return p.dict(a, v, path)
	case entity.List:
		out := a.Values(v.Len())
		for _, e := range v.Elems() {
			out = append(out, p.value(a, e, path))
		}
		return entity.NewList(out...)
	default:
		return v
	}
}

// key leaves alone what has a prefix, and what Sluice itself reads.
func (p *prefixer) key(path []string) string {
	key := path[len(path)-1]
	if _, has := bare(key); has || strings.HasPrefix(key, "_") {
		return key
	}
	for _, r := range p.rules {
		if fitsEnd(r.pattern, path) {
			return p.curie(r.prefix, key)
		}
	}
	return key
}

func (p *prefixer) curie(prefix, text string) string {
	if _, has := bare(text); has {
		return text
	}
	return "<" + prefix + ":" + quoteURL(text, p.safe) + ">"
}

// fitsEnd tells whether a pattern fits the end of a path.
func fitsEnd(pattern, path []string) bool {
	for i := range path {
		if fits(pattern, path[i:]) {
			return true
		}
	}
	return false
}

func fits(pattern, path []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case pattern[0] == "**":
		return fits(pattern[1:], path) || len(path) > 0 && fits(pattern, path[1:])
	default:
		return len(path) > 0 && wildcard(pattern[0], path[0]) && fits(pattern[1:], path[1:])
	}
}
