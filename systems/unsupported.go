package systems

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

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
