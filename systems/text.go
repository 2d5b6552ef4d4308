package systems

import (
	"context"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/jinja"
)

// CompileText compiles a text of the configuration as a template over the
// properties of an entity; nil and what is no text give nil. It may use no
// secrets: what it gives is stored, or sent in the open.
func CompileText(n *jsonpos.Node) (*Template, diag.List) {
	c := &compiler{}
	return c.text(n), c.diags
}

// Render renders the template with an entity's properties as variables. nil
// gives "".
func (t *Template) Render(ctx context.Context, e entity.Value) (string, error) {
	if t == nil {
		return "", nil
	}
	return t.render(ctx, scope{jinja.VarMap{}, e}, nil)
}
