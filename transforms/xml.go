package transforms

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/internal/xmltext"
)

type xmlConfig struct {
	spec.Base
	Type           string        `spec:"type,required" doc:"xml"`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	XMLProperty    string        `spec:"xml-property,required" doc:"Property that receives the XML."`
	RootAttributes *jsonpos.Node `spec:"root-attributes" kind:"object" doc:"Attributes of the element, such as declarations of namespaces."`
	Declaration    bool          `spec:"include-xml-decl" doc:"Whether the XML begins with a declaration."`
	SkipDeleted    bool          `spec:"skip-deleted-entities" default:"true" doc:"Whether deleted entities pass without getting XML."`
	TriggerOn      *jsonpos.Node `spec:"trigger_on" kind:"object" doc:"Transforms only entities whose property key, a path, is value, which may hold wildcards; the others pass unchanged."`
	SideEffects    bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func xmlType() Type {
	return Type{
		Name:   "xml",
		Doc:    "Writes each entity as an XML element into one of its properties. The one property named <tag> is the element, the others are its attributes.",
		Config: func() any { return new(xmlConfig) },
		Build:  buildXML,
	}
}

func buildXML(c any, env Env) (Transform, diag.List) {
	cfg := c.(*xmlConfig)
	t, diags := newEach(env, cfg.TriggerOn, cfg.SideEffects)
	root, more := xmltext.Attributes(cfg.RootAttributes)
	diags.Add(more...)
	t.do = func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
		if cfg.SkipDeleted && entity.Deleted(e) {
			return e, nil
		}
		var text []byte
		if cfg.Declaration {
			text = append(text, xmltext.Declaration...)
		}
		text, err := xmltext.Append(text, e, root)
		if err != nil {
			return e, err
		}
		o := a.NewObject(e.Len() + 1)
		o.AddFrom(e.Object())
		o.Set(cfg.XMLProperty, entity.NewString(a.CopyString(string(text))))
		return o.Value(), nil
	}
	return t, diags
}
