package systems

import (
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// UnknownType reports the type of a component that is in no set: kind is
// "source", "transform", "sink" or "system", known are the types there are,
// documented those that are not there yet.
func UnknownType(kind string, n *jsonpos.Node, known, documented []string) diag.List {
	f := diag.Finding{Severity: diag.Error, Rule: kind + "/type"}
	if n == nil {
		f.Message = "there is no " + kind
		return diag.List{f}
	}
	f.Span = n.Span
	t := n.Get("type")
	name, ok := t.Str()
	switch {
	case t == nil:
		f.Message = kind + " has no type"
		f.Help = `add "type"`
		return diag.List{f}
	case !ok:
		f.Span, f.Message = t.Span, fmt.Sprintf("the type of a %s must be a string, found a %s", kind, t.Kind)
		return diag.List{f}
	}
	f.Span = t.Span
	if slices.Contains(documented, name) {
		f.Rule = kind + "/unsupported"
		f.Message = fmt.Sprintf("%s type %q is not supported yet", kind, name)
		return diag.List{f}
	}
	f.Rule = kind + "/unknown"
	f.Message = fmt.Sprintf("there is no %s type %q", kind, name)
	if near := textdist.Nearest(name, append(slices.Clone(known), documented...)); near != "" {
		f.Help = fmt.Sprintf("did you mean %q?", near)
	}
	return diag.List{f}
}

// Unsupported reports a property that is documented but not there yet, if it
// is given: as an error where doing without it would be wrong. Null and false
// are as good as absent.
func Unsupported(n *jsonpos.Node, rule, key string, s diag.Severity) diag.List {
	v := n.Get(key)
	if v == nil || v.Kind == jsonpos.Null || v.Kind == jsonpos.Bool && !v.Bool {
		return nil
	}
	msg := key + " is not supported yet"
	if s == diag.Warning {
		msg += " and has no effect"
	}
	return diag.List{{Rule: rule, Severity: s, Span: v.Span, Message: msg}}
}
