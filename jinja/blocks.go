package jinja

// callerArg is what a call statement gives its macro: its body, as caller().
type callerArg struct{ s *macroStmt }

func (a callerArg) eval(st *state) Value { return st.macro(a.s).value("caller") }

// callStmt reads {% call(params) macro(…) %}body{% endcall %}.
func (p *parser) callStmt(pos int) stmt {
	body := &macroStmt{name: "caller", pos: pos}
	if p.skipOp("(") {
		p.params(body)
	}
	at := p.cur().pos
	c, ok := p.expression().(*call)
	if !ok {
		p.failAt(at, "", "the statement \"call\" needs a macro and its arguments")
		return nil
	}
	p.endTag()
	body.body = p.block("endcall")
	p.close()
	c.args.kwNames, c.args.kwVals = append(c.args.kwNames, "caller"), append(c.args.kwVals, callerArg{body})
	return &outputStmt{c, pos}
}

// nestedBlock is what {% block %} is where nothing inherits: a body with names
// of its own.
type nestedBlock struct{ body []stmt }

func (s *nestedBlock) run(st *state) {
	st.push()
	st.nested(s.body)
	st.pop()
}

func (p *parser) blockStmt(pos int) stmt {
	name := p.expectName()
	if p.blocks[name] {
		p.failAt(pos, "", "there is a block %q already", name)
	}
	if p.blocks == nil {
		p.blocks = map[string]bool{}
	}
	p.blocks[name] = true
	p.skipName("scoped")
	p.endTag()
	s := &nestedBlock{p.block("endblock")}
	p.next()
	if at := p.cur().pos; p.cur().k == tName && p.next().s != name {
		p.failAt(at, "", "the block that ends here is %q", name)
	}
	p.endTag()
	return s
}

// autoescape says whether its body escapes what it writes.
type autoescape struct {
	on   expr
	body []stmt
}

func (s *autoescape) run(st *state) {
	outer := st.escaping
	st.escaping = st.truth(s.on.eval(st))
	st.nested(s.body)
	st.escaping = outer
}

func (p *parser) autoescapeStmt() stmt {
	s := &autoescape{on: p.expression()}
	p.endTag()
	s.body = p.block("endautoescape")
	p.close()
	return s
}

// escaped is the text of a value where output is escaped.
func (st *state) escaped(v Value, text string) string {
	if !st.escaping || v.f&flagSafe != 0 || !st.room(5*len(text)) {
		return text
	}
	return escapeHTML(text)
}
