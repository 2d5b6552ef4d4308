package xmltext

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Attributes reads `root-attributes`, in the order written; nil has none.
func Attributes(n *jsonpos.Node) ([]Attribute, diag.List) {
	if n == nil {
		return nil, nil
	}
	var all []Attribute
	var finds diag.List
	for _, m := range n.Members {
		wrong := func(at jsonpos.Span, msg string) {
			finds.Add(diag.Finding{Rule: "xml/attribute", Severity: diag.Error, Span: at, Message: msg})
		}
		if !IsQName(m.Key) {
			wrong(m.KeySpan, fmt.Sprintf("%q is no name of an XML attribute", m.Key))
		}
		switch m.Value.Kind {
		case jsonpos.String, jsonpos.Number:
			all = append(all, Attribute{m.Key, m.Value.Text})
		case jsonpos.Bool:
			all = append(all, Attribute{m.Key, fmt.Sprint(m.Value.Bool)})
		default:
			wrong(m.Value.Span, fmt.Sprintf("an XML attribute must be a string, found a %s", m.Value.Kind))
			continue
		}
		if _, err := appendText(nil, all[len(all)-1].Value); err != nil {
			wrong(m.Value.Span, err.Error())
		}
	}
	return all, finds
}
