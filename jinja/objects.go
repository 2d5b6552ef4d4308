package jinja

import "slices"

// attributed is an object with attributes of its own.
type attributed interface {
	object
	typeName() string
	attr(st *state, name string) (Value, bool)
}

// caller is an object that can itself be called.
type caller interface{ function() *Func }

// loop is what a for statement tells about itself.
type loop struct {
	items []Value
	index int
	depth int
	st    *forStmt
	last  Value // argument of the last changed()
	asked bool
}

func (*loop) object()          {}
func (*loop) typeName() string { return "LoopContext" }

func (l *loop) attr(_ *state, name string) (Value, bool) {
	n, i := len(l.items), l.index
	switch name {
	case "index":
		return Int(int64(i + 1)), true
	case "index0":
		return Int(int64(i)), true
	case "revindex":
		return Int(int64(n - i)), true
	case "revindex0":
		return Int(int64(n - i - 1)), true
	case "first":
		return Bool(i == 0), true
	case "last":
		return Bool(i == n-1), true
	case "length":
		return Int(int64(n)), true
	case "depth":
		return Int(int64(l.depth + 1)), true
	case "depth0":
		return Int(int64(l.depth)), true
	}
	return l.neighbour(name)
}

func (l *loop) neighbour(name string) (Value, bool) {
	switch name {
	case "previtem":
		if l.index == 0 {
			return Value{k: kUndef, o: &undef{hint: "there is no previous item"}}, true
		}
		return l.items[l.index-1], true
	case "nextitem":
		if l.index == len(l.items)-1 {
			return Value{k: kUndef, o: &undef{hint: "there is no next item"}}, true
		}
		return l.items[l.index+1], true
	case "cycle":
		return NewFunc("*", func(c *Call) Value {
			if len(c.rest) == 0 {
				return c.Failf("cycle needs something to cycle through")
			}
			return c.rest[l.index%len(c.rest)]
		}).value(name), true
	case "changed":
		return NewFunc("*", l.changed).value(name), true
	}
	return Value{}, false
}

func (l *loop) changed(c *Call) Value {
	now := Tuple(slices.Clone(c.rest)...)
	same := l.asked && c.st.equal(l.last, now)
	l.last, l.asked = now, true
	return Bool(!same)
}

// function walks deeper in a recursive loop.
func (l *loop) function() *Func {
	return NewFunc("items", func(c *Call) Value {
		if !l.st.recursive {
			return c.Failf("loop() works only in a loop marked `recursive`")
		}
		return c.st.written(func() { l.st.walk(c.st, c.Arg(0), l.depth+1) })
	})
}

// written is the text do writes.
func (st *state) written(do func()) Value { return st.captured([]stmt{doStmt(do)}) }

type doStmt func()

func (d doStmt) run(*state) { d() }

// macro is a macro with the scope it was defined in.
type macro struct {
	s        *macroStmt
	scope    *scope
	defaults []Value
}

func (m *macro) function() *Func {
	f := &Func{params: m.s.params, star: m.s.varargs, dstar: m.s.kwargs, do: m.call}
	if m.s.caller {
		f.params = append(slices.Clip(f.params), "caller")
	}
	return f
}

func (m *macro) call(c *Call) Value {
	st := c.st
	outer := st.scope
	st.scope = &scope{parent: m.scope}
	v := st.written(func() {
		if !st.enter() {
			return
		}
		defer st.leave()
		for i, p := range m.s.params {
			st.define(p, m.argument(c, i))
		}
		if m.s.caller {
			st.define("caller", m.callerOf(c))
		}
		if m.s.varargs {
			st.define("varargs", Tuple(slices.Clone(c.rest)...))
		}
		if m.s.kwargs {
			st.define("kwargs", Dict(c.more...))
		}
		st.runAll(m.s.body)
	})
	st.scope = outer
	return v
}

// callerOf is the body of the call statement that called, undefined if none.
func (m *macro) callerOf(c *Call) Value {
	if i := len(m.s.params); c.Has(i) {
		return c.args[i]
	}
	return Value{k: kUndef, o: &undef{name: "caller"}}
}

func (m *macro) argument(c *Call, i int) Value {
	if c.Has(i) {
		return c.args[i]
	}
	if d := i - (len(m.s.params) - len(m.s.defaults)); d >= 0 {
		return m.s.defaults[d].eval(c.st)
	}
	return Value{k: kUndef, o: &undef{name: m.s.params[i]}}
}

// namespace is the one thing inner blocks can change for outer ones.
type namespace struct{ d *dict }

func (*namespace) object()          {}
func (*namespace) typeName() string { return "Namespace" }

func (n *namespace) attr(_ *state, name string) (Value, bool) {
	if i := n.d.find(dictKey{k: kStr, s: name}); i >= 0 {
		return n.d.vals[i], true
	}
	return Value{}, false
}

// cycler hands out its items in turn.
type cycler struct {
	items []Value
	at    int
}

func (*cycler) object()          {}
func (*cycler) typeName() string { return "Cycler" }

func (y *cycler) attr(_ *state, name string) (Value, bool) {
	switch name {
	case "current":
		return y.items[y.at], true
	case "next":
		return NewFunc("", func(*Call) Value {
			v := y.items[y.at]
			y.at = (y.at + 1) % len(y.items)
			return v
		}).value(name), true
	case "reset":
		return NewFunc("", func(*Call) Value { y.at = 0; return None() }).value(name), true
	}
	return Value{}, false
}

// joiner gives nothing the first time and its text from then on.
type joiner struct {
	sep  Value
	used bool
}

func (*joiner) object()                                {}
func (*joiner) typeName() string                       { return "Joiner" }
func (*joiner) attr(*state, string) (v Value, ok bool) { return }
func (j *joiner) function() *Func {
	return NewFunc("", func(*Call) Value {
		if !j.used {
			j.used = true
			return Str("")
		}
		return j.sep
	})
}

// builtinFuncs are the functions of the language itself.
var builtinFuncs = map[string]*Func{
	"range": NewFunc("start stop? step?", newRange),
	"dict": NewFunc("from? **", func(c *Call) Value {
		d := newDict()
		if c.Has(0) {
			c.st.update(d, c.Arg(0))
		}
		for _, m := range c.more {
			d.setStr(m.Key, m.Value)
		}
		return d.value()
	}),
	"namespace": NewFunc("from? **", func(c *Call) Value {
		d := newDict()
		if c.Has(0) {
			c.st.update(d, c.Arg(0))
		}
		for _, m := range c.more {
			d.setStr(m.Key, m.Value)
		}
		return Value{k: kObj, o: &namespace{d}}
	}),
	"cycler": NewFunc("*", func(c *Call) Value {
		if len(c.rest) == 0 {
			return c.Failf("cycler needs something to cycle through")
		}
		return Value{k: kObj, o: &cycler{items: slices.Clone(c.rest)}}
	}),
	"joiner": NewFunc("sep?", func(c *Call) Value {
		return Value{k: kObj, o: &joiner{sep: Str(c.TextOr(0, ", "))}}
	}),
}

func newRange(c *Call) Value {
	start, stop, step := 0, c.Int(0), c.IntOr(2, 1)
	if c.Has(1) {
		start, stop = stop, c.Int(1)
	}
	if step == 0 {
		return c.Failf("the step of range must not be zero")
	}
	r := &intRange{int64(start), int64(stop), int64(step)}
	if c.st.roomList(int(r.len())) {
		return Value{k: kRange, o: r}
	}
	return Value{}
}

func (r *intRange) len() int64 {
	const most = 1 << 40
	if r.step > 0 && r.stop > r.start {
		return int64(min(most, (uint64(r.stop-r.start)-1)/uint64(r.step)+1))
	}
	if r.step < 0 && r.stop < r.start {
		return int64(min(most, (uint64(r.start-r.stop)-1)/uint64(-r.step)+1))
	}
	return 0
}

// update adds a dict's members, or pairs, to d.
func (st *state) update(d *dict, from Value) {
	if from.isDict() {
		keys, vals := st.members(from)
		if !st.roomList(2 * len(keys)) {
			return
		}
		for i, k := range keys {
			if h, ok := st.hash(k); ok {
				d.set(h, k, vals[i])
			}
		}
		return
	}
	for _, e := range st.iterate(from) {
		pair := st.iterate(e)
		if st.err != nil {
			return
		}
		if len(pair) != 2 {
			st.fail(CodeValue, "a dict is made of pairs, not of %d values", len(pair))
			return
		}
		if h, ok := st.hash(pair[0]); ok && st.room(2*valueSize) {
			d.set(h, pair[0], pair[1])
		}
	}
}
