package pel

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/textdist"
)

type parser struct {
	lexer
	roots []string
	tok   token
	depth int
	inner int // selections and projections around
}

// whole parses all of the text.
func (p *parser) whole() (*Expr, *Error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == end {
		return nil, &Error{Msg: "the expression is empty"}
	}
	n, err := p.expr()
	if err == nil && p.tok.kind != end {
		err = p.unexpected("an operator or the end")
	}
	if err != nil {
		return nil, err
	}
	return &Expr{n, p.text}, nil
}

func (p *parser) advance() (err *Error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) is(s string) bool { return p.tok.kind == symbol && p.tok.text == s }

func (p *parser) word(w string) bool { return p.tok.kind == name && strings.EqualFold(p.tok.text, w) }

func (p *parser) unexpected(want string) *Error {
	return &Error{Offset: p.tok.at, Msg: fmt.Sprintf("%s is expected, found %s", want, p.tok)}
}

func (p *parser) expect(s string) *Error {
	if !p.is(s) {
		return p.unexpected(strconv.Quote(s))
	}
	return p.advance()
}

// expr parses a choice: a ? b : c, a ?: b, or what binds more tightly.
func (p *parser) expr() (node, *Error) {
	if p.depth++; p.depth > deepest {
		return nil, &Error{Offset: p.tok.at, Msg: fmt.Sprintf("nested deeper than %d levels", deepest)}
	}
	defer func() { p.depth-- }()
	n, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	at := place(p.tok.at)
	switch {
	case p.is("?:"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		other, err := p.expr()
		return &elvisNode{at, n, other}, err
	case p.is("?"):
		return p.choice(n)
	}
	return n, nil
}

func (p *parser) choice(test node) (node, *Error) {
	at := place(p.tok.at)
	if err := p.advance(); err != nil {
		return nil, err
	}
	yes, err := p.expr()
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	no, err := p.expr()
	return &choiceNode{at, test, yes, no}, err
}

// operators by how tightly they bind, loosest first; with the words for them.
func operators() [][]string {
	return [][]string{
		{"||", "or"}, {"&&", "and"},
		{"==", "!=", "<", "<=", ">", ">=", "eq", "ne", "lt", "le", "gt", "ge", "matches"},
		{"+", "-"}, {"*", "/", "%", "div", "mod"}, {"^"},
	}
}

// operator returns the operator at hand as its symbol, "" if it is none of the
// level.
func (p *parser) operator(level int) string {
	if p.tok.kind != symbol && p.tok.kind != name {
		return ""
	}
	word := strings.ToLower(p.tok.text)
	if !slices.Contains(operators()[level], word) {
		return ""
	}
	if i := slices.Index([]string{"or", "and", "eq", "ne", "lt", "le", "gt", "ge", "div", "mod"}, word); i >= 0 {
		return []string{"||", "&&", "==", "!=", "<", "<=", ">", ">=", "/", "%"}[i]
	}
	return word
}

func (p *parser) binary(level int) (node, *Error) {
	if level == len(operators()) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for {
		if p.word("instanceof") || p.word("between") {
			return nil, &Error{Offset: p.tok.at, Msg: fmt.Sprintf("the operator %s is not supported", strings.ToLower(p.tok.text))}
		}
		op, at := p.operator(level), place(p.tok.at)
		if op == "" {
			return left, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		if left, err = newBinary(at, op, left, right); err != nil {
			return nil, err
		}
	}
}

func newBinary(at place, op string, left, right node) (node, *Error) {
	if op != "matches" {
		return &binaryNode{at, op, left, right}, nil
	}
	m := &matchNode{place: at, of: left, pattern: right}
	if lit, ok := right.(*literalNode); ok {
		var err error
		if m.fixed, err = compilePattern(lit.value); err != nil {
			return nil, &Error{Offset: right.at(), Msg: err.Error()}
		}
	}
	return m, nil
}

func compilePattern(v entity.Value) (*regexp.Regexp, error) {
	const longestPattern = 1000
	if v.Kind() != entity.String || len(v.Text()) > longestPattern {
		return nil, fmt.Errorf("a pattern is a text of at most %d bytes", longestPattern)
	}
	re, err := regexp.Compile(`^(?:` + v.Text() + `)$`)
	if err != nil {
		return nil, fmt.Errorf("this is no pattern: %w", err)
	}
	return re, nil
}

func (p *parser) unary() (node, *Error) {
	at := place(p.tok.at)
	op := ""
	switch {
	case p.is("!") || p.word("not"):
		op = "!"
	case p.is("-") || p.is("+"):
		op = p.tok.text
	default:
		return p.postfix()
	}
	if p.depth++; p.depth > deepest {
		return nil, &Error{Offset: p.tok.at, Msg: fmt.Sprintf("nested deeper than %d levels", deepest)}
	}
	defer func() { p.depth-- }()
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.unary()
	return &unaryNode{at, op, n}, err
}

// postfix parses a value with the properties, indexes, selections and methods
// behind it.
func (p *parser) postfix() (node, *Error) {
	n, err := p.primary()
	for err == nil && p.tok.kind == symbol {
		switch s := p.tok.text; s {
		case ".", "?.":
			n, err = p.property(n, s == "?.")
		case "[":
			n, err = p.index(n)
		case ".?[", "?.?[", ".![", "?.![", ".^[", ".$[":
			n, err = p.selection(n, s)
		default:
			return n, nil
		}
	}
	return n, err
}

func (p *parser) property(of node, safe bool) (node, *Error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	t := p.tok
	if t.kind != name {
		return nil, p.unexpected("the name of a property")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.is("(") {
		return &propNode{place(t.at), of, t.text, safe}, nil
	}
	m, known := methods()[t.text]
	if !known {
		return nil, unknown(t.at, "method", t.text, sortedKeys(methods()))
	}
	args, err := p.args()
	if err == nil && len(args) != m.args {
		err = &Error{Offset: t.at, Msg: fmt.Sprintf("%s takes %d arguments, found %d", t.text, m.args, len(args))}
	}
	return &methodNode{place(t.at), of, m.call, args, safe}, err
}

func (p *parser) index(of node) (node, *Error) {
	at := place(p.tok.at)
	if err := p.advance(); err != nil {
		return nil, err
	}
	i, err := p.expr()
	if err != nil {
		return nil, err
	}
	return &indexNode{at, of, i}, p.expect("]")
}

func (p *parser) selection(of node, s string) (node, *Error) {
	n := &selectNode{place: place(p.tok.at), of: of, safe: strings.HasPrefix(s, "?"), mode: s[len(s)-2]}
	if err := p.advance(); err != nil {
		return nil, err
	}
	p.inner++
	defer func() { p.inner-- }()
	var err *Error
	if n.each, err = p.expr(); err != nil {
		return nil, err
	}
	return n, p.expect("]")
}

func (p *parser) args() (args []node, err *Error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	for !p.is(")") {
		if len(args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.expr()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, p.advance()
}

func unknown(at int, what, word string, known []string) *Error {
	e := &Error{Offset: at, Unknown: true, Msg: fmt.Sprintf("there is no %s %q", what, word), Help: "there are " + strings.Join(known, ", ")}
	if near := textdist.Nearest(word, known); near != "" {
		e.Help = fmt.Sprintf("did you mean %q?", near)
	}
	return e
}

func numberOf(t token) (entity.Value, *Error) {
	if !strings.ContainsAny(t.text, ".eE") {
		if i, ok := new(big.Int).SetString(t.text, 10); ok && i.BitLen() <= mostBits {
			return entity.NewBig(i), nil
		}
	}
	f, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		return entity.Value{}, &Error{Offset: t.at, Msg: "the number is too large"}
	}
	return entity.NewFloat(f), nil
}
