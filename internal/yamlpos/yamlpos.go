// Package yamlpos reads YAML into the nodes of jsonpos, so that what is written
// in YAML is checked and complained of like what is written in JSON.
package yamlpos

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// maxNodes bounds what a file stands for once its aliases are written out.
const maxNodes = 1 << 20

// Parse reads one YAML document. An empty one is null. On success the list of
// errors is empty; otherwise the node is nil.
func Parse(file string, data []byte) (*jsonpos.Node, []*jsonpos.Error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if err := tooDeep(file, data); err != nil {
		return nil, []*jsonpos.Error{err}
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, []*jsonpos.Error{syntax(file, err)}
	}
	c := &converter{file: file, anchors: map[string]ast.Node{}, left: maxNodes}
	n := c.document(tree)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return n, nil
}

// tooDeep refuses, before the parser walks down into it, what nests so deep
// that walking would cost a stack.
func tooDeep(file string, data []byte) *jsonpos.Error {
	depth := 0
	for i, line := range bytes.Split(data, []byte{'\n'}) {
		// Blocks open by indenting, flows by brackets; counting both is generous
		// to nobody who writes by hand.
		indent := len(line) - len(bytes.TrimLeft(line, " -?"))
		open := bytes.Count(line, []byte{'['}) + bytes.Count(line, []byte{'{'})
		shut := bytes.Count(line, []byte{']'}) + bytes.Count(line, []byte{'}'})
		if indent > 2*jsonpos.MaxDepth || depth+open > jsonpos.MaxDepth {
			at := jsonpos.Pos{Line: i + 1, Col: 1}
			return &jsonpos.Error{Code: "yaml/too-deep", Span: jsonpos.Span{File: file, Start: at, End: at},
				Msg: fmt.Sprintf("nested deeper than %d levels", jsonpos.MaxDepth)}
		}
		depth = max(0, depth+open-shut)
	}
	return nil
}

func syntax(file string, err error) *jsonpos.Error {
	e := &jsonpos.Error{Code: "yaml/syntax", Msg: "this is no YAML: " + err.Error(), Span: jsonpos.Span{File: file}}
	var known yaml.Error
	if errors.As(err, &known) {
		e.Msg = "this is no YAML: " + known.GetMessage()
		e.Span = span(file, known.GetToken())
	}
	return e
}

func span(file string, t *token.Token) jsonpos.Span {
	s := jsonpos.Span{File: file}
	if t == nil || t.Position == nil {
		return s
	}
	s.Start = jsonpos.Pos{Line: t.Position.Line, Col: t.Position.Column}
	s.End = jsonpos.Pos{Line: s.Start.Line, Col: s.Start.Col + len([]rune(t.Value))}
	if t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
		s.End.Col += 2 // as in JSON, the quotes belong to the text
	}
	return s
}
