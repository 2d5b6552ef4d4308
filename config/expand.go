package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

const conditionalKey = "$conditional_properties"

var (
	envPattern    = regexp.MustCompile(`\$ENV\(([^()]*)\)`)
	secretPattern = regexp.MustCompile(`\$SECRET\(([^()]*)\)`)
)

// expander resolves variables and conditional properties of one component.
// What does not change is shared with the original.
type expander struct {
	env   map[string]*jsonpos.Node
	finds *diag.List
	id    string
}

// root expands a component: conditional properties are resolved everywhere but
// in transforms and embedded data.
func (x *expander) root(n *jsonpos.Node) *jsonpos.Node { return x.node(n, true) }

func (x *expander) node(n *jsonpos.Node, conditions bool) *jsonpos.Node {
	switch n.Kind {
	case jsonpos.String:
		return x.text(n)
	case jsonpos.Array:
		return x.array(n, conditions)
	case jsonpos.Object:
		return x.object(n, conditions)
	default:
		return n
	}
}

func (x *expander) array(n *jsonpos.Node, conditions bool) *jsonpos.Node {
	var out []*jsonpos.Node
	for i, e := range n.Elems {
		v := x.node(e, conditions)
		if v != e && out == nil {
			out = slices.Clone(n.Elems)
		}
		if out != nil {
			out[i] = v
		}
	}
	if out == nil {
		return n
	}
	c := *n
	c.Elems = out
	return &c
}

func (x *expander) object(n *jsonpos.Node, conditions bool) *jsonpos.Node {
	if cond := n.Get(conditionalKey); cond != nil && conditions {
		n = x.choose(n, cond)
	}
	var out []*jsonpos.Member
	for i, m := range n.Members {
		v := x.node(m.Value, conditions && m.Key != "transform" && m.Key != "entities")
		if v != m.Value && out == nil {
			out = slices.Clone(n.Members)
		}
		if out != nil {
			out[i] = &jsonpos.Member{Key: m.Key, KeySpan: m.KeySpan, Value: v}
		}
	}
	if out == nil {
		return n
	}
	c := *n
	c.Members = out
	return &c
}

// choose puts the keys of the chosen alternative in the place of the same keys
// beside it.
func (x *expander) choose(n, cond *jsonpos.Node) *jsonpos.Node {
	without := *n
	without.Members = slices.DeleteFunc(slices.Clone(n.Members), func(m *jsonpos.Member) bool { return m.Key == conditionalKey })
	condition, alternatives := cond.Get("condition"), cond.Get("alternatives")
	if condition == nil || alternatives == nil || alternatives.Kind != jsonpos.Object {
		x.report(cond, "config/conditional", `{"condition": "$ENV(x)", "alternatives": {"value": {…}}}`, "condition and alternatives are expected")
		return &without
	}
	value, _ := x.node(condition, false).Str()
	chosen := alternatives.Get(value)
	if chosen == nil || chosen.Kind != jsonpos.Object {
		var names []string
		for _, m := range alternatives.Members {
			names = append(names, m.Key)
		}
		x.report(condition, "config/conditional", "alternatives: "+strings.Join(names, ", "), "there is no alternative for %q", value)
		return &without
	}
	if chosen.Get(conditionalKey) != nil {
		chosen = x.choose(chosen, chosen.Get(conditionalKey))
	}
	for _, m := range chosen.Members {
		if i := slices.IndexFunc(without.Members, func(o *jsonpos.Member) bool { return o.Key == m.Key }); i >= 0 {
			without.Members[i] = m
		} else {
			without.Members = append(without.Members, m)
		}
	}
	return &without
}

// text replaces $ENV(x): alone it becomes the variable's value with its type,
// within other text the value as text.
func (x *expander) text(n *jsonpos.Node) *jsonpos.Node {
	if !strings.Contains(n.Text, "$ENV(") {
		return n
	}
	if m := envPattern.FindStringSubmatch(n.Text); m != nil && m[0] == n.Text {
		v := x.variable(n, m[1])
		if v == nil {
			return n
		}
		c := *v
		c.Span = n.Span
		return &c
	}
	c := *n
	c.Text = envPattern.ReplaceAllStringFunc(n.Text, func(ref string) string {
		v := x.variable(n, ref[len("$ENV("):len(ref)-1])
		switch {
		case v == nil:
			return ref
		case v.Kind == jsonpos.String:
			return v.Text
		default:
			return string(v.AppendJSON(nil))
		}
	})
	return &c
}

func (x *expander) variable(at *jsonpos.Node, name string) *jsonpos.Node {
	v := x.env[name]
	if v == nil {
		help := "set it in <profile>-env.json"
		if near := textdist.Nearest(name, slices.Sorted(maps.Keys(x.env))); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		x.report(at, "config/unknown-env", help, "there is no variable %q", name)
	}
	return v
}

func (x *expander) report(at *jsonpos.Node, rule, help, format string, args ...any) {
	f := finding(at.Span, rule, help, format, args...)
	f.Pipe = x.id
	x.finds.Add(f)
}

// SecretRefs returns the names in the $SECRET(name) of a text.
func SecretRefs(text string) []string {
	var names []string
	for _, m := range secretPattern.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}
