package dtl

import (
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// built compiles a call of a function that compiles its own arguments.
func (b *Builder) built(n *jsonpos.Node, f *declared, a Args) *Expr {
	eval := f.Build(b, a)
	if eval == nil {
		return constant(n, entity.Value{})
	}
	at := &call{f.Name, n.Span, b.pointers[n.Span], b.rule}
	return &Expr{Eval: func(c *Ctx) entity.Value {
		if !c.Step() {
			c.err.happenedIn(at)
			return entity.Value{}
		}
		v := eval(c)
		if v.Kind() >= entity.Dict && !c.light(v) {
			v = entity.Value{}
		}
		if c.err != nil {
			c.err.happenedIn(at)
		}
		return v
	}}
}

// called compiles an ordinary call: arguments first, then the body.
func (b *Builder) called(n *jsonpos.Node, f *declared, bound [][]*jsonpos.Node) *Expr {
	var args []*Expr
	for i, group := range bound {
		if len(group) == 0 && f.sig.params[i].most == 1 {
			args = append(args, constant(n, entity.Value{}))
		}
		for _, arg := range group {
			args = append(args, b.Expr(arg))
		}
	}
	at := &call{f.Name, n.Span, b.pointers[n.Span], b.rule}
	switch {
	case f.Call1 != nil:
		return &Expr{Eval: call1(f.Call1, args[0].Eval, at)}
	case f.Call2 != nil:
		return &Expr{Eval: call2(f.Call2, args[0].Eval, args[1], at)}
	}
	evals := make([]Eval, len(args))
	for i, a := range args {
		evals[i] = a.Eval
	}
	return &Expr{Eval: callEval(f.Call, evals, at)}
}

func callEval(body func(*Ctx, []entity.Value) entity.Value, args []Eval, at *call) Eval {
	return func(c *Ctx) entity.Value {
		if !c.Step() {
			c.err.happenedIn(at)
			return entity.Value{}
		}
		base := len(c.stack)
		for _, a := range args {
			v := a(c)
			c.stack = append(c.stack, v)
		}
		v := body(c, c.stack[base:])
		if v.Kind() >= entity.Dict && !c.light(v) {
			v = entity.Value{}
		}
		c.stack = c.stack[:base]
		if c.err != nil {
			c.err.happenedIn(at)
		}
		return v
	}
}

// call1 and call2 count no step: what runs long is a loop, and loops count.
func call1(body func(*Ctx, entity.Value) entity.Value, arg Eval, at *call) Eval {
	return func(c *Ctx) entity.Value {
		if c.err != nil {
			return entity.Value{}
		}
		a := arg(c)
		v := body(c, a)
		if v.Kind() >= entity.Dict && !c.light(v) {
			v = entity.Value{}
		}
		if c.err != nil {
			c.err.happenedIn(at)
		}
		return v
	}
}

func call2(body func(_ *Ctx, v, w entity.Value) entity.Value, first Eval, second *Expr, at *call) Eval {
	if second.Const {
		w := second.Value
		return func(c *Ctx) entity.Value {
			if c.err != nil {
				return entity.Value{}
			}
			v := body(c, first(c), w)
			if v.Kind() >= entity.Dict && !c.light(v) {
				v = entity.Value{}
			}
			if c.err != nil {
				c.err.happenedIn(at)
			}
			return v
		}
	}
	return func(c *Ctx) entity.Value {
		if c.err != nil {
			return entity.Value{}
		}
		a := first(c)
		b := second.Eval(c)
		v := body(c, a, b)
		if v.Kind() >= entity.Dict && !c.light(v) {
			v = entity.Value{}
		}
		if c.err != nil {
			c.err.happenedIn(at)
		}
		return v
	}
}
