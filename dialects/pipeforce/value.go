package pipeforce

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/dialects/pipeforce/pel"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

// value is what a pipeline says, compiled: a tree of templates.
type value struct {
	at      jsonpos.Span
	kind    jsonpos.Kind
	leaf    entity.Value // of what is no text, list or dict
	text    *pel.Template
	secret  string // a text with $SECRET(name), which holds no expression
	elems   []*value
	keys    []string
	members []*value
	node    *jsonpos.Node
}

var errSecret = errors.New("secrets can be used in headers of http.* only")

// compiler compiles values, and gathers what is wrong with them.
type compiler struct {
	finds    diag.List
	prefixes []string // of expressions
	secrets  bool     // whether what is compiled may have some
}

// roots are the values that expressions may name.
func roots() []string { return []string{"body", "vars", "headers", "request"} }

func (c *compiler) add(f diag.Finding) { c.finds.Add(f) }

// place is where in the file the byte of a text stands: within the line, if the
// text stands on one.
func place(n *jsonpos.Node, offset int) jsonpos.Span {
	at := n.Span
	if offset > len(n.Text) || strings.ContainsRune(n.Text, '\n') {
		return at
	}
	at.Start.Col += utf8.RuneCountInString(n.Text[:offset])
	if n.Span.End.Line == n.Span.Start.Line && n.Span.End.Col-n.Span.Start.Col == utf8.RuneCountInString(n.Text)+2 {
		at.Start.Col++ // it is quoted
	}
	at.End = at.Start
	at.End.Col++
	return at
}

func (c *compiler) wrong(n *jsonpos.Node, e *pel.Error, shift int) {
	f := fault(place(n, e.Offset+shift), "expression", e.Help, "%s", e.Msg)
	c.add(f)
}

// value compiles a tree; nil if n is.
func (c *compiler) value(n *jsonpos.Node) *value {
	if n == nil {
		return nil
	}
	v := &value{at: n.Span, kind: n.Kind, node: n}
	switch n.Kind {
	case jsonpos.String:
		c.text(v, n)
	case jsonpos.Array:
		for _, e := range n.Elems {
			v.elems = append(v.elems, c.value(e))
		}
	case jsonpos.Object:
		for _, m := range n.Members {
			v.keys, v.members = append(v.keys, m.Key), append(v.members, c.value(m.Value))
		}
	default:
		v.leaf = literal(n)
	}
	return v
}

func (c *compiler) text(v *value, n *jsonpos.Node) {
	t, errs := pel.ParseTemplate(n.Text, pel.TemplateOptions{Roots: roots(), Prefixes: c.prefixes})
	for _, e := range errs {
		c.wrong(n, e, 0)
	}
	v.text = t
	if t == nil || !systems.HasSecret(n.Text) {
		return
	}
	if _, plain := t.Literal(); !plain {
		c.add(fault(n.Span, "secret", "keep the secret in a text of its own", "a text with $SECRET(…) cannot hold expressions too"))
		return
	}
	if !c.secrets {
		c.add(fault(n.Span, "secret", "elsewhere they would stand in logs and datasets", "%s", errSecret))
	}
	v.secret = n.Text
}

// expr compiles a text that is an expression, with or without the braces.
func (c *compiler) expr(n *jsonpos.Node) *pel.Expr {
	text, ok := n.Str()
	if !ok {
		if n.Kind == jsonpos.Bool || n.Kind == jsonpos.Number {
			text = string(n.AppendJSON(nil))
		} else {
			c.add(fault(n.Span, "expression", "", "an expression is a text, found a %s", n.Kind))
			return nil
		}
	}
	shift := len(text) - len(strings.TrimLeft(text, " "))
	text = strings.TrimSpace(text)
	for _, p := range append([]string{"$", "#"}, c.prefixes...) {
		if strings.HasPrefix(text, p+"{") && strings.HasSuffix(text, "}") {
			text, shift = text[len(p)+1:len(text)-1], shift+len(p)+1
			break
		}
	}
	e, err := pel.Parse(text, roots())
	if err != nil {
		c.wrong(n, err, shift)
		return nil
	}
	return e
}

// literal is the value of a node without expressions.
func literal(n *jsonpos.Node) entity.Value {
	v, err := entity.Decode(nil, n.AppendJSON(nil), entity.DecodeOptions{Plain: true})
	if err != nil {
		return entity.NewString(n.Text) // a number that no one can hold
	}
	return v
}

// eval evaluates the tree.
func (v *value) eval(x *exec) (entity.Value, error) {
	switch {
	case v == nil:
		return entity.Value{}, nil
	case v.secret != "":
		return entity.Value{}, &placedError{v.at, errSecret}
	case v.kind == jsonpos.String:
		out, err := v.text.Eval(x.scope())
		return out, v.placed(err)
	case v.kind == jsonpos.Array:
		all := make([]entity.Value, len(v.elems))
		for i, e := range v.elems {
			var err error
			if all[i], err = e.eval(x); err != nil {
				return entity.Value{}, err
			}
		}
		return entity.NewList(all...), nil
	case v.kind == jsonpos.Object:
		all := make([]entity.Member, len(v.members))
		for i, m := range v.members {
			e, err := m.eval(x)
			if err != nil {
				return entity.Value{}, err
			}
			all[i] = entity.Member{Key: v.keys[i], Value: e}
		}
		return entity.NewDict(all...), nil
	}
	return v.leaf, nil
}

// placedError is an error that knows where in the file it was caused.
type placedError struct {
	at    jsonpos.Span
	cause error
}

// Error tells place and cause.
func (e *placedError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %v", e.at.File, e.at.Start.Line, e.at.Start.Col, e.cause)
}

// Unwrap returns the cause.
func (e *placedError) Unwrap() error { return e.cause }

func (v *value) placed(err error) error {
	if err == nil {
		return nil
	}
	at := v.at
	var e *pel.Error
	if errors.As(err, &e) {
		at = place(v.node, e.Offset)
	}
	return &placedError{at, err}
}
