package pel

import (
	"regexp"

	"github.com/sluiceio/sluice/entity"
)

type literalNode struct {
	place
	value entity.Value
}

func (n *literalNode) eval(*run) (entity.Value, error) { return n.value, nil }
func (n *literalNode) parts() []node                   { return nil }

// rootNode is body, vars, headers …
type rootNode struct {
	place
	name string
}

func (n *rootNode) eval(r *run) (entity.Value, error) { return r.scope.Roots[n.name], nil }
func (n *rootNode) parts() []node                     { return nil }

// elementNode is a name within a selection or projection: a property of the
// element, else a root.
type elementNode struct {
	place
	name string
}

func (n *elementNode) eval(r *run) (entity.Value, error) {
	if v, ok := r.this[len(r.this)-1].Get(n.name); ok {
		return v, nil
	}
	if v, ok := r.scope.Roots[n.name]; ok {
		return v, nil
	}
	if this := r.this[len(r.this)-1]; this.Kind() != entity.Dict {
		return entity.Value{}, fault(n, "%q cannot be read of %s", n.name, told(this))
	}
	return entity.Value{}, nil
}
func (n *elementNode) parts() []node { return nil }

type thisNode struct{ place }

func (n *thisNode) eval(r *run) (entity.Value, error) { return r.this[len(r.this)-1], nil }
func (n *thisNode) parts() []node                     { return nil }

// told names a value's kind for people.
func told(v entity.Value) string {
	switch v.Kind() {
	case entity.Null:
		return "null"
	case entity.String:
		return "a text"
	case entity.Dict:
		return "a dict"
	case entity.List:
		return "a list"
	case entity.Bool:
		return "a boolean"
	case entity.Int, entity.Float, entity.Decimal:
		return "a number"
	case entity.Bytes:
		return "bytes"
	default:
		return "a " + v.Kind().String()
	}
}

type propNode struct {
	place
	of   node
	name string
	safe bool
}

func (n *propNode) parts() []node { return []node{n.of} }

func (n *propNode) eval(r *run) (entity.Value, error) {
	of, err := r.eval(n.of)
	switch {
	case err != nil:
		return of, err
	case of.IsNull() && n.safe:
		return of, nil
	case of.Kind() != entity.Dict:
		return entity.Value{}, fault(n, "%q cannot be read of %s", n.name, told(of))
	}
	return property(of, n.name), nil
}

// property is the member of a dict, null if it has none. Of an event, origin and
// target are those of its payload.
func property(of entity.Value, name string) entity.Value {
	v, ok := of.Get(name)
	if !ok && (name == "origin" || name == "target") {
		if key, _ := of.Get("eventKey"); key.Kind() == entity.String {
			payload, _ := of.Get("payload")
			v, _ = payload.Get(name)
		}
	}
	return v
}

type indexNode struct {
	place
	of, index node
}

func (n *indexNode) parts() []node { return []node{n.of, n.index} }

func (n *indexNode) eval(r *run) (entity.Value, error) {
	of, err := r.eval(n.of)
	if err != nil {
		return of, err
	}
	i, err := r.eval(n.index)
	if err != nil {
		return i, err
	}
	switch of.Kind() {
	case entity.Dict:
		return property(of, string(entity.AppendBare(nil, i))), nil
	case entity.List:
		at, ok := i.Int64()
		if !ok {
			return entity.Value{}, fault(n, "the index of a list is a whole number, found %s", told(i))
		}
		if at < 0 || at >= int64(of.Len()) {
			return entity.Value{}, fault(n, "the list has %d elements, and none at %d", of.Len(), at)
		}
		return of.Elems()[at], nil
	}
	return entity.Value{}, fault(n, "%s has no elements", told(of))
}

type listNode struct {
	place
	elems []node
}

func (n *listNode) parts() []node { return n.elems }

func (n *listNode) eval(r *run) (entity.Value, error) {
	all := make([]entity.Value, len(n.elems))
	for i, e := range n.elems {
		var err error
		if all[i], err = r.eval(e); err != nil {
			return entity.Value{}, err
		}
	}
	return entity.NewList(all...), nil
}

type dictNode struct {
	place
	keys   []string
	values []node
}

func (n *dictNode) parts() []node { return n.values }

func (n *dictNode) eval(r *run) (entity.Value, error) {
	all := make([]entity.Member, len(n.keys))
	for i, e := range n.values {
		v, err := r.eval(e)
		if err != nil {
			return entity.Value{}, err
		}
		all[i] = entity.Member{Key: n.keys[i], Value: v}
	}
	return entity.NewDict(all...), nil
}

// selectNode is .?[test], .^[test], .$[test] and .![value]. The mode is the sign.
type selectNode struct {
	place
	of, each node
	safe     bool
	mode     byte
}

func (n *selectNode) parts() []node { return []node{n.of, n.each} }

func (n *selectNode) eval(r *run) (entity.Value, error) {
	of, err := r.eval(n.of)
	if err != nil || of.IsNull() && n.safe {
		return of, err
	}
	elems, ok := elements(of)
	if !ok {
		return entity.Value{}, fault(n, "nothing can be chosen from %s", told(of))
	}
	var out []entity.Value
	for _, e := range elems {
		r.this = append(r.this, e)
		v, err := r.eval(n.each)
		r.this = r.this[:len(r.this)-1]
		if err != nil {
			return entity.Value{}, err
		}
		if n.mode == '!' {
			out = append(out, v)
			continue
		}
		if v.Kind() != entity.Bool {
			return entity.Value{}, fault(n, "what chooses elements must be true or false, found %s", told(v))
		}
		if v.Bool() {
			out = append(out, e)
		}
	}
	return n.result(of, out), nil
}

// elements are those of a list, or key and value of each member of a dict.
func elements(of entity.Value) ([]entity.Value, bool) {
	switch of.Kind() {
	case entity.List:
		return of.Elems(), true
	case entity.Dict:
		all := make([]entity.Value, 0, of.Len())
		for _, m := range of.Object().Members() {
			all = append(all, entity.NewDict(entity.Member{Key: "key", Value: entity.NewString(m.Key)}, entity.Member{Key: "value", Value: m.Value}))
		}
		return all, true
	}
	return nil, false
}

func (n *selectNode) result(of entity.Value, out []entity.Value) entity.Value {
	switch {
	case n.mode == '^' && len(out) == 0, n.mode == '$' && len(out) == 0:
		return entity.Value{}
	case n.mode == '^':
		return out[0]
	case n.mode == '$':
		return out[len(out)-1]
	case n.mode == '?' && of.Kind() == entity.Dict:
		members := make([]entity.Member, len(out))
		for i, e := range out {
			key, _ := e.Get("key")
			members[i].Key = key.Text()
			members[i].Value, _ = e.Get("value")
		}
		return entity.NewDict(members...)
	}
	return entity.NewList(out...)
}

type choiceNode struct {
	place
	test, yes, no node
}

func (n *choiceNode) parts() []node { return []node{n.test, n.yes, n.no} }

func (n *choiceNode) eval(r *run) (entity.Value, error) {
	ok, err := r.truth(n.test)
	switch {
	case err != nil:
		return entity.Value{}, err
	case ok:
		return r.eval(n.yes)
	}
	return r.eval(n.no)
}

// elvisNode is a ?: b, which is b if a is null or an empty text.
type elvisNode struct {
	place
	of, other node
}

func (n *elvisNode) parts() []node { return []node{n.of, n.other} }

func (n *elvisNode) eval(r *run) (entity.Value, error) {
	v, err := r.eval(n.of)
	if err != nil || !v.IsNull() && !(v.Kind() == entity.String && v.Text() == "") {
		return v, err
	}
	return r.eval(n.other)
}

// truth evaluates what must be true or false.
func (r *run) truth(n node) (bool, error) {
	v, err := r.eval(n)
	if err == nil && v.Kind() != entity.Bool {
		err = fault(n, "true or false is expected, found %s", told(v))
	}
	return v.Bool(), err
}

type unaryNode struct {
	place
	op string
	of node
}

func (n *unaryNode) parts() []node { return []node{n.of} }

func (n *unaryNode) eval(r *run) (entity.Value, error) {
	if n.op == "!" {
		ok, err := r.truth(n.of)
		return entity.NewBool(!ok), err
	}
	v, err := r.eval(n.of)
	if err != nil {
		return v, err
	}
	if !v.IsNumber() {
		return v, fault(n, "a number is expected behind %s, found %s", n.op, told(v))
	}
	if n.op == "-" {
		return arithmetic(n, "-", entity.NewInt(0), v)
	}
	return v, nil
}

type matchNode struct {
	place
	of, pattern node
	fixed       *regexp.Regexp
}

func (n *matchNode) parts() []node { return []node{n.of, n.pattern} }

func (n *matchNode) eval(r *run) (entity.Value, error) {
	v, err := r.eval(n.of)
	if err != nil {
		return v, err
	}
	re := n.fixed
	if re == nil {
		p, err := r.eval(n.pattern)
		if err != nil {
			return p, err
		}
		if re, err = compilePattern(p); err != nil {
			return p, fault(n.pattern, "%s", err)
		}
	}
	if v.Kind() != entity.String {
		return v, fault(n, "only a text can match a pattern, found %s", told(v))
	}
	return entity.NewBool(re.MatchString(v.Text())), nil
}
