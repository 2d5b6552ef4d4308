package dtl

import (
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// Builder compiles one program. Function bodies use it to compile their
// arguments and to report what is wrong with them.
type Builder struct {
	o        Options
	finds    diag.List
	pointers pointers
	rule     string
	rules    map[string]*rule
	names    []string // of rules, for suggestions
	aliases  []string // hops aliases in scope, by slot
	slots    int      // most aliases in scope at once
	hints    int
	copies   int
	memos    int
	trace    string // of the hops being compiled
	traced   map[string]bool
	traces   int
	chained  bool // the hops being compiled begin with what others have found
	ahead    []hop
	depth    int
	impure   int             // uses so far of what a constant cannot be made of
	refs     map[string]bool // variables read by the expression being compiled
	facts    Facts
	applies  []application
	prefixes *Prefixes

	// What dependency tracking must know: see origin.
	origins    map[string]*origin // by rule
	origin     *origin            // within a hops, nil outside
	aliasNodes []*hopNode         // by slot
}

// Expr is a compiled expression.
type Expr struct {
	Eval Eval
	// Const tells that Value is the result, whatever the entity.
	Const bool
	Value entity.Value
	node  *jsonpos.Node
	refs  map[string]bool
}

// Options returns what the program is compiled with.
func (b *Builder) Options() Options { return b.o }

// Errorf reports an error at a node. The code is stable: "dtl/…".
func (b *Builder) Errorf(n *jsonpos.Node, code, help, format string, args ...any) {
	b.report(diag.Error, n.Span, code, help, fmt.Sprintf(format, args...))
}

// Warnf reports a warning at a node.
func (b *Builder) Warnf(n *jsonpos.Node, code, help, format string, args ...any) {
	b.report(diag.Warning, n.Span, code, help, fmt.Sprintf(format, args...))
}

func (b *Builder) report(s diag.Severity, at jsonpos.Span, code, help, msg string) {
	if b.rule != "" {
		msg = fmt.Sprintf("rule %q: %s", b.rule, msg)
	}
	b.finds.Add(diag.Finding{Rule: code, Severity: s, Message: msg, Span: at, Pointer: b.pointers[at], Pipe: b.o.PipeID, Help: help})
}

const maxNesting = 400

// Expr compiles an expression. After an error it returns null's expression, so
// that the rest of the rule is checked too.
func (b *Builder) Expr(n *jsonpos.Node) *Expr {
	if b.depth++; b.depth > maxNesting {
		b.Errorf(n, "dtl/nesting", "split the rule", "expressions are nested deeper than %d", maxNesting)
		b.depth--
		return constant(n, entity.Value{})
	}
	outer, impure, finds := b.refs, b.impure, len(b.finds)
	b.refs = map[string]bool{}
	e := b.expr(n)
	if !e.Const && len(b.refs) == 0 && b.impure == impure && len(b.finds) == finds {
		e = fold(e)
	}
	e.node, e.refs = n, b.refs
	for r := range b.refs {
		if outer != nil {
			outer[r] = true
		}
	}
	b.refs = outer
	b.depth--
	return e
}

func constant(n *jsonpos.Node, v entity.Value) *Expr {
	return &Expr{Eval: func(*Ctx) entity.Value { return v }, Const: true, Value: v, node: n}
}

// fold works out at compile time what depends on nothing. What fails or gets
// long stays to be worked out when it is needed.
func fold(e *Expr) *Expr {
	c := &Ctx{limits: Limits{Steps: 20_000, Depth: 1, List: 10_000, Text: 1 << 16}, frame: &frame{}}
	c.limits = c.limits.orDefault()
	if v := e.Eval(c); c.err == nil {
		return constant(e.node, v)
	}
	return e
}

func (b *Builder) expr(n *jsonpos.Node) *Expr {
	switch n.Kind {
	case jsonpos.String:
		if p, ok := b.path(n); ok {
			return &Expr{Eval: p}
		}
		return b.literal(n)
	case jsonpos.Array:
		return b.call(n)
	default:
		return b.literal(n)
	}
}

func (b *Builder) literal(n *jsonpos.Node) *Expr {
	if name, ok := secretName(n); ok {
		return b.secret(n, name)
	}
	v, err := Literal(n)
	if err != nil {
		b.Errorf(n, "dtl/literal", "", "%v", err)
	}
	if v.Kind() == entity.Float {
		v = entity.NewFloat(v.Float64()) // not its text, which each use would parse
	}
	return constant(n, v)
}

// Literal returns the value of a JSON node with transit tags.
func Literal(n *jsonpos.Node) (entity.Value, error) {
	return entity.Decode(nil, n.AppendJSON(nil), entity.DecodeOptions{})
}

func (b *Builder) call(n *jsonpos.Node) *Expr {
	if len(n.Elems) == 0 {
		return constant(n, entity.NewList())
	}
	name, ok := n.Elems[0].Str()
	if !ok {
		b.Errorf(n.Elems[0], "dtl/function-name", `a list literal is written ["list", …]`,
			"an expression begins with a function name, found a %s", n.Elems[0].Kind)
		return constant(n, entity.Value{})
	}
	f := b.lookup(n.Elems[0], name)
	if f == nil {
		return constant(n, entity.Value{})
	}
	if f.Call == nil && f.Build == nil {
		b.Errorf(n.Elems[0], "dtl/not-expression", "", "%q is a transform and gives no value", name)
		return constant(n, entity.Value{})
	}
	bound, err := f.sig.bind(n.Elems[1:])
	if err != nil {
		b.Errorf(n, "dtl/arity", f.Doc, "%s: %v", name, err)
		return constant(n, entity.Value{})
	}
	b.checkLiterals(f, bound)
	if f.Build != nil {
		return b.built(n, f, Args{n, bound})
	}
	return b.called(n, f, bound)
}

func (b *Builder) lookup(at *jsonpos.Node, name string) *declared {
	f := b.o.Lib.funcs[name]
	if successor, help := oldName(name); f == nil && help != "" {
		if f = b.o.Lib.funcs[successor]; f == nil {
			b.Errorf(at, "dtl/deprecated", help, "the function %q was taken out of the language", name)
			return nil
		}
		b.Warnf(at, "dtl/deprecated", help, "the function %q is deprecated", name)
	}
	if f == nil {
		help := "`sluice dtl --list` names all functions"
		if near := textdist.Nearest(name, b.o.Lib.names); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		b.Errorf(at, "dtl/unknown-function", help, "there is no function %q", name)
		return nil
	}
	if f.Impure {
		b.impure++
	}
	b.facts.Functions = append(b.facts.Functions, Use{name, at.Span})
	return f
}

// Optional compiles an argument that may be absent: nil then.
func (b *Builder) Optional(n *jsonpos.Node) *Expr {
	if n == nil {
		return nil
	}
	return b.Expr(n)
}

// Steps compiles one transform, or a list of them.
func (b *Builder) Steps(n *jsonpos.Node) []Step {
	if n == nil {
		return nil
	}
	if n.Kind != jsonpos.Array {
		b.Errorf(n, "dtl/transform", `a transform is written ["name", …]`, "a transform or a list of transforms is expected, found a %s", n.Kind)
		return nil
	}
	if len(n.Elems) > 0 && n.Elems[0].Kind == jsonpos.String {
		return []Step{b.step(n)}
	}
	steps := make([]Step, 0, len(n.Elems))
	for _, e := range n.Elems {
		if e.Kind != jsonpos.Array || len(e.Elems) == 0 || e.Elems[0].Kind != jsonpos.String {
			b.Errorf(e, "dtl/transform", `a transform is written ["name", …]`, "a transform is expected")
			continue
		}
		steps = append(steps, b.step(e))
	}
	return steps
}

func (b *Builder) step(n *jsonpos.Node) Step {
	nothing := func(*Ctx) Flow { return Continue }
	if b.depth++; b.depth > maxNesting {
		b.Errorf(n, "dtl/nesting", "split the rule", "transforms are nested deeper than %d", maxNesting)
		b.depth--
		return nothing
	}
	defer func() { b.depth-- }()
	name := n.Elems[0].Text
	f := b.lookup(n.Elems[0], name)
	if f == nil {
		return nothing
	}
	if f.Step == nil {
		b.Errorf(n.Elems[0], "dtl/not-transform", `use it inside one: ["add", "property", ["`+name+`", …]]`,
			"%q gives a value and is no transform", name)
		return nothing
	}
	bound, err := f.sig.bind(n.Elems[1:])
	if err != nil {
		b.Errorf(n, "dtl/arity", f.Doc, "%s: %v", name, err)
		return nothing
	}
	b.checkLiterals(f, bound)
	step := f.Step(b, Args{n, bound})
	if step == nil {
		return nothing
	}
	at := &call{name, n.Span, b.pointers[n.Span], b.rule}
	return func(c *Ctx) Flow {
		if !c.Step() {
			c.err.happenedIn(at)
			return Discard
		}
		flow := step(c)
		if c.err != nil {
			c.err.happenedIn(at)
			return Discard
		}
		return flow
	}
}

// RunSteps carries out steps in order until one stops the entity.
func RunSteps(c *Ctx, steps []Step) Flow {
	for _, s := range steps {
		if flow := s(c); flow != Continue {
			return flow
		}
	}
	return Continue
}

// Hint reserves a place in each run where a lookup may remember a position.
func (b *Builder) hint() int {
	b.hints++
	return b.hints - 1
}

// isNamespaced tells whether a property name has a namespace.
func isNamespaced(name string) bool { return strings.Contains(name, ":") }
