package jinja

func (c constant) eval(*state) Value { return c.v }

func (n *name) eval(st *state) Value {
	st.step()
	st.at = n.pos
	return st.resolve(n)
}

// lent is a name whose value is only looked at.
type lent name

func (l *lent) eval(st *state) Value {
	st.lends(true)
	v := (*name)(l).eval(st)
	st.lends(false)
	return v
}

// lends says whether variables that are asked for are only looked at.
func (st *state) lends(are bool) {
	if r, ok := st.vars.(*requestVars); ok {
		r.lends = are
	}
}

func (s *sequence) eval(st *state) Value {
	if !st.roomList(len(s.items)) {
		return Value{}
	}
	items := make([]Value, len(s.items))
	for i, x := range s.items {
		items[i] = x.eval(st)
	}
	if s.tuple {
		return Tuple(items...)
	}
	return newList(items)
}

func (d *dictLit) eval(st *state) Value {
	if !st.roomList(2 * len(d.keys)) {
		return Value{}
	}
	o := newDict()
	for i, k := range d.keys {
		key, val := k.eval(st), d.vals[i].eval(st)
		st.at = d.pos
		if h, ok := st.hash(key); ok {
			o.set(h, key, val)
		}
	}
	return o.value()
}

func (u *unary) eval(st *state) Value {
	x := u.x.eval(st)
	st.at = u.pos
	if u.op == '!' {
		return Bool(!st.truth(x))
	}
	return st.sign(u.op, x)
}

func (b *operation) eval(st *state) Value {
	l, r := b.l.eval(st), b.r.eval(st)
	st.at = b.pos
	if !st.step() {
		return Value{}
	}
	v := st.arith(b.op, l, r)
	if (l.secret() || r.secret()) && (v.isText() || v.isSeq()) {
		return markSecret(v)
	}
	return v
}

func (l *logic) eval(st *state) Value {
	x := l.l.eval(st)
	if st.err != nil || st.truth(x) != l.and {
		return x
	}
	return l.r.eval(st)
}

func (c *concat) eval(st *state) Value {
	var b []byte
	secret := false
	for _, p := range c.parts {
		v := p.eval(st)
		st.at = c.pos
		s, hidden := st.text(v)
		if !st.room(len(s)) {
			return Value{}
		}
		b = append(b, s...)
		secret = secret || hidden
	}
	v := Str(string(b))
	if secret {
		v.f = flagSecret
	}
	return v
}

func (c *comparison) eval(st *state) Value {
	left := c.first.eval(st)
	for _, op := range c.ops {
		right := op.x.eval(st)
		st.at = op.pos
		if !st.step() || !st.compare(op.op, left, right) {
			return Bool(false)
		}
		left = right
	}
	return Bool(true)
}

func (c *conditional) eval(st *state) Value {
	cond := st.truth(c.cond.eval(st))
	switch {
	case st.err != nil:
		return Value{}
	case cond:
		return c.then.eval(st)
	case c.other == nil:
		return Value{k: kUndef, o: &undef{hint: "the condition is false and there is no `else` part", soft: true}}
	}
	return c.other.eval(st)
}

func (a *attribute) eval(st *state) Value {
	x := a.x.eval(st)
	st.at = a.pos
	return st.attr(x, a.name)
}

func (s *subscript) eval(st *state) Value {
	x := s.x.eval(st)
	if sl, ok := s.index.(*sliceExpr); ok {
		low, high, step := sl.bounds(st)
		st.at = s.pos
		return st.slice(x, low, high, step)
	}
	index := s.index.eval(st)
	st.at = s.pos
	return st.item(x, index)
}

// eval of a slice is only reached where it is one of several subscripts,
// which nothing supports.
func (s *sliceExpr) eval(st *state) Value {
	return st.fail(CodeType, "a slice cannot be one of several subscripts")
}

func (s *sliceExpr) bounds(st *state) (low, high, step Value) {
	for _, p := range [...]struct {
		x expr
		v *Value
	}{{s.low, &low}, {s.high, &high}, {s.step, &step}} {
		if p.x != nil {
			*p.v = p.x.eval(st)
		}
	}
	return low, high, step
}

func (c *call) eval(st *state) Value {
	if a, ok := c.fn.(*attribute); ok {
		x := a.x.eval(st)
		st.at = a.pos
		if f := st.methodOf(x, a.name); f != nil {
			return c.invoke(st, f, a.name, x)
		}
		return c.value(st, st.attr(x, a.name))
	}
	return c.value(st, c.fn.eval(st))
}

func (c *call) value(st *state, fn Value) Value {
	if st.err != nil {
		return Value{}
	}
	switch o := fn.o.(type) {
	case *callable:
		return c.invoke(st, o.fn, o.name, o.recv)
	case *undef:
		return st.undefined(fn)
	case caller:
		return c.invoke(st, o.function(), "", fn)
	}
	return st.fail(CodeType, "'%s' object is not callable", fn.typeName())
}

func (c *call) invoke(st *state, f *Func, name string, recv Value) Value {
	if !st.enter() {
		return Value{}
	}
	v := st.invokeAt(c.pos, f, name, recv, c.args)
	st.leave()
	return v
}

// invokeAt evaluates arguments and calls f; failures of f are at pos.
func (st *state) invokeAt(pos int, f *Func, name string, recv Value, a *arguments) Value {
	c := st.newCall()
	e := a.eval(st, f, c.buf[:0])
	st.at = pos
	if st.err != nil {
		return Value{}
	}
	v := st.run(c, f, name, recv, e)
	st.endCall(c)
	return v
}

func (f *filter) eval(st *state) Value {
	x := f.x.eval(st)
	return st.invokeAt(f.pos, f.fn, f.name, x, f.args)
}

func (t *test) eval(st *state) Value {
	x := t.x.eval(st)
	v := st.invokeAt(t.pos, t.fn, t.name, x, t.args)
	return Bool(v.k == kBool && v.n == 1)
}

// piped is the text of the block a filter is applied to.
type piped struct{}

func (piped) eval(st *state) Value { return st.piped }
