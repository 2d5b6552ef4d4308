package sources

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
)

// term is one side of a rule: an expression over a dataset, and its index.
type term struct {
	rank int // place of the dataset
	ix   *dtl.Index
	up   *term // of the set of those that are equal; nil at its root
	self bool  // a rule says that it equals itself
}

func (t *term) root() *term {
	for t.up != nil {
		t = t.up
	}
	return t
}

// side leads from an entity to those it is the same as: its own values are
// looked up on the other side of the rule.
type side struct{ own, other *term }

// compileRules compiles equality and equality_sets. What equals the same as
// another expression equals that as well, so that rules make sets of
// expressions: entities are the same that have a value in common, by two
// different expressions of a set.
func (m *merge) compileRules(aliases []dtl.Alias, o dtl.Options) (diags diag.List) {
	c := &ruleCompiler{m: m, aliases: aliases, o: o, terms: map[string]*term{}}
	m.sides = make([][]side, len(aliases))
	for _, n := range elemsOf(m.cfg.Equality) {
		c.eq(n)
	}
	for _, n := range elemsOf(m.cfg.EqualitySets) {
		c.set(n)
	}
	for _, t := range m.terms {
		for _, other := range m.terms {
			if t.root() == other.root() && (t != other || t.self) {
				m.sides[t.rank] = append(m.sides[t.rank], side{t, other})
			}
		}
	}
	return c.diags
}

func elemsOf(n *jsonpos.Node) []*jsonpos.Node {
	if n == nil {
		return nil
	}
	return n.Elems
}

type ruleCompiler struct {
	m       *merge
	aliases []dtl.Alias
	o       dtl.Options
	terms   map[string]*term // by the text of the expression
	diags   diag.List
}

func (c *ruleCompiler) complain(severity diag.Severity, at jsonpos.Span, help, format string, args ...any) {
	c.diags.Add(diag.Finding{Rule: "source/equality", Severity: severity, Span: at, Message: fmt.Sprintf(format, args...), Help: help})
}

// eq compiles one rule of equality.
func (c *ruleCompiler) eq(n *jsonpos.Node) {
	const form = `write it ["eq", "a.x", "b.y"]`
	switch {
	case n.Kind != jsonpos.Array || len(n.Elems) == 0 || n.Elems[0].Kind != jsonpos.String:
		c.complain(diag.Error, n.Span, form, "a rule of equality is an eq function, found a %s", n.Kind)
	case n.Elems[0].Text != "eq":
		c.complain(diag.Error, n.Elems[0].Span, form, "a rule of equality is an eq function, found %q", n.Elems[0].Text)
	case len(n.Elems) != 3:
		c.complain(diag.Error, n.Span, form, "eq compares two expressions, found %d", len(n.Elems)-1)
	default:
		c.join(n.Elems[1], n.Elems[2])
	}
}

// set compiles one of equality_sets: each expression equals the next one.
func (c *ruleCompiler) set(n *jsonpos.Node) {
	switch {
	case n.Kind != jsonpos.Array || len(n.Elems) == 0:
		c.complain(diag.Error, n.Span, `write it ["a.x", "b.y"]`, "a set of equality_sets is a list of expressions")
	case len(n.Elems) == 1:
		c.term(n.Elems[0])
		c.complain(diag.Warning, n.Span, "a set has expressions over several datasets; to merge entities of one, name the expression twice", "a set of one expression merges nothing")
	}
	for i := 1; i < len(n.Elems); i++ {
		c.join(n.Elems[i-1], n.Elems[i])
	}
}

func (c *ruleCompiler) join(left, right *jsonpos.Node) {
	l, r := c.term(left), c.term(right)
	switch {
	case l == nil || r == nil:
	case l == r:
		l.self = true
	case l.root() != r.root():
		l.root().up = r.root()
	}
}

// term compiles an expression, each once: sets name most of them twice.
func (c *ruleCompiler) term(n *jsonpos.Node) *term {
	key := string(n.AppendJSON(nil))
	if t, known := c.terms[key]; known {
		return t
	}
	rank, ix, diags := dtl.CompileSide(n, c.aliases, c.o)
	c.diags.Add(diags...)
	c.terms[key] = nil
	if ix != nil {
		c.terms[key] = &term{rank: rank, ix: ix}
		c.m.terms = append(c.m.terms, c.terms[key])
	}
	return c.terms[key]
}

// ready builds the index of a term; a dataset that does not exist has none.
func (m *merge) ready(ctx context.Context, t *term) error {
	err := m.store.EnsureIndex(ctx, m.ids[t.rank], store.Index{Name: t.ix.Name, Needs: t.ix.Needs, Keys: t.ix.Keys})
	if errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	return err
}

// find yields the live entities of a term's dataset that have one of the keys.
// A dataset that was made since is indexed first.
func (m *merge) find(ctx context.Context, t *term, keys [][]byte, a *entity.Arena, yield func(key int, e entity.Value) bool) error {
	dataset := m.ids[t.rank]
	err := m.store.Find(ctx, dataset, t.ix.Name, keys, a, yield)
	if errors.Is(err, store.ErrNoIndex) { // nothing has been yielded
		if err = m.ready(ctx, t); err == nil {
			err = m.store.Find(ctx, dataset, t.ix.Name, keys, a, yield)
		}
	}
	if errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	return err
}
