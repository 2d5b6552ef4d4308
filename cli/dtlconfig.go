package cli

import (
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// promptKeys are the keys of --config. Some are of the conformance cases only, or
// make no difference to DTL.
func promptKeys() []string {
	return []string{"namespaced_identifiers", "namespaces", "rules", "pipe_id", "id_required", "url_parameters", "secrets", "previous_source",
		"uri_namespaces", "completeness", "sink_type", "source_type", "tolerance", "fixtures"}
}

// settings takes over what --config says.
func (p *prompt) settings(n *jsonpos.Node) error {
	if n.Kind != jsonpos.Object {
		return usage("--config is an object, not a %s", n.Kind)
	}
	if err := unknownKey(n); err != nil {
		return err
	}
	p.o.NamespacedIdentifiers = n.Get("namespaced_identifiers").IsTrue()
	p.o.IDRequired = n.Get("id_required").IsTrue()
	p.o.IdentityNS, _ = n.Get("namespaces").Get("identity").Str()
	p.o.PropertyNS, _ = n.Get("namespaces").Get("property").Str()
	p.o.PipeID, _ = n.Get("pipe_id").Str()
	p.o.URINamespaces = textsOf(n.Get("uri_namespaces"))
	p.rules = n.Get("rules")
	p.host.Secrets = textsOf(n.Get("secrets"))
	if prev := n.Get("previous_source"); prev != nil {
		p.previous, _ = dtl.Literal(prev)
	}
	if params := n.Get("url_parameters"); params != nil {
		p.params, _ = dtl.Literal(params)
	}
	return p.completeness(n.Get("completeness"))
}

func unknownKey(n *jsonpos.Node) error {
	for _, m := range n.Members {
		known := promptKeys()
		near := textdist.Nearest(m.Key, known)
		switch {
		case near == m.Key:
		case near != "":
			return usage("--config has no key %q; did you mean %q?", m.Key, near)
		default:
			return usage("--config has no key %q; it has %q", m.Key, known)
		}
	}
	return nil
}

// completeness reads times by the name of a dataset, by that of the one it is known
// through.
func (p *prompt) completeness(n *jsonpos.Node) error {
	if n == nil {
		return nil
	}
	p.host.Complete = map[string]map[string]time.Time{}
	for _, via := range n.Members {
		times := map[string]time.Time{}
		for _, m := range via.Value.Members {
			v, err := dtl.Literal(m.Value)
			if err != nil || v.Kind() != entity.Datetime {
				return usage(`--config: completeness of %q is a time such as "~t2026-01-31T12:00:00Z"`, m.Key)
			}
			times[m.Key] = v.Time()
		}
		p.host.Complete[via.Key] = times
	}
	return nil
}

// textsOf are the members of an object that are texts.
func textsOf(n *jsonpos.Node) map[string]string {
	texts := map[string]string{}
	if n != nil {
		for _, m := range n.Members {
			if text, ok := m.Value.Str(); ok {
				texts[m.Key] = text
			}
		}
	}
	return texts
}
