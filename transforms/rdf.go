package transforms

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/ntriples"
	"github.com/sluiceio/sluice/internal/spec"
)

type rdfConfig struct {
	spec.Base
	Type        string        `spec:"type,required" doc:"rdf"`
	Comment     *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Property    string        `spec:"rdf-property,required" doc:"Property that receives the N-Triples."`
	SideEffects bool          `spec:"side_effects" doc:"Whether the transform changes something outside the node, so that previews stop before it."`
}

func rdfType() Type {
	return Type{
		Name:   "rdf",
		Doc:    "Writes each entity as N-Triples into one of its properties. Namespaces of _id and properties are those of the node's metadata.",
		Config: func() any { return new(rdfConfig) },
		Build: func(c any, env Env) (Transform, diag.List) {
			cfg := c.(*rdfConfig)
			t := NewTriples(env.DTL.URINamespaces)
			return &each{effects: cfg.SideEffects, do: func(_ context.Context, a *entity.Arena, e entity.Value) (entity.Value, error) {
				text, err := t.Of(e)
				if err != nil {
					return e, err
				}
				o := a.NewObject(e.Len() + 1)
				o.AddFrom(e.Object())
				o.Set(cfg.Property, entity.NewString(a.CopyString(text)))
				return o.Value(), nil
			}}, nil
		},
	}
}

// triples are those of one entity.
type triples struct {
	uris  map[string]string // by namespace
	out   strings.Builder
	blank int // nodes without a name so far
}

func triplesOf(e entity.Value, uris map[string]string) (string, error) {
	id, ok := entity.ID(e)
	if !ok {
		return "", fmt.Errorf("it has no _id to make statements about")
	}
	t := &triples{uris: uris}
	subject, err := t.iri(id)
	if err == nil {
		err = t.dict(subject, e)
	}
	return t.out.String(), err
}

func (t *triples) dict(subject string, d entity.Value) error {
	for _, m := range d.Object().Members() {
		if strings.HasPrefix(m.Key, "_") {
			continue
		}
		predicate, err := t.iri(m.Key)
		if err == nil {
			err = t.statements(subject, predicate, m.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// statements says what a value says: of a list each element, of a dict that
// there is something without a name, and then what the dict says of it.
func (t *triples) statements(subject, predicate string, v entity.Value) error {
	switch v.Kind() {
	case entity.Null:
		return nil
	case entity.List:
		for _, e := range v.Elems() {
			if err := t.statements(subject, predicate, e); err != nil {
				return err
			}
		}
		return nil
	case entity.Dict:
		t.blank++
		node := "_:x" + strconv.Itoa(t.blank)
		t.say(subject, predicate, node)
		return t.dict(node, v)
	}
	object, err := t.object(v)
	if err == nil {
		t.say(subject, predicate, object)
	}
	return err
}

func (t *triples) say(subject, predicate, object string) {
	fmt.Fprintf(&t.out, "%s %s %s.\n", subject, predicate, object)
}

// object writes a plain value, with its data type unless it is a text.
func (t *triples) object(v entity.Value) (string, error) {
	switch v.Kind() {
	case entity.URI:
		return t.uri(v.Text())
	case entity.NI:
		return t.iri(v.Text())
	case entity.String, entity.UUID:
		return literal(v.Text()), nil
	}
	kinds := map[entity.Kind]string{entity.Bytes: "base64Binary", entity.Bool: "boolean", entity.Int: "integer", entity.Float: "double", entity.Decimal: "decimal",
		entity.Datetime: "dateTime", entity.Date: "date"}
	return literal(string(entity.AppendBare(nil, v))) + "^^<" + xsd + kinds[v.Kind()] + ">", nil
}

// literal quotes a text.
func literal(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// uri writes a value that is a URI: it needs no namespace that is declared.
func (t *triples) uri(text string) (string, error) {
	space, _, _ := strings.Cut(text, ":")
	if _, known := t.uris[space]; !known && hasScheme(text) {
		return "<" + legal(text) + ">", nil
	}
	return t.iri(text)
}

// iri writes a name as URI: a whole one, which angle brackets say it is, or which
// begins as the web's do, as it is, one with a namespace by what the namespace stands
// for, any other by that of names without one.
func (t *triples) iri(name string) (string, error) {
	name, whole := bare(name)
	if whole && hasScheme(name) {
		return "<" + legal(name) + ">", nil
	}
	space, rest, has := strings.Cut(name, ":")
	switch uri, known := t.uris[space]; {
	case !has:
		return "<" + t.uris["_"] + legal(name) + ">", nil
	case known:
		return "<" + uri + legal(rest) + ">", nil
	case strings.HasPrefix(rest, "//") || slices.Contains(schemes(), strings.ToLower(space)):
		return "<" + legal(name) + ">", nil
	default:
		return "", fmt.Errorf("%q has the namespace %q, which namespaces.default of the node's metadata does not declare", name, space)
	}
}

// schemes are those of URIs that have no host, as far as names in use begin with them.
func schemes() []string {
	return []string{"acct", "cid", "data", "did", "geo", "info", "mailto", "mid", "news", "sip", "sips", "sms", "tag", "tel", "urn", "xmpp"}
}

// hasScheme tells whether a text begins as a whole URI does. What else is wrong with
// it is escaped.
func hasScheme(s string) bool {
	scheme, rest, _ := strings.Cut(s, ":")
	return rest != "" && ntriples.Absolute(scheme+":")
}

// legal escapes what cannot stand in a URI between angle brackets.
func legal(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("<>\"{}|^`\\", r) {
			fmt.Fprintf(&b, "%%%02X", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Triples writes entities as RDF.
type Triples struct{ uris map[string]string }

// NewTriples returns a writer that knows the built-in namespaces and those given.
func NewTriples(namespaces map[string]string) *Triples {
	uris := map[string]string{}
	for _, p := range builtIn() {
		uris[p.name] = p.uri
	}
	for name, uri := range namespaces {
		uris[name] = uri
	}
	return &Triples{uris}
}

// Of returns what an entity says, as N-Triples.
func (t *Triples) Of(e entity.Value) (string, error) { return triplesOf(e, t.uris) }

// Resource returns the URI of an entity.
func (t *Triples) Resource(e entity.Value) (string, error) {
	id, _ := entity.ID(e)
	iri, err := (&triples{uris: t.uris}).iri(id)
	iri, _ = bare(iri)
	return iri, err
}
