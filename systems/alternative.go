package systems

import (
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// Alternative picks the member of a conditional component's alternatives that
// its condition names; nil with a finding if there is none.
func Alternative(alternatives *jsonpos.Node, condition string, at jsonpos.Span) (*jsonpos.Node, diag.List) {
	if n := alternatives.Get(condition); n != nil {
		return n, nil
	}
	if alternatives == nil {
		return nil, nil // its absence has been told
	}
	var keys []string
	for _, m := range alternatives.Members {
		keys = append(keys, m.Key)
	}
	f := diag.Finding{
		Rule: "conditional/alternative", Severity: diag.Error, Span: at,
		Message: fmt.Sprintf("the condition is %q, which is none of the alternatives: %s", condition, strings.Join(keys, ", ")),
	}
	if near := textdist.Nearest(condition, keys); near != "" {
		f.Help = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, diag.List{f}
}
