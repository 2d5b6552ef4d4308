package yamlpos

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// maxErrors is how many errors of one file are told.
const maxErrors = 100

type converter struct {
	file    string
	anchors map[string]ast.Node
	left    int // nodes that may still be made
	depth   int
	errs    []*jsonpos.Error
}

func (c *converter) fail(n ast.Node, code, help, format string, args ...any) *jsonpos.Node {
	e := &jsonpos.Error{Code: "yaml/" + code, Msg: fmt.Sprintf(format, args...), Help: help, Span: jsonpos.Span{File: c.file}}
	if n != nil {
		e.Span = span(c.file, n.GetToken())
	}
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, e)
	}
	return null(e.Span)
}

func null(at jsonpos.Span) *jsonpos.Node { return &jsonpos.Node{Kind: jsonpos.Null, Span: at} }

func (c *converter) document(tree *ast.File) *jsonpos.Node {
	start := jsonpos.Pos{Line: 1, Col: 1}
	var found *jsonpos.Node
	for _, d := range tree.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		if found != nil {
			return c.fail(d.Body, "documents", "write each into a file of its own", "a second document begins here")
		}
		found = c.node(d.Body)
	}
	if found == nil {
		return null(jsonpos.Span{File: c.file, Start: start, End: start})
	}
	return found
}

// node makes a node of a value, with its aliases written out.
func (c *converter) node(n ast.Node) *jsonpos.Node {
	if n == nil {
		return null(jsonpos.Span{File: c.file})
	}
	c.left--
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > jsonpos.MaxDepth {
		return c.fail(n, "too-deep", "", "nested deeper than %d levels", jsonpos.MaxDepth)
	}
	if c.left <= 0 {
		if c.left == 0 {
			return c.fail(n, "too-large", "use fewer aliases", "the file stands for more than %d values", maxNodes)
		}
		return null(jsonpos.Span{File: c.file})
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n, n.Values)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		return c.sequence(n)
	case *ast.AnchorNode:
		c.anchors[n.Name.String()] = n.Value
		return c.node(n.Value)
	case *ast.AliasNode:
		return c.alias(n)
	case *ast.TagNode:
		return c.tagged(n)
	default:
		return c.scalar(n)
	}
}

func (c *converter) alias(n *ast.AliasNode) *jsonpos.Node {
	to, ok := c.anchors[n.Value.String()]
	if !ok {
		return c.fail(n.Value, "alias", "anchors are written with & before they are used", "there is no anchor %q", n.Value.String())
	}
	return c.node(to)
}

func (c *converter) sequence(n *ast.SequenceNode) *jsonpos.Node {
	list := &jsonpos.Node{Kind: jsonpos.Array, Span: span(c.file, n.Start)}
	for _, v := range n.Values {
		list.Elems = append(list.Elems, c.node(v))
	}
	return list
}

func (c *converter) mapping(at ast.Node, values []*ast.MappingValueNode) *jsonpos.Node {
	dict := &jsonpos.Node{Kind: jsonpos.Object, Span: span(c.file, at.GetToken())}
	if len(values) > 0 {
		dict.Span = span(c.file, values[0].Key.GetToken())
	}
	taken := map[string]bool{}
	var merged []*jsonpos.Member
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, c.merged(v)...)
			continue
		}
		m := c.member(v)
		if taken[m.Key] && c.left > 0 { // else keys are not read any more
			c.fail(v.Key, "duplicate-key", "remove one of them", "the key %q stands twice in one dict", m.Key)
		}
		taken[m.Key] = true
		dict.Members = append(dict.Members, m)
	}
	for _, m := range merged {
		if !taken[m.Key] {
			taken[m.Key] = true
			dict.Members = append(dict.Members, m)
		}
	}
	return dict
}

func (c *converter) member(v *ast.MappingValueNode) *jsonpos.Member {
	key := c.node(v.Key)
	m := &jsonpos.Member{Key: key.Text, KeySpan: key.Span, Value: c.node(v.Value)}
	switch key.Kind {
	case jsonpos.Bool:
		m.Key = strconv.FormatBool(key.Bool)
	case jsonpos.Null:
		m.Key = "null"
	case jsonpos.Array, jsonpos.Object:
		c.fail(v.Key, "key", "", "a key must be a text")
	}
	if m.Value.Span.Start.Line == 0 {
		m.Value.Span = m.KeySpan
	}
	return m
}

// merged are the members that << takes over from other dicts.
func (c *converter) merged(v *ast.MappingValueNode) []*jsonpos.Member {
	n := c.node(v.Value)
	dicts := []*jsonpos.Node{n}
	if n.Kind == jsonpos.Array {
		dicts = n.Elems
	}
	var all []*jsonpos.Member
	for _, d := range dicts {
		if d.Kind != jsonpos.Object {
			c.fail(v.Key, "merge", "", "<< takes over a dict, not a %s", d.Kind)
			continue
		}
		all = append(all, d.Members...)
	}
	return all
}

func (c *converter) tagged(n *ast.TagNode) *jsonpos.Node {
	v := c.node(n.Value)
	switch tag := n.Start.Value; tag {
	case "!!str":
		if v.Kind == jsonpos.Array || v.Kind == jsonpos.Object {
			return c.fail(n, "tag", "", "a %s cannot be a text", v.Kind)
		}
		return &jsonpos.Node{Kind: jsonpos.String, Span: v.Span, Text: n.Value.GetToken().Value}
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v.Text), ""))
		if err != nil || v.Kind != jsonpos.String {
			return c.fail(n, "tag", "", "!!binary stands before a text in base64")
		}
		return &jsonpos.Node{Kind: jsonpos.String, Span: v.Span, Text: string(data)}
	case "!!map", "!!seq", "!!int", "!!float", "!!bool", "!!null":
		return v
	default:
		return c.fail(n, "tag", "leave the tag out", "the tag %s is not known", tag)
	}
}

func (c *converter) scalar(n ast.Node) *jsonpos.Node {
	out := &jsonpos.Node{Span: span(c.file, n.GetToken())}
	switch n := n.(type) {
	case *ast.NullNode:
		out.Kind = jsonpos.Null
	case *ast.BoolNode:
		out.Kind, out.Bool = jsonpos.Bool, n.Value
	case *ast.IntegerNode:
		out.Kind, out.Text = jsonpos.Number, fmt.Sprint(n.Value)
	case *ast.FloatNode:
		if math.IsInf(n.Value, 0) || math.IsNaN(n.Value) {
			return c.fail(n, "number", "", "the number is too large")
		}
		out.Kind, out.Text = jsonpos.Number, strconv.FormatFloat(n.Value, 'g', -1, 64)
		if !strings.ContainsAny(out.Text, ".e") {
			out.Text += ".0"
		}
	case *ast.StringNode:
		out.Kind, out.Text = jsonpos.String, n.Value
	case *ast.LiteralNode:
		out.Kind, out.Text = jsonpos.String, n.Value.Value
	case *ast.InfinityNode, *ast.NanNode:
		return c.fail(n, "number", "", "infinities and not-a-number have no place in JSON")
	default:
		return c.fail(n, "syntax", "", "a value is expected here, found %s", n.Type())
	}
	return out
}
