// Package schemacheck checks pipes against the JSON Schema of their kind and
// finds the place in the file for every complaint.
package schemacheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/schemas"
)

// Checker holds the compiled schemas of kinds. It is immutable.
type Checker struct {
	kinds map[string]*jsonschema.Schema
}

// Kinds are the kinds of pipes that have a schema.
func Kinds() []string { return []string{"event", "event2", "collect", "registerwebhook", "wipe"} }

// New compiles the embedded schemas.
func New() (*Checker, error) {
	c := &Checker{kinds: map[string]*jsonschema.Schema{}}
	for _, kind := range Kinds() {
		data, ok := schemas.Kind(kind)
		if !ok {
			return nil, fmt.Errorf("there is no schema of the kind %s", kind)
		}
		compiler := jsonschema.NewCompiler()
		compiler.Draft = jsonschema.Draft7
		if err := compiler.AddResource(kind, bytes.NewReader(data)); err != nil {
			return nil, err
		}
		s, err := compiler.Compile(kind)
		if err != nil {
			return nil, err
		}
		c.kinds[kind] = s
	}
	return c, nil
}

// KindOf is the kind of a pipe, the last part of its id. Pipes that come from files
// of other formats have none: who named those had no kinds in mind.
func KindOf(id string, pipe *jsonpos.Node) string {
	at := pipe.Span
	if n := pipe.Get("_id"); n != nil {
		at = n.Span
	}
	if ext := filepath.Ext(at.File); ext == ".yaml" || ext == ".yml" {
		return ""
	}
	return id[strings.LastIndexByte(id, '-')+1:]
}

// Pipe checks a pipe against the schema of its kind. A pipe of no such kind has no
// findings.
func (c *Checker) Pipe(id string, n *jsonpos.Node) diag.List {
	kind := KindOf(id, n)
	schema := c.kinds[kind]
	if schema == nil {
		return nil
	}
	var value any
	if err := json.Unmarshal(n.AppendJSON(nil), &value); err != nil {
		return nil // said when the file was read
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(schema.Validate(value), &invalid) {
		return nil
	}
	var finds diag.List
	for _, leaf := range leaves(invalid) {
		finds.Add(diag.Finding{Rule: "schema/" + kind, Severity: diag.Error, Pipe: id, Span: at(n, leaf.InstanceLocation),
			Pointer: leaf.InstanceLocation, Message: fmt.Sprintf("a pipe of the kind %q: %s", kind, leaf.Message),
			Help: "the id's last part says what a pipe is for; rename it if it is something else"})
	}
	return finds
}

func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, c := range e.Causes {
		all = append(all, leaves(c)...)
	}
	return all
}

// at is the place of a JSON pointer; of what is not there, the nearest parent.
func at(n *jsonpos.Node, pointer string) jsonpos.Span {
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		var next *jsonpos.Node
		if i, err := strconv.Atoi(step); err == nil && n.Kind == jsonpos.Array && i < len(n.Elems) {
			next = n.Elems[i]
		} else {
			next = n.Get(step)
		}
		if next == nil {
			break
		}
		n = next
	}
	s := n.Span
	if s.End.Line != s.Start.Line {
		s.End = jsonpos.Pos{Line: s.Start.Line, Col: s.Start.Col + 1}
	}
	return s
}
