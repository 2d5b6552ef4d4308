package schemacheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Schema is a compiled JSON Schema for entities. It is immutable.
type Schema struct{ schema *jsonschema.Schema }

// name is what references within the schema are resolved against; it leads
// nowhere.
const name = "sluice:schema"

// Compile compiles a schema that somebody wrote. It may refer to parts of
// itself, but to nothing elsewhere.
func Compile(n *jsonpos.Node) (*Schema, diag.List) {
	s, err := CompileText(n.AppendJSON(nil))
	if err == nil {
		return s, nil
	}
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		var finds diag.List
		for _, leaf := range sorted(leaves(invalid)) {
			finds.Add(finding(at(n, leaf.InstanceLocation), "the JSON Schema is wrong: "+leaf.Message))
		}
		return nil, finds
	}
	return nil, diag.List{finding(n.Span, err.Error())}
}

func finding(at jsonpos.Span, message string) diag.Finding {
	return diag.Finding{Rule: "schema/invalid", Severity: diag.Error, Span: at, Message: message}
}

// CompileText is Compile for a schema that was fetched.
func CompileText(text []byte) (*Schema, error) {
	c := jsonschema.NewCompiler()
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, &remoteError{url} }
	if err := c.AddResource(name, bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("the JSON Schema cannot be read: %w", err)
	}
	s, err := c.Compile(name)
	var remote *remoteError
	switch {
	case errors.As(err, &remote):
		return nil, remote
	case err != nil:
		return nil, fmt.Errorf("the JSON Schema is wrong: %w", err)
	}
	return &Schema{s}, nil
}

// remoteError is a reference to something that would have to be fetched.
type remoteError struct{ url string }

// Error names the address.
func (e *remoteError) Error() string {
	return fmt.Sprintf("the JSON Schema refers to %q, which is not fetched; copy what it needs into $defs and refer to #/$defs/…", e.url)
}

// Complaints validates an entity and returns what is wrong with it, none if it
// is valid.
func (s *Schema) Complaints(e entity.Value) ([]string, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(entity.AppendPlain(nil, e)))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	err := s.schema.Validate(value)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &invalid):
		return nil, err
	}
	var all []string
	for _, leaf := range sorted(leaves(invalid)) {
		all = append(all, complaint(leaf)...)
	}
	return all, nil
}

// sorted orders complaints by their place: the library looks at properties in
// any order, and an entity that has not changed must not look as if.
func sorted(all []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	slices.SortStableFunc(all, func(a, b *jsonschema.ValidationError) int {
		return cmp.Or(strings.Compare(a.InstanceLocation, b.InstanceLocation), strings.Compare(a.KeywordLocation, b.KeywordLocation))
	})
	return all
}

// complaint says where in the entity what is wrong. Properties that are
// missing are told one by one, in the words of the manual.
func complaint(leaf *jsonschema.ValidationError) []string {
	where := ""
	if leaf.InstanceLocation != "" {
		where = leaf.InstanceLocation + ": "
	}
	missing, ok := strings.CutPrefix(leaf.Message, "missing properties: ")
	if !ok || !strings.HasSuffix(leaf.KeywordLocation, "/required") {
		return []string{where + leaf.Message}
	}
	var all []string
	for _, property := range quoted(missing) {
		all = append(all, where+property+" is a required property")
	}
	return all
}

// quoted cuts a list of quoted names with commas between.
func quoted(s string) []string {
	var all []string
	for s != "" {
		end := closing(s)
		all = append(all, s[:end])
		s = strings.TrimPrefix(s[end:], ", ")
	}
	return all
}

// closing is where the quoted text that s begins with ends.
func closing(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}
