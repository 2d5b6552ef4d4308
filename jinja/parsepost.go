package jinja

import "strings"

// tupleRules vary how a tuple may be written where it stands.
type tupleRules struct {
	parens bool   // in parentheses: may be empty
	noIf   bool   // no conditional expression: the `in` part of `for`
	end    string // a name that ends it, too
}

// tuple reads an expression or, if a comma follows, a tuple of them.
func (p *parser) tuple(r tupleRules) expr {
	t := p.cur()
	s := &sequence{tuple: true, pos: t.pos}
	comma := false
	for p.err == nil && !p.tupleEnds(r) {
		if r.noIf {
			s.items = append(s.items, p.or())
		} else {
			s.items = append(s.items, p.expression())
		}
		if !p.skipOp(",") {
			break
		}
		comma = true
	}
	switch {
	case comma:
		return s
	case len(s.items) == 1:
		return s.items[0]
	case !r.parens:
		p.expected("an expression")
	}
	return s
}

func (p *parser) tupleEnds(r tupleRules) bool {
	t := p.cur()
	return t.k == tVarEnd || t.k == tBlockEnd || t.k == tEOF || p.isOp(")") || r.end != "" && p.isName(r.end)
}

// postfix reads what may follow a value: attributes, items and calls.
func (p *parser) postfix(x expr) expr {
	for p.err == nil {
		t := p.cur()
		switch {
		case p.skipOp("."):
			x = p.dot(x)
		case p.skipOp("["):
			x = &subscript{x, p.subscripts(), t.pos}
		case p.skipOp("("):
			x = &call{x, p.arguments(), t.pos}
		default:
			return x
		}
	}
	return x
}

func (p *parser) dot(x expr) expr {
	t := p.next()
	switch t.k {
	case tName:
		p.t.words = append(p.t.words, t.s)
		return &attribute{x, t.s, t.pos}
	case tInt:
		return &subscript{x, constant{p.integer(t)}, t.pos}
	}
	p.failAt(t.pos, "", "expected a name or number after the dot, got %q", t.s)
	return x
}

func (p *parser) subscripts() expr {
	s := &sequence{tuple: true, pos: p.cur().pos}
	for p.err == nil && !p.isOp("]") {
		if len(s.items) > 0 {
			p.expectOp(",")
		}
		s.items = append(s.items, p.subscribed())
	}
	p.expectOp("]")
	if len(s.items) == 1 {
		return s.items[0]
	}
	return s
}

func (p *parser) subscribed() expr {
	s := &sliceExpr{pos: p.cur().pos}
	if !p.isOp(":") {
		x := p.expression()
		if !p.isOp(":") {
			return x
		}
		s.low = x
	}
	p.expectOp(":")
	s.high = p.bound()
	if p.skipOp(":") {
		s.step = p.bound()
	}
	return s
}

func (p *parser) bound() expr {
	if p.isOp(":") || p.isOp("]") || p.isOp(",") {
		return nil
	}
	return p.expression()
}

// filters reads filters, tests and calls after a value.
func (p *parser) filters(x expr) expr {
	for p.err == nil {
		t := p.cur()
		switch {
		case p.skipOp("|"):
			x = p.filter(x)
		case p.isName("is"):
			p.next()
			x = p.test(x)
		case p.skipOp("("):
			x = &call{x, p.arguments(), t.pos}
		default:
			return x
		}
	}
	return x
}

// dotted reads a filter's or test's name.
func (p *parser) dotted() (string, int) {
	pos := p.cur().pos
	name := p.expectName()
	for p.skipOp(".") {
		name += "." + p.expectName()
	}
	return name, pos
}

func (p *parser) filter(x expr) expr {
	name, pos := p.dotted()
	f := &filter{x: x, name: name, fn: p.t.filters[name], pos: pos, args: &arguments{}}
	if f.fn == nil {
		p.failCode(CodeName, pos, nearest(name, p.t.filters), "there is no filter %q", name)
	}
	if p.skipOp("(") {
		f.args = p.arguments()
	}
	return f
}

func (p *parser) test(x expr) expr {
	not := p.cur()
	negated := p.skipName("not")
	name, pos := p.dotted()
	t := &test{x: x, name: name, fn: p.t.tests[name], pos: pos, args: &arguments{}}
	if t.fn == nil {
		p.failCode(CodeName, pos, nearest(name, p.t.tests), "there is no test %q", name)
	}
	if p.skipOp("(") {
		t.args = p.arguments()
	} else if p.testArgument() {
		t.args = &arguments{pos: []expr{p.postfix(p.primary())}}
	}
	if negated {
		return &unary{'!', t, not.pos}
	}
	return t
}

// testArgument tells whether an argument without parentheses follows, as in
// `x is divisibleby 3`.
func (p *parser) testArgument() bool {
	t := p.cur()
	switch t.k {
	case tString, tInt, tFloat:
		return true
	case tOp:
		return t.s == "[" || t.s == "{"
	case tName:
		if t.s == "is" {
			p.failAt(t.pos, "join them with `and`", "tests cannot be chained with `is`")
		}
		return t.s != "else" && t.s != "or" && t.s != "and"
	}
	return false
}

// arguments reads a call's arguments up to and including the parenthesis.
func (p *parser) arguments() *arguments {
	a := &arguments{}
	for first := true; p.err == nil && !p.isOp(")"); first = false {
		if !first {
			if p.expectOp(","); p.isOp(")") {
				break
			}
		}
		p.argument(a)
	}
	p.expectOp(")")
	return a
}

func (p *parser) argument(a *arguments) {
	t := p.cur()
	misplaced := a.dstar != nil
	switch {
	case p.skipOp("*"):
		misplaced = misplaced || a.star != nil
		a.star = p.expression()
	case p.skipOp("**"):
		a.dstar = p.expression()
	case t.k == tName && p.peek().k == tOp && p.peek().s == "=":
		p.next()
		p.next()
		a.kwNames, a.kwVals = append(a.kwNames, t.s), append(a.kwVals, p.expression())
		misplaced = misplaced || strings.Count("\x00"+strings.Join(a.kwNames, "\x00")+"\x00", "\x00"+t.s+"\x00") > 1
	default:
		misplaced = misplaced || len(a.kwNames) > 0 || a.star != nil
		a.pos = append(a.pos, p.expression())
	}
	if misplaced {
		p.failAt(t.pos, "first the plain ones, then name=value, each once", "this argument cannot stand here")
	}
}
