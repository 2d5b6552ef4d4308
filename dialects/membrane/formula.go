package membrane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// formula makes a value of variables. Those of one call are not changed by it.
type formula func(vars map[string]any) (any, error)

// operators are what formulas may have besides what stands for itself.
func operators() []string {
	return []string{"$var", "$concat", "$lowercase", "$uppercase", "$firstNotEmpty"}
}

// mostFormula bounds the text that a formula makes.
const mostFormula = 1 << 20

// parseFormula compiles a tree of formulas.
func parseFormula(n *jsonpos.Node) (formula, diag.List) {
	p := &formulas{}
	f := p.node(n)
	return f, p.finds
}

type formulas struct{ finds diag.List }

func (p *formulas) fail(at jsonpos.Span, help, format string, args ...any) formula {
	p.finds.Add(diag.Finding{Rule: "membrane/formula", Severity: diag.Error, Span: at, Help: help, Message: fmt.Sprintf(format, args...)})
	return func(map[string]any) (any, error) { return nil, nil }
}

func (p *formulas) node(n *jsonpos.Node) formula {
	switch n.Kind {
	case jsonpos.Array:
		all := p.nodes(n.Elems)
		return func(vars map[string]any) (any, error) { return evaluated(all, vars) }
	case jsonpos.Object:
		return p.object(n)
	default:
		v, err := anyOf(n.AppendJSON(nil))
		if err != nil {
			return p.fail(n.Span, "", "the value cannot be read: %v", err)
		}
		return func(map[string]any) (any, error) { return v, nil }
	}
}

func (p *formulas) nodes(list []*jsonpos.Node) []formula {
	all := make([]formula, len(list))
	for i, e := range list {
		all[i] = p.node(e)
	}
	return all
}

func evaluated(all []formula, vars map[string]any) ([]any, error) {
	out := make([]any, len(all))
	for i, f := range all {
		var err error
		if out[i], err = f(vars); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// object is an operator with its argument, or a dict of formulas.
func (p *formulas) object(n *jsonpos.Node) formula {
	if len(n.Members) == 1 && strings.HasPrefix(n.Members[0].Key, "$") {
		return p.operator(n.Members[0])
	}
	keys, all := make([]string, len(n.Members)), make([]formula, len(n.Members))
	for i, m := range n.Members {
		if strings.HasPrefix(m.Key, "$") {
			return p.fail(m.KeySpan, "an operator stands alone in its dict", "%s stands beside other keys", m.Key)
		}
		keys[i], all[i] = m.Key, p.node(m.Value)
	}
	return func(vars map[string]any) (any, error) {
		values, err := evaluated(all, vars)
		out := make(map[string]any, len(keys))
		for i := range values {
			out[keys[i]] = values[i]
		}
		return out, err
	}
}

func (p *formulas) operator(m *jsonpos.Member) formula {
	switch m.Key {
	case "$var":
		path, ok := m.Value.Str()
		if !ok {
			return p.fail(m.Value.Span, "for example $var: parameters.projectId", "$var is followed by a path")
		}
		return p.variable(m.Value.Span, path)
	case "$concat", "$firstNotEmpty":
		list := m.Value.Elems
		if values := m.Value.Get("values"); values != nil {
			list = values.Elems
		} else if m.Value.Kind != jsonpos.Array {
			return p.fail(m.Value.Span, "", "%s is followed by a list", m.Key)
		}
		if all := p.nodes(list); m.Key == "$concat" {
			return concat(all)
		} else {
			return firstNotEmpty(all)
		}
	case "$lowercase":
		return changed(p.node(m.Value), strings.ToLower)
	case "$uppercase":
		return changed(p.node(m.Value), strings.ToUpper)
	}
	help := "there are " + strings.Join(operators(), ", ")
	if near := textdist.Nearest(m.Key, operators()); near != "" {
		help = `did you mean "` + near + `"?`
	}
	return p.fail(m.KeySpan, help, "there is no formula %q", m.Key)
}

// roots are the variables that formulas may name.
func roots() []string {
	return []string{"parameters", "credentials", "connection", "input", "query", "data", "headers", "rawBody"}
}

// variable reads a path like $.input.user.id or parameters.list[0].
func (p *formulas) variable(at jsonpos.Span, path string) formula {
	clean := strings.NewReplacer("[", ".", "]", "").Replace(strings.TrimPrefix(strings.TrimPrefix(path, "$"), "."))
	steps := strings.Split(clean, ".")
	known := false
	for _, r := range roots() {
		known = known || r == steps[0]
	}
	if !known {
		help := "there are " + strings.Join(roots(), ", ")
		if near := textdist.Nearest(steps[0], roots()); near != "" {
			help = `did you mean "` + near + `"?`
		}
		return p.fail(at, help, "there is no variable %q", steps[0])
	}
	return func(vars map[string]any) (any, error) {
		var v any = vars
		for _, s := range steps {
			switch in := v.(type) {
			case map[string]any:
				v = in[s]
			case []any:
				i, err := strconv.Atoi(s)
				if err != nil || i < 0 || i >= len(in) {
					return nil, nil
				}
				v = in[i]
			default:
				return nil, nil
			}
		}
		return v, nil
	}
}

func concat(all []formula) formula {
	return func(vars map[string]any) (any, error) {
		values, err := evaluated(all, vars)
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		for _, v := range values {
			text, err := plain(v)
			if err != nil {
				return nil, err
			}
			if b.WriteString(text); b.Len() > mostFormula {
				return nil, fmt.Errorf("a formula made more than %d bytes", mostFormula)
			}
		}
		return b.String(), nil
	}
}

func firstNotEmpty(all []formula) formula {
	return func(vars map[string]any) (any, error) {
		for _, f := range all {
			if v, err := f(vars); err != nil || v != nil && v != "" {
				return v, err
			}
		}
		return nil, nil
	}
}

func changed(f formula, change func(string) string) formula {
	return func(vars map[string]any) (any, error) {
		v, err := f(vars)
		if err != nil || v == nil {
			return nil, err
		}
		text, err := plain(v)
		return change(text), err
	}
}

// anyOf reads JSON with its numbers as they are written.
func anyOf(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// plain is a value as a script would write it into a text.
func plain(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case map[string]any, []any:
		return "", fmt.Errorf("a list or a dict is no text")
	default:
		text, err := json.Marshal(v)
		return string(text), err
	}
}
