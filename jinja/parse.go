package jinja

import (
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/textdist"
)

// parser turns tokens into a tree. Its first error sticks: from then on it
// sees only the end of the template.
type parser struct {
	t     *Template
	funcs map[string]*Func
	toks  []token
	i     int
	depth int
	err   error
	// blocks are the names of the blocks so far.
	blocks map[string]bool
}

func (p *parser) template() []stmt {
	p.toks = lex(p.t.src, p.t.opt.Delimiters, func(pos int, help, format string, args ...any) {
		p.err = p.t.newError(CodeSyntax, pos, help, format, args...)
	})
	if p.err != nil {
		return nil
	}
	body := p.block()
	if p.err == nil && p.cur().k != tEOF {
		t := p.cur()
		p.failAt(t.pos, "it closes nothing that is open", "unexpected %q", t.s)
	}
	return body
}

func (p *parser) cur() token {
	if p.err != nil {
		return token{tEOF, "", len(p.t.src)}
	}
	return p.toks[p.i]
}

func (p *parser) peek() token {
	if p.err != nil || p.i+1 >= len(p.toks) {
		return token{tEOF, "", len(p.t.src)}
	}
	return p.toks[p.i+1]
}

func (p *parser) next() token {
	t := p.cur()
	if p.i+1 < len(p.toks) {
		p.i++
	}
	return t
}

func (p *parser) isOp(s string) bool   { t := p.cur(); return t.k == tOp && t.s == s }
func (p *parser) isName(s string) bool { t := p.cur(); return t.k == tName && t.s == s }

func (p *parser) skipOp(s string) bool {
	if p.isOp(s) {
		p.next()
		return true
	}
	return false
}

func (p *parser) skipName(s string) bool {
	if p.isName(s) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expectOp(s string) {
	if !p.skipOp(s) {
		p.expected(strconv.Quote(s))
	}
}

func (p *parser) expectName() string {
	if p.cur().k != tName {
		p.expected("a name")
	}
	return p.next().s
}

func (p *parser) expected(what string) { p.expectedHelp(what, "") }

func (p *parser) expectedHelp(what, help string) {
	t := p.cur()
	got := strconv.Quote(t.s)
	if t.k == tEOF {
		got = "the end of the template"
	}
	p.failAt(t.pos, help, "expected %s, got %s", what, got)
}

func (p *parser) failAt(pos int, help, format string, args ...any) {
	p.failCode(CodeSyntax, pos, help, format, args...)
}

func (p *parser) failCode(code string, pos int, help, format string, args ...any) {
	if p.err == nil {
		p.err = p.t.newError(code, pos, help, format, args...)
	}
}

// deeper guards every recursion of the parser; call p.depth-- after it.
func (p *parser) deeper() bool {
	p.depth++
	if p.depth > p.t.opt.Limits.Depth {
		p.failCode(CodeLimit, p.cur().pos, "", "nested deeper than %d levels", p.t.opt.Limits.Depth)
		return false
	}
	return p.err == nil
}

// expression reads a conditional expression, the weakest of all.
func (p *parser) expression() expr {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return constant{}
	}
	x := p.or()
	for p.isName("if") {
		pos := p.next().pos
		c := &conditional{then: x, cond: p.or(), pos: pos}
		if p.skipName("else") {
			c.other = p.expression()
		}
		x = c
	}
	return x
}

func (p *parser) or() expr {
	x := p.and()
	for p.skipName("or") {
		x = &logic{false, x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for p.skipName("and") {
		x = &logic{true, x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if !p.isName("not") {
		return p.compare()
	}
	defer func() { p.depth-- }()
	if !p.deeper() {
		return constant{}
	}
	pos := p.next().pos
	return &unary{'!', p.not(), pos}
}

func (p *parser) compare() expr {
	x := p.sum()
	var ops []compareOp
	for p.err == nil {
		t := p.cur()
		op := ""
		switch {
		case t.k == tOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.s):
			op = t.s
		case p.isName("in"):
			op = "in"
		case p.isName("not") && p.peek().k == tName && p.peek().s == "in":
			op = "not in"
			p.next()
		}
		if op == "" {
			break
		}
		p.next()
		ops = append(ops, compareOp{op, p.sum(), t.pos})
	}
	if ops == nil {
		return x
	}
	return &comparison{x, ops, ops[0].pos}
}

func (p *parser) sum() expr {
	x := p.tilde()
	for p.isOp("+") || p.isOp("-") {
		t := p.next()
		x = &operation{t.s, x, p.tilde(), t.pos}
	}
	return x
}

func (p *parser) tilde() expr {
	x := p.product()
	if !p.isOp("~") {
		return x
	}
	c := &concat{parts: []expr{x}, pos: p.cur().pos}
	for p.skipOp("~") {
		c.parts = append(c.parts, p.product())
	}
	return c
}

func (p *parser) product() expr {
	x := p.power()
	for p.isOp("*") || p.isOp("/") || p.isOp("//") || p.isOp("%") {
		t := p.next()
		x = &operation{t.s, x, p.power(), t.pos}
	}
	return x
}

// power binds to the left, as in Jinja and unlike Python.
func (p *parser) power() expr {
	x := p.unary(true)
	for p.isOp("**") {
		t := p.next()
		x = &operation{t.s, x, p.unary(true), t.pos}
	}
	return x
}

func (p *parser) unary(withFilter bool) expr {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return constant{}
	}
	var x expr
	if p.isOp("-") || p.isOp("+") {
		t := p.next()
		x = &unary{t.s[0], p.unary(false), t.pos}
	} else {
		x = p.primary()
	}
	x = p.postfix(x)
	if withFilter {
		x = p.filters(x)
	}
	return x
}

func (p *parser) primary() expr {
	t := p.cur()
	switch t.k {
	case tName:
		return p.nameExpr()
	case tString:
		return p.stringExpr()
	case tInt:
		return constant{p.integer(p.next())}
	case tFloat:
		f, err := strconv.ParseFloat(p.next().s, 64)
		if err != nil && f == 0 {
			p.failAt(t.pos, "", "%s is no number", t.s)
		}
		return constant{Float(f)}
	}
	switch {
	case p.skipOp("("):
		x := p.tuple(tupleRules{parens: true})
		p.expectOp(")")
		return x
	case p.skipOp("["):
		s := &sequence{pos: t.pos}
		s.items = p.items("]")
		return s
	case p.skipOp("{"):
		return p.dict(t.pos)
	}
	p.expected("an expression")
	return constant{}
}

func (p *parser) nameExpr() expr {
	t := p.next()
	switch t.s {
	case "true", "True":
		return constant{Bool(true)}
	case "false", "False":
		return constant{Bool(false)}
	case "none", "None":
		return constant{}
	}
	p.t.names[t.s] = true
	n := &name{id: t.s, pos: t.pos}
	if f, ok := p.funcs[t.s]; ok {
		n.global, n.known = f.value(t.s), true
	}
	return n
}

func (p *parser) stringExpr() expr {
	var b strings.Builder
	for p.cur().k == tString {
		b.WriteString(p.next().s)
	}
	p.t.words = append(p.t.words, b.String())
	return constant{Str(b.String())}
}

func (p *parser) integer(t token) Value {
	digits := strings.ReplaceAll(t.s, "_", "")
	if len(digits)*3 > p.t.opt.Limits.Bits {
		p.failCode(CodeLimit, t.pos, "", "this integer is larger than %d bits", p.t.opt.Limits.Bits)
		return Value{}
	}
	i, ok := new(big.Int).SetString(digits, 0)
	if !ok {
		p.failAt(t.pos, "", "%s is no integer", t.s)
		return Value{}
	}
	return Big(i)
}

// items reads expressions, split by commas, up to and including close.
func (p *parser) items(close string) []expr {
	var items []expr
	for p.err == nil && !p.isOp(close) {
		if len(items) > 0 {
			if p.expectOp(","); p.isOp(close) {
				break
			}
		}
		items = append(items, p.expression())
	}
	p.expectOp(close)
	return items
}

func (p *parser) dict(pos int) expr {
	d := &dictLit{pos: pos}
	for p.err == nil && !p.isOp("}") {
		if len(d.keys) > 0 {
			if p.expectOp(","); p.isOp("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expression())
		p.expectOp(":")
		d.vals = append(d.vals, p.expression())
	}
	p.expectOp("}")
	return d
}

// nearest suggests a name.
func nearest(word string, of map[string]*Func) string {
	if n := textdist.Nearest(word, slices.Sorted(maps.Keys(of))); n != "" {
		return "did you mean `" + n + "`?"
	}
	return ""
}
