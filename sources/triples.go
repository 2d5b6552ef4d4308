package sources

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/ntriples"
)

// TripleReceiver is the ability of receivers that take RDF as well.
type TripleReceiver interface {
	Receiver
	// DecodeTriples reads what N-Triples say of resources, which are IRIs: an
	// entity for each, in the order given and once, deleted if nothing is said
	// of it. Errors say what is wrong, and where in the body, and are fit for the
	// caller's eyes.
	DecodeTriples(body []byte, resources []string, a *entity.Arena) ([]entity.Value, error)
}

var _ TripleReceiver = (*httpEndpoint)(nil)

// DecodeTriples implements TripleReceiver.
func (s *httpEndpoint) DecodeTriples(body []byte, resources []string, a *entity.Arena) ([]entity.Value, error) {
	if len(resources) == 0 {
		return nil, errors.New("the request needs a parameter resource for each resource that its statements are about")
	}
	g := graph{text: string(body), arena: a, subjects: map[string]*subject{}}
	var named []*subject
	for _, r := range resources {
		if !ntriples.Absolute(r) {
			return nil, fmt.Errorf("resource is a whole IRI, such as http://example.org/1, and not %.200q", r)
		}
		if key := "<" + r + ">"; g.subjects[key] == nil {
			named = append(named, g.subject(key))
		}
	}
	if err := g.read(); err != nil {
		return nil, err
	}
	return g.entities(named)
}

// mostLevels is how deep blank nodes may lie in one another.
const mostLevels = 200

// graph is what a text says.
type graph struct {
	text     string
	arena    *entity.Arena
	subjects map[string]*subject // by IRI in angle brackets, or by _: and label
	blank    []*subject          // of which something is said
}

// subject is a resource or something without a name.
type subject struct {
	key   string
	facts []fact
	// What leads to a blank node: there is no second way, or it would be in
	// two entities, or without end in itself.
	from *subject
	by   string
}

// fact is a statement about a node.
type fact struct {
	predicate string
	object    ntriples.Term
	offset    int // where the statement begins
}

func (g *graph) subject(key string) *subject {
	n := g.subjects[key]
	if n == nil {
		n = &subject{key: key}
		g.subjects[key] = n
	}
	return n
}

func (g *graph) read() error {
	for s, err := range ntriples.Read(g.text) {
		if err != nil {
			return err
		}
		var n *subject
		if s.Subject.Kind == ntriples.Blank {
			if n = g.subject("_:" + s.Subject.Text); len(n.facts) == 0 {
				g.blank = append(g.blank, n)
			}
		} else if n = g.subjects["<"+s.Subject.Text+">"]; n == nil {
			return ntriples.At(g.text, s.Subject.Offset, "no parameter resource names <%.200s>, which this statement is about", s.Subject.Text)
		}
		n.facts = append(n.facts, fact{s.Predicate, s.Object, s.Subject.Offset})
	}
	return nil
}

// entities makes those of the resources, and sees to it that nothing that is said
// is lost.
func (g *graph) entities(named []*subject) ([]entity.Value, error) {
	made := g.arena.Values(len(named))
	for _, n := range named {
		o := g.arena.NewObject(1 + len(n.facts))
		o.Add(entity.IDKey, entity.NewString(n.key))
		if len(n.facts) == 0 {
			o.Add(entity.DeletedKey, entity.NewBool(true))
		} else if err := g.describe(o, n, 1); err != nil {
			return nil, err
		}
		made = append(made, o.Value())
	}
	for _, n := range g.blank {
		if n.from == nil {
			return nil, ntriples.At(g.text, n.facts[0].offset, "no resource leads to the blank node %.200s, which this statement is about", n.key)
		}
	}
	return made, nil
}

// describe adds what is said of a node. Statements have no order: what several
// say by the same predicate is sorted, so that it is the same however it comes.
func (g *graph) describe(o *entity.Object, n *subject, level int) error {
	said, order := map[string][]entity.Value{}, make([]string, 0, len(n.facts))
	for _, f := range n.facts {
		v, err := g.value(n, f, level)
		if err != nil {
			return err
		}
		before, again := said[f.predicate]
		if !again {
			order = append(order, f.predicate)
		}
		if !v.IsNull() {
			said[f.predicate] = append(before, v)
		}
	}
	for _, p := range order {
		values := said[p]
		slices.SortFunc(values, compareSaid)
		values = slices.CompactFunc(values, func(a, b entity.Value) bool {
			return a.Kind() != entity.Dict && compareSaid(a, b) == 0
		})
		v := values[0]
		if len(values) > 1 {
			v = entity.NewList(values...)
		}
		o.Add("<"+p+">", v)
	}
	return nil
}

// compareSaid is an order of values in which only those are equal that are written
// alike: 1 and 1.0 are not. Dicts have no order of members, so their hashes tell.
func compareSaid(a, b entity.Value) int {
	c := entity.Compare(a, b)
	switch {
	case c != 0:
		return c
	case a.Kind() == entity.Dict:
		x, y := entity.Hash(a), entity.Hash(b)
		return bytes.Compare(x[:], y[:])
	}
	return strings.Compare(a.String(), b.String())
}

// value is what a statement says; null if another one has said just that.
func (g *graph) value(n *subject, f fact, level int) (entity.Value, error) {
	switch f.object.Kind {
	case ntriples.IRI:
		return entity.NewURI(f.object.Text), nil
	case ntriples.Literal:
		return literalValue(g.arena, f.object), nil
	}
	child := g.subject("_:" + f.object.Text)
	switch {
	case child.from == n && child.by == f.predicate:
		return entity.Value{}, nil
	case child.from != nil:
		return entity.Value{}, ntriples.At(g.text, f.object.Offset, "the blank node %.200s has a place already; it would be in two", child.key)
	case level == mostLevels:
		return entity.Value{}, ntriples.At(g.text, f.object.Offset, "blank nodes lie in one another more than %d levels deep", mostLevels)
	}
	child.from, child.by = n, f.predicate
	o := g.arena.NewObject(len(child.facts))
	err := g.describe(o, child, level+1)
	return o.Value(), err
}
