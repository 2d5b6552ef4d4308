package transforms

import (
	"context"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type urisToCuriesConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"uris_to_curies"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Includes    *jsonpos.Node `spec:"prefix_includes" kind:"array" doc:"Entries of rdf in the node's metadata whose prefixes are used, besides those of common vocabularies."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func urisToCuriesType() Type {
	return Type{
		Name:   "uris_to_curies",
		Doc:    "Shortens URIs in keys and values by prefixes. Older configurations have it.",
		Config: func() any { return new(urisToCuriesConfig) },
		Build: func(c any, env Env) (Transform, diag.List) {
			cfg := c.(*urisToCuriesConfig)
			var names []*jsonpos.Node
			if cfg.Includes != nil {
				names = cfg.Includes.Elems
			}
			all, diags := registry{env.Metadata.Get("rdf")}.prefixes(names)
			s := shortener(all)
			return &each{effects: cfg.SideEffects, do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
				return s.dict(a, e), nil
			}}, diags
		},
	}
}

// shortener holds prefixes, the longest URI first.
type shortener []prefix

// short returns the CURIE of a URI, with or without brackets around it.
func (s shortener) short(uri string) (string, bool) {
	uri, _ = bare(uri)
	for _, p := range s {
		if rest, ok := strings.CutPrefix(uri, p.uri); ok && rest != "" {
			return p.name + ":" + rest, true
		}
	}
	return "", false
}

func (s shortener) dict(a *entity.Arena, d entity.Value) entity.Value {
	o := a.NewObject(d.Len())
	for _, m := range d.Object().Members() {
		key := m.Key
		if curie, ok := s.short(key); ok {
			key = "<" + curie + ">"
		}
		o.Set(key, s.value(a, m.Value))
	}
	return o.Value()
}

func (s shortener) value(a *entity.Arena, v entity.Value) entity.Value {
	switch v.Kind() {
	case entity.Dict:
		return s.dict(a, v)
	case entity.List:
		out := a.Values(v.Len())
		for _, e := range v.Elems() {
			out = append(out, s.value(a, e))
		}
		return entity.NewList(out...)
	case entity.String:
		if curie, ok := s.short(v.Text()); ok {
			return entity.NewString("<" + curie + ">")
		}
	case entity.URI:
		if curie, ok := s.short(v.Text()); ok {
			return entity.NewURI(curie)
		}
	}
	return v
}
