package pel

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// primary parses a value that nothing is done with yet.
func (p *parser) primary() (node, *Error) {
	t := p.tok
	at := place(t.at)
	switch {
	case t.kind == number:
		v, err := numberOf(t)
		if err != nil {
			return nil, err
		}
		return &literalNode{at, v}, p.advance()
	case t.kind == text:
		return &literalNode{at, entity.NewString(t.text)}, p.advance()
	case t.kind == name:
		return p.named(t)
	case p.is("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := p.expr()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case p.is("{"):
		return p.collection()
	case p.is("@"):
		return p.utility()
	case p.is("#"):
		return p.variable()
	}
	return nil, p.unexpected("a value")
}

// named parses what begins with a name: a constant, a root, or what is refused.
func (p *parser) named(t token) (node, *Error) {
	at := place(t.at)
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch strings.ToLower(t.text) {
	case "true", "false":
		return &literalNode{at, entity.NewBool(strings.EqualFold(t.text, "true"))}, nil
	case "null":
		return &literalNode{at, entity.Value{}}, nil
	}
	switch {
	case t.text == "T" && p.is("("):
		return nil, &Error{Offset: t.at, Msg: "references to types, T(…), are not allowed", Help: "expressions reach values and the utilities behind @ only"}
	case t.text == "new" && p.tok.kind == name:
		return nil, &Error{Offset: t.at, Msg: "constructors are not allowed", Help: "expressions reach values and the utilities behind @ only"}
	case p.is("("):
		return nil, &Error{Offset: t.at, Msg: fmt.Sprintf("there is no function %s()", t.text), Help: "utilities are written @convert.toJson(…)"}
	case p.inner > 0:
		return &elementNode{at, t.text}, nil
	case !slices.Contains(p.roots, t.text):
		return nil, unknown(t.at, "value", t.text, p.roots)
	}
	return &rootNode{at, t.text}, nil
}

// variable parses #this and #root.
func (p *parser) variable() (node, *Error) {
	at := p.tok.at
	if err := p.advance(); err != nil {
		return nil, err
	}
	t := p.tok
	if t.kind != name {
		return nil, p.unexpected("this")
	}
	switch {
	case t.text == "this" && p.inner > 0:
		return &thisNode{place(at)}, p.advance()
	case t.text == "this":
		return nil, &Error{Offset: at, Msg: "#this has a meaning within .?[…] and .![…] only"}
	}
	return nil, &Error{Offset: at, Msg: fmt.Sprintf("there is no variable #%s", t.text), Help: "variables of the pipeline are written vars.NAME"}
}

// utility parses @bean.function(args).
func (p *parser) utility() (node, *Error) {
	at := p.tok.at
	if err := p.advance(); err != nil {
		return nil, err
	}
	bean := p.tok
	if bean.kind != name {
		return nil, p.unexpected("the name of a utility")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("."); err != nil {
		return nil, err
	}
	fn := p.tok
	if fn.kind != name {
		return nil, p.unexpected("the name of a function")
	}
	full := bean.text + "." + fn.text
	u, known := utilities()[full]
	if !known {
		e := unknown(at, "utility", full, sortedKeys(utilities()))
		e.Msg = fmt.Sprintf("there is no utility @%s", full)
		return nil, e
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	args, err := p.args()
	if err == nil && (len(args) < u.least || len(args) > u.most) {
		err = &Error{Offset: at, Msg: fmt.Sprintf("@%s takes %s, found %d", full, u.takes(), len(args))}
	}
	return &utilityNode{place(at), full, u.call, args}, err
}

func (u utility) takes() string {
	switch {
	case u.least == u.most && u.most == 1:
		return "1 argument"
	case u.least == u.most:
		return fmt.Sprintf("%d arguments", u.most)
	}
	return fmt.Sprintf("%d to %d arguments", u.least, u.most)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// collection parses {1, 2}, {a: 1} and {:}.
func (p *parser) collection() (node, *Error) {
	at := place(p.tok.at)
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.is("}") {
		return &listNode{place: at}, p.advance()
	}
	if p.is(":") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		return &dictNode{place: at}, p.expect("}")
	}
	key, isKey, err := p.key()
	if err != nil {
		return nil, err
	}
	if isKey {
		return p.dict(at, key)
	}
	list := &listNode{place: at}
	for {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		list.elems = append(list.elems, e)
		if !p.is(",") {
			return list, p.expect("}")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// key reads a name or text with a colon behind it; anything else is left alone.
func (p *parser) key() (string, bool, *Error) {
	if p.tok.kind != name && p.tok.kind != text {
		return "", false, nil
	}
	tok, pos := p.tok, p.pos
	if err := p.advance(); err != nil {
		return "", false, err
	}
	if p.is(":") {
		return tok.text, true, p.advance()
	}
	p.tok, p.pos = tok, pos
	return "", false, nil
}

func (p *parser) dict(at place, key string) (node, *Error) {
	d := &dictNode{place: at}
	for {
		v, err := p.expr()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, key), append(d.values, v)
		if !p.is(",") {
			return d, p.expect("}")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		var isKey bool
		if key, isKey, err = p.key(); err != nil {
			return nil, err
		}
		if !isKey {
			return nil, p.unexpected("a key with a colon behind it")
		}
	}
}
