package systems

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/jinja"
)

// Template is one text of the configuration that is a template.
type Template struct {
	t    *jinja.Template
	span jsonpos.Span
}

// compiler compiles the templates of one component and gathers what is wrong.
type compiler struct {
	// secrets tells whether $SECRET and secret() may occur.
	secrets bool
	diags   diag.List
}

// text compiles the text of a String node; nil and any other kind give nil,
// which is reported by the decoding of the component.
func (c *compiler) text(n *jsonpos.Node) *Template {
	s, ok := n.Str()
	if !ok {
		return nil
	}
	return c.source(s, n.Span)
}

func (c *compiler) source(s string, span jsonpos.Span) *Template {
	if HasSecret(s) && !c.secrets {
		c.diags.Add(secretInPipe(span))
		return nil
	}
	src := rewriteSecrets(s)
	t, err := jinja.Compile(src.text, jinja.Options{
		Undefined: jinja.ChainableStrict,
		Sets:      []jinja.Set{jinja.StdSet()},
		Pos: func(offset int) (string, int, int) {
			at := textPos(s, span, src.origin(offset))
			return span.File, at.Line, at.Col
		},
	})
	if err != nil {
		c.diags.Add(TemplateFinding(err, span))
		return nil
	}
	return &Template{t, span}
}

func secretInPipe(span jsonpos.Span) diag.Finding {
	return diag.Finding{
		Rule: "rest/secret-in-pipe", Severity: diag.Error, Span: span,
		Message: "secrets can be used in the system's operations only, not in those of a pipe",
		Help:    "move the operation to the system",
	}
}

// TextPos returns the function that jinja.Options.Pos asks for: the place of a
// byte offset in the text of a String node.
func TextPos(n *jsonpos.Node) func(offset int) (file string, line, col int) {
	return func(offset int) (string, int, int) {
		at := textPos(n.Text, n.Span, offset)
		return n.Span.File, at.Line, at.Col
	}
}

// textPos returns the place of the byte offset of a string's text. The file
// holds the text escaped, always on one line.
func textPos(s string, span jsonpos.Span, offset int) jsonpos.Pos {
	at := jsonpos.Pos{Line: span.Start.Line, Col: span.Start.Col + 1}
	for _, r := range s[:min(max(offset, 0), len(s))] {
		if at.Col++; r == '"' || r == '\\' || r < ' ' {
			at.Col++
		}
	}
	return at
}

// TemplateFinding makes a finding of an error of jinja.Compile; span is the
// template's.
func TemplateFinding(err error, span jsonpos.Span) diag.Finding {
	f := diag.Finding{Rule: jinja.CodeSyntax, Severity: diag.Error, Message: err.Error(), Span: span}
	if e, ok := err.(*jinja.Error); ok {
		f.Rule, f.Message, f.Help = e.Code, "template: "+e.Msg, e.Help
		f.Span.Start = jsonpos.Pos{Line: e.Line, Col: e.Col}
	}
	return f
}

// tree is a value of the configuration in which every text, also of keys, is
// a template.
type tree struct {
	leaf    entity.Value // if it is no text, list or dict
	text    *Template
	elems   []*tree
	members []treeMember
	kind    jsonpos.Kind
}

type treeMember struct {
	key   *Template
	value *tree
}

// tree compiles a value; nil gives nil.
func (c *compiler) tree(n *jsonpos.Node) *tree {
	if n == nil {
		return nil
	}
	t := &tree{kind: n.Kind}
	switch n.Kind {
	case jsonpos.String:
		t.text = c.text(n)
	case jsonpos.Array:
		for _, e := range n.Elems {
			t.elems = append(t.elems, c.tree(e))
		}
	case jsonpos.Object:
		for _, m := range n.Members {
			t.members = append(t.members, treeMember{c.source(m.Key, m.KeySpan), c.tree(m.Value)})
		}
	default:
		t.leaf = entityOf(n)
	}
	return t
}

// uses tells whether any template of the tree mentions one of the names.
func (t *tree) uses(names ...string) bool {
	if t == nil {
		return false
	}
	if t.text.uses(names...) {
		return true
	}
	for _, e := range t.elems {
		if e.uses(names...) {
			return true
		}
	}
	for _, m := range t.members {
		if m.key.uses(names...) || m.value.uses(names...) {
			return true
		}
	}
	return false
}

func (t *Template) uses(names ...string) bool {
	for _, n := range names {
		if t != nil && t.t.UsesName(n) {
			return true
		}
	}
	return false
}

// render renders the template; errors say where in which file it stands.
func (t *Template) render(ctx context.Context, v jinja.Vars, h *jinja.Host) (string, error) {
	s, err := t.t.RenderWith(ctx, v, h)
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%s:%d:%d: template gives text that is not UTF-8",
			t.span.File, t.span.Start.Line, t.span.Start.Col)
	}
	return s, nil
}
