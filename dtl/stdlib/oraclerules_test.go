package stdlib_test

import (
	"slices"
	"strings"
)

// flow is how a rule goes on.
type flow int

const (
	goOn flow = iota
	filtered
	discarded
)

// transform applies the default rule to an entity and returns what comes out,
// the target last.
func (o *oracle) transform(source *odict) []any {
	target := newDict()
	for _, key := range []string{"_id", "_deleted"} {
		if v, has := source.m[key]; has {
			target.set(key, v)
		}
	}
	o.frame = &oframe{source: source, target: target}
	switch o.steps(o.rules["default"]) {
	case discarded:
		return o.emitted
	case filtered:
		target.set("_filtered", true)
	}
	if _, ok := target.m["_id"].(string); !ok {
		panic(stopped("no _id"))
	}
	return append(o.emitted, target)
}

// steps carries out one transform or a list of them.
func (o *oracle) steps(rule any) flow {
	l := rule.([]any)
	if len(l) > 0 {
		if name, ok := l[0].(string); ok {
			return o.step(name, l[1:])
		}
	}
	for _, s := range l {
		if f := o.steps(s); f != goOn {
			return f
		}
	}
	return goOn
}

func (o *oracle) step(name string, a []any) flow {
	t := o.frame.target
	switch name {
	case "add", "default", "add-if":
		o.assign(name, a)
	case "copy":
		for _, k := range o.frame.source.(*odict).keys {
			if matchesAny(a[0], k) && (len(a) < 2 || !matchesAny(a[1], k)) {
				t.set(k, o.frame.source.(*odict).m[k])
			}
		}
	case "remove":
		for _, k := range slices.Clone(t.keys) {
			if matchesAny(a[0], k) {
				t.remove(k)
			}
		}
	case "rename":
		if v, has := o.frame.source.(*odict).m[a[0].(string)]; has {
			t.set(a[1].(string), v)
		}
	case "merge":
		for _, v := range asList(o.eval(a[0])) {
			if d, ok := v.(*odict); ok {
				for _, k := range d.keys {
					if !strings.HasPrefix(k, "_") {
						t.set(k, d.m[k])
					}
				}
			}
		}
	case "if", "case":
		return o.branch(a)
	case "filter", "discard":
		if len(a) == 1 && truthy(o.eval(a[0])) {
			return goOn
		}
		return map[string]flow{"filter": filtered, "discard": discarded}[name]
	case "create", "create-child":
		o.create(name, o.eval(a[0]))
	case "comment":
	default:
		panic(name)
	}
	return goOn
}

func (o *oracle) assign(name string, a []any) {
	v := o.eval(a[len(a)-1])
	if name == "add-if" && (len(a) == 2 && v == nil || len(a) == 3 && !truthy(o.with(v, a[1]))) {
		return
	}
	for _, key := range asList(o.eval(a[0])) {
		k, ok := key.(string)
		if _, has := o.frame.target.m[k]; ok && (name != "default" || !has) {
			o.frame.target.set(k, v)
		}
	}
}

// branch is if and case: the first true condition, or what stands alone at the
// end.
func (o *oracle) branch(a []any) flow {
	for i := 0; i+1 < len(a); i += 2 {
		if truthy(o.eval(a[i])) {
			return o.steps(a[i+1])
		}
	}
	if len(a)%2 == 1 {
		return o.steps(a[len(a)-1])
	}
	return goOn
}

func (o *oracle) create(name string, v any) {
	for _, e := range asList(v) {
		d, ok := e.(*odict)
		if ok {
			_, ok = d.m["_id"].(string)
		}
		if !ok {
			panic(stopped("what is created has no _id"))
		}
		if name == "create" {
			o.emitted = append(o.emitted, d)
			continue
		}
		have := asList(o.frame.target.m["$children"])
		o.frame.target.set("$children", function("union", []any{have, e}))
	}
}

func matchesAny(patterns any, key string) bool {
	l := asList(patterns)
	if len(l) > 0 && l[0] == "list" {
		l = l[1:]
	}
	return slices.ContainsFunc(l, func(p any) bool { return matches(p.(string), key) })
}

// matches tells whether a pattern with stars fits.
func matches(pattern, key string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == key
	}
	if !strings.HasPrefix(key, before) {
		return false
	}
	for i := len(before); i <= len(key); i++ {
		if matches(after, key[i:]) {
			return true
		}
	}
	return false
}

// applyAll applies a rule to each dict.
func (o *oracle) applyAll(rule string, v any) any {
	l, isList := v.([]any)
	if !isList {
		r, _ := o.apply(rule, v)
		return r
	}
	out := []any{}
	for _, e := range l {
		if r, ok := o.apply(rule, e); ok {
			out = append(out, r)
		}
	}
	return out
}

func (o *oracle) apply(rule string, v any) (any, bool) {
	d, ok := v.(*odict)
	if !ok {
		return nil, false
	}
	if o.depth++; o.depth > 100 {
		panic(stopped("too deep"))
	}
	outer, this := o.frame, o.this
	o.frame, o.this = &oframe{source: d, target: newDict(), parent: outer}, nil
	f := o.steps(o.rules[rule])
	result := o.frame.target
	o.frame, o.this = outer, this
	o.depth--
	if f != goOn {
		return nil, false
	}
	return result, true
}
