package pel

import (
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// Template is a text with expressions in it. It does not change.
type Template struct {
	pieces []piece
}

// piece is literal text, or an expression.
type piece struct {
	text string
	expr *Expr
	at   int
}

// TemplateOptions say how a text is read.
type TemplateOptions struct {
	// Roots may be named.
	Roots []string
	// Prefixes stand before the brace of an expression; $ and # unless given.
	Prefixes []string
}

// ParseTemplate reads a text, and reports every expression that is wrong;
// offsets are those of the text.
func ParseTemplate(text string, o TemplateOptions) (*Template, []*Error) {
	if len(o.Prefixes) == 0 {
		o.Prefixes = []string{"$", "#"}
	}
	t := &Template{}
	var errs []*Error
	var plain strings.Builder
	for i := 0; i < len(text); {
		from, escaped := opening(text[i:], o.Prefixes)
		switch {
		case escaped > 0: // \${ stands for ${
			plain.WriteString(text[i+1 : i+escaped])
			i += escaped
			continue
		case from == 0:
			plain.WriteByte(text[i])
			i++
			continue
		}
		inner, size := closing(text[i+from:])
		if size < 0 {
			errs = append(errs, &Error{Offset: i, Msg: "the expression has no end", Help: "close it with }"})
			break
		}
		e, err := Parse(inner, o.Roots)
		if err != nil {
			err.Offset += i + from
			errs = append(errs, err)
		}
		if plain.Len() > 0 {
			t.pieces = append(t.pieces, piece{text: plain.String()})
			plain.Reset()
		}
		t.pieces = append(t.pieces, piece{expr: e, at: i + from})
		i += from + size
	}
	if plain.Len() > 0 {
		t.pieces = append(t.pieces, piece{text: plain.String()})
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return t, nil
}

// opening tells how long the opening of an expression is with which the text
// begins, or one with a backslash before it; 0 if it does with none.
func opening(text string, prefixes []string) (size, escaped int) {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p+"{") {
			return len(p) + 1, 0
		}
		if strings.HasPrefix(text, `\`+p+"{") {
			return 0, len(p) + 2
		}
	}
	return 0, 0
}

// closing finds the brace that ends an expression: what stands before it, and
// its length with the brace; -1 if there is none. Braces in texts do not count.
func closing(text string) (inner string, size int) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\'', '"':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return "", -1
			}
			i += end + 1
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return text[:i], i + 1
			}
			depth--
		}
	}
	return "", -1
}

// Expressions are those of the template.
func (t *Template) Expressions() []*Expr {
	var all []*Expr
	for _, p := range t.pieces {
		if p.expr != nil {
			all = append(all, p.expr)
		}
	}
	return all
}

// Literal is the text of a template without expressions, and whether it is one.
func (t *Template) Literal() (string, bool) {
	switch {
	case len(t.pieces) == 0:
		return "", true
	case len(t.pieces) == 1 && t.pieces[0].expr == nil:
		return t.pieces[0].text, true
	}
	return "", false
}

// Eval evaluates the template. One that is an expression and nothing else keeps
// its type; others are texts. Errors are of type *Error.
func (t *Template) Eval(s *Scope) (entity.Value, error) {
	if len(t.pieces) == 1 && t.pieces[0].expr != nil {
		v, err := t.pieces[0].expr.Eval(s)
		return v, shifted(err, t.pieces[0].at)
	}
	r := &run{scope: s}
	var out []byte
	for _, p := range t.pieces {
		if p.expr == nil {
			out = append(out, p.text...)
			continue
		}
		v, err := r.eval(p.expr.root)
		if err == nil {
			before := len(out)
			out = appendText(out, v)
			err = r.grow(p.expr.root, len(out)-before)
		}
		if err != nil {
			return entity.Value{}, shifted(err, p.at)
		}
	}
	return entity.NewString(string(out)), nil
}

func shifted(err error, by int) error {
	if e, ok := err.(*Error); ok {
		moved := *e
		moved.Offset += by
		return &moved
	}
	return err
}
