package jinja

func (s *textStmt) run(st *state) { st.write(s.s) }

func (s *outputStmt) run(st *state) {
	st.at = s.pos
	v := s.x.eval(st)
	if st.err != nil {
		return
	}
	text, secret := st.text(v)
	st.printedSecret = st.printedSecret || secret
	st.write(st.escaped(v, text))
}

func (s *ifStmt) run(st *state) {
	cond := st.truth(s.cond.eval(st))
	switch {
	case st.err != nil:
	case cond:
		st.nested(s.then)
	default:
		st.nested(s.other)
	}
}

func (st *state) nested(body []stmt) {
	if st.enter() {
		st.runAll(body)
	}
	st.leave()
}

func (s *setStmt) run(st *state) { st.assign(s.target, s.x.eval(st)) }

func (s *setBlock) run(st *state) {
	st.push()
	v := st.captured(s.body)
	st.pop()
	st.assign(s.target, st.filtered(s.filter, v))
}

func (s *filterBlock) run(st *state) {
	st.push()
	v := st.captured(s.body)
	st.pop()
	text, secret := st.text(st.filtered(s.filter, v))
	st.printedSecret = st.printedSecret || secret
	st.write(text)
}

// captured is the text body writes; it is secret if a secret was written.
func (st *state) captured(body []stmt) Value {
	outer := st.printedSecret
	st.printedSecret = false
	v := Str(st.capture(body))
	if st.printedSecret {
		v.f |= flagSecret
	}
	if st.escaping {
		v.f |= flagSafe // what was written is escaped already
	}
	st.printedSecret = outer
	return v
}

func (st *state) filtered(f expr, v Value) Value {
	if f == nil {
		return v
	}
	outer := st.piped
	st.piped = v
	v = f.eval(st)
	st.piped = outer
	return v
}

func (s *withStmt) run(st *state) {
	vals := make([]Value, len(s.vals))
	for i, x := range s.vals {
		vals[i] = x.eval(st)
	}
	st.push()
	for i, t := range s.names {
		st.assign(t, vals[i])
	}
	st.nested(s.body)
	st.pop()
}

// assign gives a target its value, taking sequences apart for tuples.
func (st *state) assign(t target, v Value) {
	if st.err != nil {
		return
	}
	st.at = t.pos
	switch {
	case t.tuple:
		items := st.iterate(v)
		if st.err == nil && len(items) != len(t.parts) {
			st.fail(CodeValue, "%d values cannot be assigned to %d names", len(items), len(t.parts))
		}
		for i, p := range t.parts {
			if st.err == nil {
				st.assign(p, items[i])
			}
		}
	case t.attr != "":
		st.assignAttr(t, v)
	default:
		st.define(t.name, v)
	}
}

func (st *state) assignAttr(t target, v Value) {
	ns, ok := st.resolve(&name{id: t.name}).o.(*namespace)
	if !ok {
		st.failHelp(CodeType, "make one with namespace()", "only a namespace has attributes that can be set, and %q is none", t.name)
		return
	}
	if st.room(2 * valueSize) {
		ns.d.setStr(t.attr, v)
	}
}

func (s *forStmt) run(st *state) {
	over := s.over.eval(st)
	s.walk(st, over, 0)
}

func (s *forStmt) walk(st *state, over Value, depth int) {
	st.at = s.pos
	items := st.iterate(over)
	if st.err != nil || !st.enter() {
		return
	}
	defer st.leave()
	items = s.selected(st, items)
	if len(items) == 0 {
		st.push()
		st.runAll(s.other)
		st.pop()
		return
	}
	l := &loop{items: items, depth: depth, st: s}
	for i, v := range items {
		l.index = i
		if !st.step() {
			return
		}
		st.push()
		st.define("loop", Value{k: kObj, o: l})
		st.assign(s.target, v)
		st.runAll(s.body)
		st.pop()
	}
}

// selected applies the loop's condition before the first turn, so that loop
// counts only what is left.
func (s *forStmt) selected(st *state, items []Value) []Value {
	if s.cond == nil {
		return items
	}
	var left []Value
	for _, v := range items {
		if !st.step() {
			return nil
		}
		st.push()
		st.assign(s.target, v)
		if st.truth(s.cond.eval(st)) {
			left = append(left, v)
		}
		st.pop()
	}
	return left
}

func (s *macroStmt) run(st *state) {
	if st.scope == nil {
		st.define(s.name, Value{})
	}
	st.define(s.name, st.macro(s).value(s.name))
}

// macro closes a macro over the names in sight.
func (st *state) macro(s *macroStmt) *Func {
	return (&macro{s: s, scope: st.scope, defaults: make([]Value, len(s.defaults))}).function()
}
