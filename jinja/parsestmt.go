package jinja

import (
	"slices"
	"strings"
)

// block reads text, values and statements up to one of the tags in end, which
// is left standing after its opening delimiter has been read.
func (p *parser) block(end ...string) []stmt {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return nil
	}
	var body []stmt
	for p.err == nil {
		t := p.next()
		switch t.k {
		case tText:
			body = append(body, &textStmt{t.s})
		case tVarStart:
			body = append(body, p.output(t.pos))
		case tBlockStart:
			if p.cur().k == tName && slices.Contains(end, p.cur().s) {
				return body
			}
			body = append(body, p.statement(end))
		default:
			if end != nil {
				p.failAt(t.pos, "", "the template ends where %s is expected", strings.Join(end, " or "))
			}
			return body
		}
	}
	return body
}

func (p *parser) output(pos int) stmt {
	s := &outputStmt{p.tuple(tupleRules{}), pos}
	if p.cur().k != tVarEnd {
		p.expectedHelp("the end of the value", p.afterValue())
	}
	p.next()
	return s
}

// afterValue says what was probably meant by what follows a whole value.
func (p *parser) afterValue() string {
	if p.isOp("=") {
		return "compare with =="
	}
	return ""
}

// close reads the end tag itself.
func (p *parser) close() {
	p.next()
	p.endTag()
}

func (p *parser) endTag() {
	if p.cur().k != tBlockEnd {
		p.expectedHelp("the end of the statement", p.afterValue())
		return
	}
	p.next()
}

func (p *parser) statement(end []string) stmt {
	t := p.cur()
	if t.k != tName {
		p.expected("the name of a statement")
		return nil
	}
	p.next()
	switch t.s {
	case "if":
		return p.ifStmt()
	case "for":
		return p.forStmt(t.pos)
	case "set":
		return p.setStmt()
	case "with":
		return p.withStmt()
	case "macro":
		return p.macroStmt(t.pos)
	case "filter":
		return p.filterStmt()
	case "call":
		return p.callStmt(t.pos)
	case "block":
		return p.blockStmt(t.pos)
	case "autoescape":
		return p.autoescapeStmt()
	case "print":
		s := &outputStmt{p.tuple(tupleRules{}), t.pos}
		p.endTag()
		return s
	}
	p.noStatement(t, end)
	return nil
}

func (p *parser) noStatement(t token, end []string) {
	switch t.s {
	case "include", "import", "from", "extends":
		p.failAt(t.pos, "templates here stand alone and cannot load others", "the statement %q is not available", t.s)
	case "do", "break", "continue":
		p.failAt(t.pos, "", "the statement %q belongs to a Jinja extension that is not available", t.s)
	default:
		help := ""
		if end != nil {
			help = "expected " + strings.Join(end, " or ")
		}
		p.failAt(t.pos, help, "unknown statement %q", t.s)
	}
}

func (p *parser) ifStmt() stmt {
	s := &ifStmt{cond: p.tuple(tupleRules{noIf: true})}
	p.endTag()
	s.then = p.block("elif", "else", "endif")
	switch {
	case p.skipName("elif"):
		s.other = []stmt{p.ifStmt()}
	case p.skipName("else"):
		p.endTag()
		s.other = p.block("endif")
		p.close()
	default:
		p.close()
	}
	return s
}

func (p *parser) forStmt(pos int) stmt {
	s := &forStmt{target: p.target(true, "in"), pos: pos}
	if !p.skipName("in") {
		p.expected("`in`")
	}
	s.over = p.tuple(tupleRules{noIf: true, end: "recursive"})
	if p.skipName("if") {
		s.cond = p.expression()
	}
	s.recursive = p.skipName("recursive")
	p.endTag()
	s.body = p.block("endfor", "else")
	if p.skipName("else") {
		p.endTag()
		s.other = p.block("endfor")
	}
	p.close()
	return s
}

// target reads what is assigned to.
func (p *parser) target(tuple bool, end string) target {
	first := p.oneTarget()
	if !tuple || !p.isOp(",") {
		return first
	}
	t := target{parts: []target{first}, tuple: true, pos: first.pos}
	for p.skipOp(",") {
		if p.isOp(")") || p.isOp("=") || end != "" && p.isName(end) {
			break
		}
		t.parts = append(t.parts, p.oneTarget())
	}
	return t
}

func (p *parser) oneTarget() target {
	pos := p.cur().pos
	defer func() { p.depth-- }()
	if !p.deeper() {
		return target{}
	}
	if p.skipOp("(") {
		t := p.target(true, "")
		p.expectOp(")")
		return t
	}
	t := target{name: p.expectName(), pos: pos}
	if slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, t.name) {
		p.failAt(pos, "", "cannot assign to %q", t.name)
	}
	if p.skipOp(".") {
		t.attr = p.expectName()
	}
	return t
}

func (p *parser) setStmt() stmt {
	t := p.target(true, "")
	if p.skipOp("=") {
		s := &setStmt{t, p.tuple(tupleRules{})}
		p.endTag()
		return s
	}
	s := &setBlock{target: t}
	if p.skipOp("|") {
		s.filter = p.filters(p.filter(piped{}))
	}
	p.endTag()
	s.body = p.block("endset")
	p.close()
	return s
}

func (p *parser) withStmt() stmt {
	s := &withStmt{}
	for p.err == nil && p.cur().k != tBlockEnd {
		if len(s.names) > 0 {
			p.expectOp(",")
		}
		s.names = append(s.names, p.target(false, ""))
		p.expectOp("=")
		s.vals = append(s.vals, p.expression())
	}
	p.endTag()
	s.body = p.block("endwith")
	p.close()
	return s
}

func (p *parser) macroStmt(pos int) stmt {
	s := &macroStmt{name: p.expectName(), pos: pos}
	p.expectOp("(")
	p.params(s)
	p.endTag()
	from := p.i
	s.body = p.block("endmacro")
	for _, t := range p.toks[from:min(p.i, len(p.toks))] {
		s.varargs = s.varargs || t.k == tName && t.s == "varargs"
		s.kwargs = s.kwargs || t.k == tName && t.s == "kwargs"
		s.caller = s.caller || t.k == tName && t.s == "caller"
	}
	p.close()
	return s
}

// params reads the parameters of a macro, behind the parenthesis.
func (p *parser) params(s *macroStmt) {
	for p.err == nil && !p.isOp(")") {
		if len(s.params) > 0 {
			p.expectOp(",")
		}
		s.params = append(s.params, p.expectName())
		if p.skipOp("=") {
			s.defaults = append(s.defaults, p.expression())
		} else if len(s.defaults) > 0 {
			p.failAt(p.cur().pos, "", "a parameter without a default follows one with a default")
		}
	}
	p.expectOp(")")
}

func (p *parser) filterStmt() stmt {
	s := &filterBlock{filter: p.filters(p.filter(piped{}))}
	p.endTag()
	s.body = p.block("endfilter")
	p.close()
	return s
}
