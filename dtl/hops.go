package dtl

import (
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// hopsSpec is one compiled HOPS_SPEC.
type hopsSpec struct {
	first       []Eval // conditions on what is known before any dataset
	plan        []hop
	last        int // slot of the last alias
	slots       []int
	template    Eval // return as an expression
	recurse     bool
	excludeRoot bool
	maxDepth    int // -1: until nothing more comes
}

// hop binds one alias.
type hop struct {
	slot    int
	dataset string
	keys    Eval   // values to look up; nil scans
	index   *Index // nil looks up by _id
	subset  *Subset
	filters []Eval // conditions all of whose aliases are bound now
	memo    int    // place in the run's memory of what was found
	trace   joinTrace
}

const defaultMaxDepth = 10

// ApplyHops compiles hops whose results a rule is applied to.
func (b *Builder) ApplyHops(rule *jsonpos.Node, specs []*jsonpos.Node) Eval {
	found, results := b.hops(specs)
	if found == nil {
		return nil
	}
	r, eval := b.applied(rule, found)
	if r != nil {
		of := b.ruleOrigin(r.name)
		of.also, of.callers = append(of.also, results), append(of.callers, b.here())
	}
	return eval
}

// Hops compiles a chain of HOPS_SPECs into the list of what they return. An
// applied rule, if any, is put to use by the caller.
func (b *Builder) Hops(specs []*jsonpos.Node) Eval {
	eval, _ := b.hops(specs)
	return eval
}

// hops also tells what its results may be.
func (b *Builder) hops(specs []*jsonpos.Node) (Eval, *origin) {
	if r := b.rules[b.rule]; r != nil {
		r.hops = true
	}
	var chain []*hopsSpec
	outer, found := b.origin, b.here()
	defer func() { b.origin = outer }()
	outerTrace := b.trace
	b.trace = b.hopsTrace(specs)
	defer func() { b.trace = outerTrace }()
	for i, n := range specs {
		b.chained = i > 0
		input := b.inHops(found)
		s := b.hopsSpec(n, i == len(specs)-1)
		if s == nil {
			return nil, nil
		}
		found = b.hopsOutput(s, input)
		chain = append(chain, s)
	}
	return chainEval(chain), found
}

func chainEval(chain []*hopsSpec) Eval {
	return func(c *Ctx) entity.Value {
		inputs := []entity.Value{c.frame.source}
		for _, s := range chain {
			var out []entity.Value
			for _, in := range inputs {
				out = s.run(c, in, out)
			}
			inputs = out
		}
		if !c.Room(len(inputs)) {
			return entity.Value{}
		}
		return entity.NewList(append(c.arena.Values(len(inputs)), inputs...)...)
	}
}

var hopsKeys = []string{"datasets", "where", "recurse", "exclude_root", "max_depth", "return", "track-dependencies", "trace", "subsets", "prefilters"}

func (b *Builder) hopsSpec(n *jsonpos.Node, last bool) *hopsSpec {
	if n.Kind != jsonpos.Object {
		b.Errorf(n, "dtl/hops", "", "hops takes a dict, found a %s", n.Kind)
		return nil
	}
	b.checkKeys(n, hopsKeys)
	outer := b.aliases
	s := &hopsSpec{maxDepth: defaultMaxDepth}
	datasets := b.hopsDatasets(n)
	if datasets != nil && n.Get("where") == nil {
		b.Errorf(n, "dtl/hops", `"where": [["eq", "_S.id", "alias.id"]]`, `hops needs "where"`)
		datasets = nil
	}
	if datasets != nil {
		b.hopsPlan(n, s, datasets, len(outer))
		b.hopsReturn(n, s, last)
		b.hopsRecursion(n, s)
	}
	b.aliases = outer
	if datasets == nil {
		return nil
	}
	return s
}

func (b *Builder) checkKeys(n *jsonpos.Node, known []string) {
	for _, m := range n.Members {
		if !containsText(known, m.Key) {
			b.Errorf(&jsonpos.Node{Span: m.KeySpan}, "dtl/hops-key", suggestion(m.Key, known), "hops has no key %q", m.Key)
		}
	}
}

// hopsDatasets reads "dataset alias" pairs and brings the aliases into scope.
func (b *Builder) hopsDatasets(n *jsonpos.Node) [][2]string {
	d := n.Get("datasets")
	if d == nil || d.Kind != jsonpos.Array || len(d.Elems) == 0 {
		b.Errorf(n, "dtl/hops", `"datasets": ["dataset-id alias"]`, "hops needs a list of datasets")
		return nil
	}
	var pairs [][2]string
	scope := append([]string(nil), b.aliases...)
	for _, e := range d.Elems {
		words := strings.Fields(e.Text)
		if e.Kind != jsonpos.String || len(words) != 2 {
			b.Errorf(e, "dtl/hops", `write it "dataset-id alias"`, "a dataset id and an alias are expected")
			return nil
		}
		pairs = append(pairs, [2]string{words[0], words[1]})
		scope = append(scope, words[1])
	}
	b.aliases = scope
	b.slots = max(b.slots, len(scope))
	return pairs
}

// hopsPlan finds an order in which every alias is reached by a join from what
// is known already, and puts each condition where it can first be checked.
func (b *Builder) hopsPlan(n *jsonpos.Node, s *hopsSpec, datasets [][2]string, base int) {
	t := n.Get("track-dependencies")
	track := t == nil || t.IsTrue()
	b.newNodes(base, datasets, track)
	joins, filters := b.conditions(n)
	subsets := b.hopsSubsets(n, datasets)
	bound := map[string]bool{}
	s.first = readyFilters(&filters, bound, b.aliases[base:])
	for range datasets {
		i, j, side := nextHop(datasets, joins, bound)
		if i < 0 {
			b.Errorf(n, "dtl/hops-unreachable", `join it with an ["eq", …] in "where"`,
				"the dataset %q cannot be reached from the source by joins", firstUnbound(datasets, bound))
			return
		}
		alias := datasets[i][1]
		bound[alias] = true
		h := hop{slot: base + i, dataset: datasets[i][0], subset: subsets[alias], memo: b.memos, trace: b.traceOf(alias)}
		b.memos++
		j.used = true
		h.keys = j.sides[1-side].Eval
		if text := j.nodes[side].Text; text != alias+"._id" {
			var finds = b.finds
			h.index, finds = newIndex(h.dataset, renamed(j.nodes[side], alias), b.o)
			if h.index == nil {
				b.finds.Add(finds...)
			}
		}
		if len(s.plan) == 0 && j.names[1-side] == "_S" {
			b.readAhead(h, base)
		}
		b.facts.Hops = append(b.facts.Hops, HopsUse{h.dataset, h.index, track, n.Span, h.subset})
		b.bindNode(&h, j, side)
		for _, other := range joins {
			if !other.used && bothBound(other, bound, b.aliases[base:]) {
				other.used = true
				if other.joined(joins) {
					h.filters = append(h.filters, exactly(other))
				} else {
					h.filters = append(h.filters, overlapping(other))
				}
			}
		}
		h.filters = append(h.filters, readyFilters(&filters, bound, b.aliases[base:])...)
		s.plan = append(s.plan, h)
	}
	s.last = base + len(datasets) - 1
}

// nextHop finds a dataset whose alias stands on one side of a join, the other
// side of which is known.
func nextHop(datasets [][2]string, joins []*join, bound map[string]bool) (dataset int, j *join, side int) {
	known := func(name string) bool {
		for _, d := range datasets {
			if d[1] == name {
				return bound[name]
			}
		}
		return true
	}
	for i, d := range datasets {
		if bound[d[1]] {
			continue
		}
		for _, j := range joins {
			for side, name := range j.names {
				if !j.used && name == d[1] && known(j.names[1-side]) {
					return i, j, side
				}
			}
		}
	}
	return -1, nil, 0
}

func firstUnbound(datasets [][2]string, bound map[string]bool) string {
	for _, d := range datasets {
		if !bound[d[1]] {
			return d[0]
		}
	}
	return ""
}

// readyFilters takes out the conditions all of whose aliases are bound.
func readyFilters(filters *[]*Expr, bound map[string]bool, aliases []string) []Eval {
	var ready []Eval
	var rest []*Expr
	for _, f := range *filters {
		waits := false
		for name := range f.refs {
			waits = waits || containsText(aliases, name) && !bound[name]
		}
		if waits {
			rest = append(rest, f)
		} else {
			ready = append(ready, f.Eval)
		}
	}
	*filters = rest
	return ready
}

func (b *Builder) hopsSubsets(n *jsonpos.Node, datasets [][2]string) map[string]*Subset {
	node := n.Get("subsets")
	if node == nil {
		if node = n.Get("prefilters"); node == nil {
			return nil
		}
		b.Warnf(node, "dtl/deprecated", `call it "subsets"`, `"prefilters" is deprecated`)
	}
	subsets := map[string]*Subset{}
	for _, m := range node.Members {
		found := false
		for _, d := range datasets {
			if d[1] == m.Key {
				s, finds := CompileSubset(d[0], m.Value, b.o)
				b.finds.Add(finds...)
				subsets[m.Key], found = s, true
			}
		}
		if !found {
			b.Errorf(m.Value, "dtl/hops-alias", "", "subsets: there is no alias %q in datasets", m.Key)
		}
	}
	return subsets
}

func (b *Builder) hopsReturn(n *jsonpos.Node, s *hopsSpec, last bool) {
	r := n.Get("return")
	if r == nil {
		return
	}
	if !last {
		b.Errorf(r, "dtl/hops", "", `only the last dict of a chain may have "return"`)
	}
	if r.Kind != jsonpos.String || strings.Contains(r.Text, ".") {
		s.template = b.Expr(r).Eval
		return
	}
	for word := range strings.SplitSeq(r.Text, ",") {
		slot := -1
		for i, a := range b.aliases {
			if a == strings.TrimSpace(word) {
				slot = i
			}
		}
		if slot < 0 {
			b.Errorf(r, "dtl/hops-alias", suggestion(strings.TrimSpace(word), b.aliases), "return: there is no alias %q in datasets", strings.TrimSpace(word))
			return
		}
		s.slots = append(s.slots, slot)
	}
}

func (b *Builder) hopsRecursion(n *jsonpos.Node, s *hopsSpec) {
	s.recurse = n.Get("recurse").IsTrue()
	s.excludeRoot = n.Get("exclude_root").IsTrue()
	if d := n.Get("max_depth"); d != nil {
		depth, err := strconv.Atoi(d.Text)
		switch {
		case d.Kind == jsonpos.Null:
			s.maxDepth = -1
		case err != nil || depth < 0:
			b.Errorf(d, "dtl/hops", "", "max_depth is a whole number, or null for no limit")
		default:
			s.maxDepth = depth
		}
	}
	if s.recurse && n.Get("return") != nil {
		b.Errorf(n.Get("return"), "dtl/hops", "", `"return" cannot be used with "recurse"`)
	}
}

func containsText(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}
