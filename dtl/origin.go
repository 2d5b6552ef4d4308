package dtl

import (
	"strings"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// hopNode is one alias of a hops as dependency tracking sees it: what it is
// joined from, so that the join can be gone through backwards.
type hopNode struct {
	dataset string
	slot    int
	index   *Index // of its side of the join; nil is _id
	subset  *Subset
	from    *origin       // what the join's other side is an expression of
	side    *jsonpos.Node // the other side, written over _S
	at      jsonpos.Span
	track   bool
	problem string // why the join cannot be gone through backwards
}

// origin says what an entity called _S may be: the source entity, or what
// aliases are bound to. Where rules are applied is known only when all of them
// are compiled, so origins are looked through at the end.
type origin struct {
	source bool
	opaque bool // may be a dict made by a rule
	nodes  []*hopNode
	also   []*origin
	frame  *origin // the rule it stands in; nil for the rule's own
	// callers are where a rule is applied: what _P._S is in it.
	callers   []*origin
	callersOf *origin // it is what the callers of that have
}

// meaning is what an origin stands for.
type meaning struct {
	seen           map[*origin]bool
	source, opaque bool
	nodes          []*hopNode
}

func (m *meaning) add(o *origin) {
	if m.seen[o] {
		return
	}
	m.seen[o] = true
	m.source, m.opaque = m.source || o.source, m.opaque || o.opaque
	m.nodes = append(m.nodes, o.nodes...)
	for _, other := range o.also {
		m.add(other)
	}
	if o.callersOf != nil {
		for _, f := range o.callersOf.frames() {
			for _, c := range f.callers {
				m.add(c)
			}
		}
	}
}

// frames are the rules an origin may stand in.
func (o *origin) frames() []*origin {
	switch {
	case o.callersOf != nil:
		var all []*origin
		for _, f := range o.callersOf.frames() {
			for _, c := range f.callers {
				all = append(all, c.frames()...)
			}
		}
		return all
	case o.frame != nil:
		return []*origin{o.frame}
	default:
		return []*origin{o}
	}
}

// ruleOrigin is what _S may be in a rule.
func (b *Builder) ruleOrigin(name string) *origin {
	o := b.origins[name]
	if o == nil {
		o = &origin{source: name == "default" || name == ""}
		b.origins[name] = o
	}
	return o
}

// here is what _S may be where the builder stands.
func (b *Builder) here() *origin {
	if b.origin != nil {
		return b.origin
	}
	return b.ruleOrigin(b.rule)
}

// inHops makes what a dict of a hops starts from the builder's _S: what the
// dict before it returned, and its own results if it recurses.
func (b *Builder) inHops(before *origin) *origin {
	b.origin = &origin{also: []*origin{before}, frame: before.frames()[0]}
	return b.origin
}

// hopsOutput is what a dict of a hops returns.
func (b *Builder) hopsOutput(s *hopsSpec, input *origin) *origin {
	out := &origin{frame: input.frame}
	slots := s.slots
	if slots == nil {
		slots = []int{s.last}
	}
	if s.template != nil {
		out.opaque, slots = true, nil
	}
	for _, slot := range slots {
		out.nodes = append(out.nodes, b.aliasNodes[slot])
	}
	if s.recurse {
		input.nodes = append(input.nodes, out.nodes...)
		if !s.excludeRoot {
			out.also = append(out.also, input)
		}
	}
	return out
}

// newNodes makes the nodes of a dict's aliases, which are bound to joins later.
func (b *Builder) newNodes(base int, datasets [][2]string, track bool) {
	b.aliasNodes = b.aliasNodes[:min(base, len(b.aliasNodes))]
	for i, d := range datasets {
		b.aliasNodes = append(b.aliasNodes, &hopNode{dataset: d[0], slot: base + i, track: track})
	}
}

// bindNode notes by which join an alias is reached.
func (b *Builder) bindNode(h *hop, j *join, side int) {
	n := b.aliasNodes[h.slot]
	n.index, n.subset, n.at = h.index, h.subset, j.nodes[side].Span
	b.facts.nodes = append(b.facts.nodes, n)
	name, other := j.names[1-side], j.nodes[1-side]
	for slot := len(b.aliases) - 1; slot >= 0; slot-- {
		if b.aliases[slot] == name {
			n.from, n.side = &origin{nodes: []*hopNode{b.aliasNodes[slot]}}, renamed(other, name)
			return
		}
	}
	n.from, n.side, n.problem = b.joinOrigin(name, other)
}

// joinOrigin finds what a side of a join that knows no alias is about.
func (b *Builder) joinOrigin(name string, side *jsonpos.Node) (from *origin, overS *jsonpos.Node, problem string) {
	if name != "_S" {
		return nil, nil, `it is joined with "` + name + `.", which is no entity of a dataset`
	}
	roots := map[string]bool{}
	frameRoots(side, roots)
	if len(roots) != 1 {
		return nil, nil, "the join looks at several entities at once"
	}
	from = b.here()
	for root := range roots {
		up, ok := strings.CutSuffix(root, "_S")
		switch {
		case !ok:
			return nil, nil, `it is joined with "` + root + `.", which is made by the rule and stored nowhere`
		case up == "_R.":
			from = b.ruleOrigin("default")
		default:
			for range strings.Count(up, "_P.") {
				from = &origin{callersOf: from}
			}
		}
		overS = renamed(side, root)
	}
	return from, overS, ""
}

// frameRoots collects the variables of rules that paths begin with: _S, _T,
// _P._S …
func frameRoots(n *jsonpos.Node, roots map[string]bool) {
	if n.Kind == jsonpos.String {
		at := 0
		for strings.HasPrefix(n.Text[at:], "_P.") || strings.HasPrefix(n.Text[at:], "_R.") {
			at += len("_P.")
		}
		switch rest := n.Text[at:]; {
		case strings.HasPrefix(rest, "_S."), strings.HasPrefix(rest, "_T."):
			roots[n.Text[:at+len("_S")]] = true
		case at > 0:
			roots[n.Text[:at-1]] = true
		}
	}
	for _, e := range n.Elems {
		frameRoots(e, roots)
	}
}
