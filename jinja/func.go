package jinja

import (
	"context"
	"slices"
	"strings"
)

// Func is something a template may call: a function, filter, test or method.
type Func struct {
	params   []string
	required int
	star     bool // takes any further plain arguments
	dstar    bool // takes any further named arguments
	reads    bool // keeps nothing of its arguments, not even in what it returns
	do       func(c *Call) Value
}

// NewFunc returns a function. params names its parameters, split by spaces:
// "key body" are required, "leeway?" is optional, "*" takes further plain and
// "**" further named arguments. Of a filter or test the value it is applied to
// is Call.Recv and no parameter. do must not keep the Call.
func NewFunc(params string, do func(c *Call) Value) *Func {
	f := &Func{do: do}
	for _, p := range strings.Fields(params) {
		switch {
		case p == "*":
			f.star = true
		case p == "**":
			f.dstar = true
		default:
			name, optional := strings.CutSuffix(p, "?")
			f.params = append(f.params, name)
			if !optional {
				f.required = len(f.params)
			}
		}
	}
	return f
}

// reading is NewFunc for a function that keeps nothing of its arguments, so that they
// may be lent.
func reading(params string, do func(c *Call) Value) *Func {
	f := NewFunc(params, do)
	f.reads = true
	return f
}

func (f *Func) value(name string) Value {
	return Value{k: kFunc, o: &callable{fn: f, name: name}}
}

// callable is a function as a value, bound to its object if it is a method.
type callable struct {
	fn   *Func
	name string
	recv Value
}

func (*callable) object() {}

// Call is one call of a [Func].
type Call struct {
	Recv Value // what a filter, test or method is applied to
	st   *state
	name string
	args []Value  // by parameter; absent where none was given
	rest []Value  // further plain arguments
	more []Member // further named arguments
	buf  [4]Value
}

// Arg returns the i-th argument, None if it was not given.
func (c *Call) Arg(i int) Value {
	if c.Has(i) {
		return c.args[i]
	}
	return Value{}
}

// Has tells whether the i-th argument was given.
func (c *Call) Has(i int) bool { return i < len(c.args) && !c.args[i].absent() }

// Context returns the context of the render.
func (c *Call) Context() context.Context { return c.st.ctx }

// Host returns the host of the render; it may be nil.
func (c *Call) Host() *Host { return c.st.host }

// Text returns the i-th argument, which must be a str or bytes.
func (c *Call) Text(i int) string {
	v := c.Arg(i)
	if !v.isText() {
		c.badType(c.param(i), "str", v)
	}
	return v.s
}

// TextOr is Text with what stands for an argument that was not given.
func (c *Call) TextOr(i int, otherwise string) string {
	if !c.Has(i) || c.Arg(i).IsNone() {
		return otherwise
	}
	return c.Text(i)
}

// Int returns the i-th argument, which must be an int.
func (c *Call) Int(i int) int {
	v := c.Arg(i)
	if !v.isSmall() {
		c.badType(c.param(i), "int", v)
		return 0
	}
	return int(v.n)
}

// IntOr is Int with what stands for an argument that was not given.
func (c *Call) IntOr(i, otherwise int) int {
	if !c.Has(i) || c.Arg(i).IsNone() {
		return otherwise
	}
	return c.Int(i)
}

// BoolOr returns the truth of the i-th argument, otherwise if it was not given.
func (c *Call) BoolOr(i int, otherwise bool) bool {
	if !c.Has(i) {
		return otherwise
	}
	return c.st.truth(c.Arg(i))
}

func (c *Call) param(i int) string {
	if i < 0 || c.args == nil {
		return c.name
	}
	return "argument " + string(rune('1'+i)) + " of " + c.name
}

func (c *Call) badType(what, want string, got Value) {
	if got.k == kUndef {
		c.st.undefined(got)
		return
	}
	c.st.fail(CodeType, "%s must be %s, not %s", what, want, got.typeName())
}

// Failf fails the render; the text must not hold secrets.
func (c *Call) Failf(format string, args ...any) Value {
	return c.st.fail(CodeValue, format, args...)
}

// Fail fails the render with an error of the host.
func (c *Call) Fail(err error) Value {
	c.st.fail(CodeCall, "%s: %v", c.name, err)
	if c.st.err.Cause == nil {
		c.st.err.Cause = err
	}
	return Value{}
}

// Room asks for n bytes of memory before they are taken; without it the
// function must return at once.
func (c *Call) Room(n int) bool { return c.st.room(n) }

// evaluated are the arguments of a call before they are bound to parameters.
type evaluated struct {
	pos   []Value
	named []Member
}

func (a *arguments) eval(st *state, f *Func, buf []Value) evaluated {
	e := evaluated{pos: buf}
	for _, x := range a.pos {
		if n, ok := x.(*name); ok && f.reads {
			x = (*lent)(n)
		}
		e.pos = append(e.pos, x.eval(st))
	}
	for i, x := range a.kwVals {
		e.named = append(e.named, Member{a.kwNames[i], x.eval(st)})
	}
	if a.star != nil {
		e.pos = append(e.pos, st.iterate(a.star.eval(st))...)
	}
	if a.dstar != nil {
		e.named = append(e.named, st.named(a.dstar.eval(st))...)
	}
	return e
}

// named are the members of the dict after **.
func (st *state) named(v Value) []Member {
	if !v.isDict() {
		st.fail(CodeType, "after ** a dict is needed, not %s", v.typeName())
		return nil
	}
	var m []Member
	keys, vals := st.members(v)
	for i, k := range keys {
		m = append(m, Member{k.s, vals[i]})
	}
	return m
}

// newCall takes a Call that is free: most templates make a few calls, and
// nobody keeps one.
func (st *state) newCall() *Call {
	n := len(st.free)
	if n == 0 {
		return new(Call)
	}
	c := st.free[n-1]
	st.free = st.free[:n-1]
	return c
}

func (st *state) endCall(c *Call) {
	*c = Call{}
	st.free = append(st.free, c)
}

func (st *state) run(c *Call, f *Func, name string, recv Value, e evaluated) Value {
	c.st, c.name, c.Recv = st, name, recv
	if !c.bind(f, e) || !st.work(c.burden()) {
		return Value{}
	}
	v := f.do(c)
	if st.err != nil {
		return Value{}
	}
	return c.mark(v)
}

// burden is about how many bytes the call has to look at: functions read what
// they get from end to end, and that is paid for here, once for all of them.
func (c *Call) burden() int {
	n := c.Recv.size()
	for i := range c.args {
		n += c.args[i].size()
	}
	for i := range c.rest {
		n += c.rest[i].size()
	}
	return n
}

// size is what walking through the value costs, in bytes of text.
func (v Value) size() int {
	switch o := v.o.(type) {
	case *list:
		return 32 * len(o.items)
	case *iter:
		return 32 * len(o.items)
	case *dict:
		return 32 * len(o.keys)
	case bigInt:
		return o.BitLen() / 2
	}
	return 2 * len(v.s)
}

// bind gives each parameter its argument.
func (c *Call) bind(f *Func, e evaluated) bool {
	n := len(f.params)
	if len(e.pos) > n {
		if !f.star {
			c.st.fail(CodeType, "%s takes %d arguments, %d were given", c.name, n, len(e.pos))
			return false
		}
		c.rest = e.pos[n:]
		e.pos = e.pos[:n:n]
	}
	c.args = e.pos
	for len(c.args) < n {
		c.args = append(c.args, Value{f: flagAbsent})
	}
	for _, m := range e.named {
		i := slices.Index(f.params, m.Key)
		switch {
		case i >= 0 && c.args[i].absent():
			c.args[i] = m.Value
		case i < 0 && f.dstar:
			c.more = append(c.more, m)
		default:
			c.st.fail(CodeType, "%s has no argument %q, or it was given twice", c.name, m.Key)
			return false
		}
	}
	for i := range f.required {
		if c.args[i].absent() {
			c.st.fail(CodeType, "%s needs the argument %q", c.name, f.params[i])
			return false
		}
	}
	return c.st.err == nil
}

// mark makes text secret that was made from a secret, whatever the function:
// better to mark too much than to show a key.
func (c *Call) mark(v Value) Value {
	if !v.isText() && !v.isSeq() && v.k != kIter {
		return v
	}
	secret := c.Recv.secret()
	for _, list := range [...][]Value{c.args, c.rest} {
		for i := range list {
			secret = secret || list[i].secret()
		}
	}
	for i := range c.more {
		secret = secret || c.more[i].Value.secret()
	}
	if secret {
		return markSecret(v)
	}
	return v
}

func markSecret(v Value) Value {
	if v.isText() {
		v.f |= flagSecret
		return v
	}
	items := v.items()
	if it, ok := v.o.(*iter); ok {
		items = it.items
	}
	for i := range items {
		if items[i].isText() {
			items[i].f |= flagSecret
		}
	}
	return v
}
