package dtl

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Options are what rules are compiled with.
type Options struct {
	Lib    *Lib
	PipeID string
	// NamespacedIdentifiers turns on namespace-aware functions; IdentityNS and
	// PropertyNS are the namespaces of _id and of properties.
	NamespacedIdentifiers  bool
	IdentityNS, PropertyNS string
	// IDRequired makes an entity without a string _id fail.
	IDRequired bool
	// Pointer is the JSON pointer of what is compiled within its component,
	// such as "/transform/0/rules"; pointers in messages begin with it.
	Pointer string
	// URINamespaces are prefixes with the URIs they stand for.
	URINamespaces map[string]string
	Limits        Limits
}

// Use is a name used at a place.
type Use struct {
	Name string
	Span jsonpos.Span
}

// Facts is what can be known of a program without running it.
type Facts struct {
	Functions []Use     // every function used
	Hops      []HopsUse // every dataset hopped to
	Lookups   []Use     // datasets of lookup-entity
	Children  bool      // makes $children
	Secrets   []Use     // named by $SECRET(…)
	Sources   []Use     // first steps of paths on _S in the default rule
	nodes     []*hopNode
}

// HopsUse is one dataset that a hops reads.
type HopsUse struct {
	Dataset string
	Index   *Index // nil if it is found by _id or scanned
	Track   bool   // track-dependencies
	Span    jsonpos.Span
	Subset  *Subset // nil if all of the dataset is read
}

// Program is a compiled set of rules, immutable and shared.
type Program struct {
	o     Options
	rules map[string]*rule
	main  *rule // the default one; nil in an expression
	size  sizes
	facts Facts
	ahead []hop // hops that Prepare may look up beforehand
}

// sizes are what a run reserves.
type sizes struct{ hints, copies, slots, memos, traces int }

type rule struct {
	name    string
	node    *jsonpos.Node
	pointer string
	steps   []Step
	hops    bool // uses hops or apply-hops
}

// Facts returns what is known of the program.
func (p *Program) Facts() Facts { return p.facts }

// CompileRules compiles the `rules` of a dtl transform, {"default": […], …},
// or one list of transforms as its default rule. All problems are reported at
// once; the program is nil if any is an error.
func CompileRules(n *jsonpos.Node, o Options) (*Program, diag.List) {
	b := newBuilder(o, n)
	if n.Kind == jsonpos.Array {
		b.addRule("default", n)
	} else if n.Kind != jsonpos.Object {
		b.Errorf(n, "dtl/rules", "", "rules are a dict of rules or one list of transforms, found a %s", n.Kind)
		return nil, b.finds
	}
	for _, m := range n.Members {
		b.addRule(m.Key, m.Value)
	}
	if b.rules["default"] == nil {
		b.Errorf(n, "dtl/no-default", "processing begins with it", `there is no rule "default"`)
	}
	for _, name := range b.names {
		r := b.rules[name]
		b.rule = name
		r.steps = b.Steps(r.node)
	}
	b.checkApplications()
	if b.finds.HasErrors() {
		return nil, b.finds
	}
	return b.program(), b.finds
}

func newBuilder(o Options, root *jsonpos.Node) *Builder {
	b := &Builder{o: o, rules: map[string]*rule{}, pointers: pointers{}, origins: map[string]*origin{}}
	b.pointers.add(root, o.Pointer)
	return b
}

func (b *Builder) addRule(name string, n *jsonpos.Node) {
	b.rules[name] = &rule{name: name, node: n, pointer: b.pointers[n.Span]}
	b.names = append(b.names, name)
}

func (b *Builder) program() *Program {
	return &Program{o: b.o, rules: b.rules, main: b.rules["default"], facts: b.facts, ahead: b.ahead, size: sizes{b.hints, b.copies, b.slots, b.memos, b.traces}}
}

// Expression is a compiled expression on its own, immutable and shared.
type Expression struct {
	p    *Program
	expr *Expr
}

// CompileExpr compiles one expression. rules may name rules for apply; nil if
// there are none.
func CompileExpr(n, rules *jsonpos.Node, o Options) (*Expression, diag.List) {
	b := newBuilder(o, n)
	if rules != nil {
		for _, m := range rules.Members {
			b.addRule(m.Key, m.Value)
		}
		for _, name := range b.names {
			b.rule = name
			b.rules[name].steps = b.Steps(b.rules[name].node)
		}
		b.rule = ""
	}
	e := b.Expr(n)
	b.checkApplications()
	if b.finds.HasErrors() {
		return nil, b.finds
	}
	return &Expression{b.program(), e}, b.finds
}

// Program returns the program the expression belongs to, to run it with.
func (e *Expression) Program() *Program { return e.p }

// Run is the state of one goroutine that runs a program; it is reused for
// entity after entity.
type Run struct {
	p    *Program
	c    Ctx
	root frame
	// scratch is where Prepare works out keys.
	scratch *entity.Arena
}

// NewRun returns a run of p that reaches the world through h.
func NewRun(p *Program, h Host) *Run {
	r := &Run{p: p}
	r.c = Ctx{
		host: h, limits: p.o.Limits.orDefault(),
		hints: make([]int, p.size.hints), copies: make([]copyCache, p.size.copies), alias: make([]entity.Value, p.size.slots),
		memos: make([]memo, p.size.memos),
	}
	return r
}

// SetParams sets "_B.", the parameters of a request.
func (r *Run) SetParams(v entity.Value) { r.c.params = v }

// begin readies the state for one entity.
func (r *Run) begin(a *entity.Arena, source entity.Value, target *entity.Object) {
	c := &r.c
	c.arena, c.err, c.steps, c.depth, c.emitted = a, nil, 0, 0, 0
	c.deadline = time.Time{}
	c.this, c.stack = entity.Value{}, c.stack[:0]
	r.root = frame{source: source, target: target}
	r.root.root = &r.root
	c.frame = &r.root
}

// Eval works out an expression for a source and a target.
func (r *Run) Eval(ctx context.Context, e *Expression, source, target entity.Value, a *entity.Arena) (entity.Value, error) {
	t := a.NewObject(target.Len())
	t.AddFrom(target.Object())
	r.c.ctx = ctx
	r.begin(a, source, t)
	v := e.expr.Eval(&r.c)
	if r.c.err != nil {
		return entity.Value{}, r.failure(source)
	}
	return v, nil
}

// Transform applies the default rule to every entity of in and appends what
// comes out to out, in order: created entities first, then the target unless
// it is discarded; a filtered one has _filtered set. What it makes lives in
// in's arena. The error is a *RunError.
func (r *Run) Transform(ctx context.Context, in, out *entity.Batch) error {
	r.c.out = out
	for _, source := range in.Entities {
		target := in.Arena.NewObject(source.Len() + 4)
		for _, key := range [...]string{entity.IDKey, entity.DeletedKey} {
			if v, ok := source.Get(key); ok {
				target.Set(key, v)
			}
		}
		if err := r.apply(ctx, in.Arena, source, target, out); err != nil {
			return err
		}
	}
	return nil
}

// TransformOne applies the default rule to one entity with the given target to
// begin with, and returns all that is emitted.
func (r *Run) TransformOne(ctx context.Context, source, target entity.Value, a *entity.Arena) ([]entity.Value, error) {
	var out entity.Batch
	r.c.out = &out
	t := a.NewObject(target.Len())
	t.AddFrom(target.Object())
	err := r.apply(ctx, a, source, t, &out)
	return out.Entities, err
}

func (r *Run) apply(ctx context.Context, a *entity.Arena, source entity.Value, target *entity.Object, out *entity.Batch) error {
	r.c.ctx = ctx
	r.begin(a, source, target)
	flow := RunSteps(&r.c, r.p.main.steps)
	r.c.hopped.tell(r.c.joins)
	if r.c.err != nil {
		return r.failure(source)
	}
	if flow == Discard {
		return nil
	}
	if flow == Filter {
		target.Set(entity.FilteredKey, entity.NewBool(true))
	}
	v := target.Value()
	if _, ok := entity.ID(v); !ok && r.p.o.IDRequired {
		r.c.Fail("dtl/no-id", `the target has no string "_id"`)
		rule := r.p.main
		r.c.err.Pointer = rule.pointer
		return r.failure(source)
	}
	if r.c.weigh(v); r.c.err != nil {
		r.c.err.Pointer = r.p.main.pointer
		return r.failure(source)
	}
	out.Entities = append(out.Entities, v)
	return nil
}

func (r *Run) failure(source entity.Value) error {
	e := r.c.err
	e.Pipe = r.p.o.PipeID
	e.EntityID, _ = entity.ID(source)
	if e.Rule == "" {
		e.Rule = "default"
	}
	return e
}

// IsRunError returns the *RunError in an error, if there is one.
func IsRunError(err error) (*RunError, bool) {
	var e *RunError
	return e, errors.As(err, &e)
}
