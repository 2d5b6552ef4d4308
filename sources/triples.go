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
	g := graph{text: string(body), arena: a, subjects: map[string]*subject{}, most: mostStatements}
	var named []*subject
	for _, r := range resources {
		if !ntriples.Absolute(r) {
			return nil, fmt.Errorf("resource is a whole IRI, such as http://example.org/1, and not %.200q", r)
		}
		if g.subjects[r] == nil {
			named = append(named, g.subject(r))
		}
	}
	if err := g.read(); err != nil {
		return nil, err
	}
	return g.entities(named)
}

// mostLevels is how deep blank nodes may lie in one another.
const mostLevels = 200

// graph is what a text says. Of statements it keeps where they are, a fraction of
// what they take when they are read.
type graph struct {
	text     string
	arena    *entity.Arena
	subjects map[string]*subject // by IRI, or by _: and label
	blank    []*subject          // of which something is said
	most     int                 // statements
}

// subject is a resource or something without a name.
type subject struct {
	key   string
	facts []int // offsets of the statements about it
	// What leads to a blank node: there is no second way, or it would be in
	// two entities, or without end in itself.
	from *subject
	by   string
}

func (g *graph) subject(key string) *subject {
	n := g.subjects[key]
	if n == nil {
		n = &subject{key: key}
		g.subjects[key] = n
	}
	return n
}

// mostStatements bounds what a request takes: a statement of a few characters takes
// up to 350 bytes until it is part of an entity.
const mostStatements = 1 << 20

func (g *graph) read() error {
	n := 0
	for s, err := range ntriples.Read(g.text) {
		if err != nil {
			return err
		}
		if n++; n > g.most {
			return ntriples.At(g.text, s.Subject.Offset, "more than %d statements in one request: post fewer resources at once", g.most)
		}
		var n *subject
		if s.Subject.Kind == ntriples.Blank {
			if n = g.unnamed(s.Subject); len(n.facts) == 0 {
				g.blank = append(g.blank, n)
			}
		} else if n = g.subjects[s.Subject.Text]; n == nil {
			return ntriples.At(g.text, s.Subject.Offset, "no parameter resource names <%.200s>, which this statement is about", s.Subject.Text)
		}
		n.facts = append(n.facts, s.Subject.Offset)
	}
	return nil
}

// unnamed is what a blank node stands for. Its key is where it was written.
func (g *graph) unnamed(t ntriples.Term) *subject {
	return g.subject(g.text[t.Offset : t.Offset+len("_:")+len(t.Text)])
}

// entities makes those of the resources, and sees to it that nothing that is said
// is lost.
func (g *graph) entities(named []*subject) ([]entity.Value, error) {
	made := g.arena.Values(len(named))
	for _, n := range named {
		d, err := g.describe(n, 1)
		if err != nil {
			return nil, err
		}
		o := g.arena.NewObject(2 + len(d.said))
		o.Add(entity.IDKey, entity.NewString("<"+n.key+">"))
		if len(d.said) == 0 {
			o.Add(entity.DeletedKey, entity.NewBool(true))
		}
		made = append(made, d.dict(o))
	}
	for _, n := range g.blank {
		if n.from == nil {
			return nil, ntriples.At(g.text, n.facts[0], "no resource leads to the blank node %.200s, which this statement is about", n.key)
		}
	}
	return made, nil
}

// description is what is said of a subject, by predicate.
type description struct {
	said   []sayings
	places map[string]int // of predicates; nil while there are few
}

type sayings struct {
	predicate string
	values    []entity.Value
}

// few is up to how many predicates it is quicker to look at each.
const few = 8

// add adds what a statement says.
func (d *description) add(predicate string, v entity.Value) {
	i, known := d.places[predicate]
	if d.places == nil {
		i = slices.IndexFunc(d.said, func(s sayings) bool { return s.predicate == predicate })
		known = i >= 0
	}
	if !known {
		i = len(d.said)
		d.said = append(d.said, sayings{predicate: predicate})
		d.note(predicate, i)
	}
	d.said[i].values = append(d.said[i].values, v)
}

func (d *description) note(predicate string, at int) {
	switch {
	case d.places != nil:
		d.places[predicate] = at
	case len(d.said) > few:
		d.places = map[string]int{}
		for i, s := range d.said {
			d.places[s.predicate] = i
		}
	}
}

// dict adds a description to what has been begun. Statements have no order: what
// several say by the same predicate is sorted, so that it is the same however it
// comes.
func (d *description) dict(o *entity.Object) entity.Value {
	for _, s := range d.said {
		slices.SortFunc(s.values, compareSaid)
		s.values = slices.CompactFunc(s.values, func(a, b entity.Value) bool {
			return a.Kind() != entity.Dict && compareSaid(a, b) == 0
		})
		v := s.values[0]
		if len(s.values) > 1 {
			v = entity.NewList(s.values...)
		}
		o.Add("<"+s.predicate+">", v)
	}
	return o.Value()
}

// describe gathers what is said of a subject.
func (g *graph) describe(n *subject, level int) (description, error) {
	var d description
	for _, offset := range n.facts {
		s, err := ntriples.Again(g.text, offset)
		if err != nil {
			return d, err
		}
		v, err := g.value(n, s, level)
		if err != nil {
			return d, err
		}
		if !v.IsNull() { // another statement has said it
			d.add(s.Predicate, v)
		}
	}
	return d, nil
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
func (g *graph) value(n *subject, s ntriples.Statement, level int) (entity.Value, error) {
	switch s.Object.Kind {
	case ntriples.IRI:
		return entity.NewURI(s.Object.Text), nil
	case ntriples.Literal:
		return literalValue(g.arena, s.Object), nil
	}
	child := g.unnamed(s.Object)
	switch {
	case child.from == n && child.by == s.Predicate:
		return entity.Value{}, nil
	case child.from != nil:
		return entity.Value{}, ntriples.At(g.text, s.Object.Offset, "the blank node %.200s has a place already; it would be in two", child.key)
	case level == mostLevels:
		return entity.Value{}, ntriples.At(g.text, s.Object.Offset, "blank nodes lie in one another more than %d levels deep", mostLevels)
	}
	child.from, child.by = n, s.Predicate
	d, err := g.describe(child, level+1)
	if err != nil {
		return entity.Value{}, err
	}
	return d.dict(g.arena.NewObject(len(d.said))), nil
}
