package stdlib_test

import (
	"slices"
	"strings"
)

// ohop is one HOPS_SPEC with its conditions sorted by kind.
type ohop struct {
	spec    *odict
	aliases [][2]string // dataset, alias
	joins   []*ojoin
	filters []any
}

// ojoin is an eq between two variables.
type ojoin struct {
	sides, names [2]any
	used         bool
}

func (o *oracle) hops(specs []any) any {
	inputs := []any{o.frame.source}
	for _, s := range specs {
		var out []any
		for _, in := range inputs {
			out = append(out, o.hop(s.(*odict), in)...)
		}
		inputs = out
	}
	return append([]any{}, inputs...)
}

func (o *oracle) hop(spec *odict, source any) []any {
	if spec.m["recurse"] != true {
		return o.rows(spec, source)
	}
	var out []any
	id, _ := property(source, "_id").(string)
	seen := map[string]bool{id: true}
	if spec.m["exclude_root"] != true {
		out = append(out, source)
	}
	most, ok := spec.m["max_depth"].(int)
	if !ok {
		most = 10
	}
	for level, depth := []any{source}, 0; len(level) > 0 && depth < most; depth++ {
		var next []any
		for _, e := range level {
			for _, found := range o.rows(spec, e) {
				if id, _ := property(found, "_id").(string); !seen[id] {
					seen[id] = true
					next = append(next, found)
				}
			}
		}
		out, level = append(out, next...), next
	}
	return out
}

// rows are what one spec returns for one source.
func (o *oracle) rows(spec *odict, source any) []any {
	h := &ohop{spec: spec}
	for _, d := range spec.m["datasets"].([]any) {
		words := strings.Fields(d.(string))
		h.aliases = append(h.aliases, [2]string{words[0], words[1]})
	}
	h.sort(spec.m["where"])
	outer := *o.frame
	o.frame = &oframe{source: source, target: outer.target, parent: outer.parent}
	saved := o.aliases
	o.aliases = map[string]any{}
	for k, v := range saved {
		o.aliases[k] = v
	}
	out := o.bind(h, map[string]bool{})
	o.aliases = saved
	o.frame = &outer
	return out
}

// sort opens ands and sorts conditions.
func (h *ohop) sort(where any) {
	l := where.([]any)
	name, isCall := l[0].(string)
	if !isCall || name == "and" {
		if isCall {
			l = l[1:]
		}
		for _, c := range l {
			h.sort(c)
		}
		return
	}
	if name == "eq" {
		left, okL := h.variable(l[1])
		right, okR := h.variable(l[2])
		if okL && okR && left != right && (h.index(left) >= 0 || h.index(right) >= 0) {
			h.joins = append(h.joins, &ojoin{sides: [2]any{l[1], l[2]}, names: [2]any{left, right}})
			return
		}
	}
	h.filters = append(h.filters, where)
}

// variable is the one variable an expression reads; false if it is none or
// several.
func (h *ohop) variable(expr any) (string, bool) {
	names := map[string]bool{}
	var look func(any)
	look = func(e any) {
		switch e := e.(type) {
		case string:
			if name, _, found := strings.Cut(e, "."); found {
				names[name] = true
			}
		case []any:
			for _, x := range e[1:] {
				look(x)
			}
		}
	}
	look(expr)
	for name := range names {
		return name, len(names) == 1
	}
	return "", false
}

func (h *ohop) index(alias any) int {
	return slices.IndexFunc(h.aliases, func(a [2]string) bool { return a[1] == alias })
}

// bind binds the next alias that a join leads to, and the rest below each
// entity it finds.
func (o *oracle) bind(h *ohop, bound map[string]bool) []any {
	if len(bound) == len(h.aliases) {
		return o.row(h)
	}
	alias, j := h.next(bound)
	var out []any
	bound[alias] = true
	j.used = true
	dataset := h.aliases[h.index(alias)][0]
	for _, e := range sorted(o.datasets[dataset]) {
		o.aliases[alias] = e
		if o.fits(h, j, alias, bound) {
			out = append(out, o.bind(h, bound)...)
		}
	}
	j.used = false
	delete(bound, alias)
	delete(o.aliases, alias)
	return out
}

func sorted(entities []*odict) []*odict {
	live := slices.DeleteFunc(slices.Clone(entities), func(e *odict) bool { return e.m["_deleted"] == true })
	slices.SortFunc(live, func(a, b *odict) int { return strings.Compare(a.m["_id"].(string), b.m["_id"].(string)) })
	return live
}

// next is the first dataset that a join leads to from what is known.
func (h *ohop) next(bound map[string]bool) (string, *ojoin) {
	for _, a := range h.aliases {
		if bound[a[1]] {
			continue
		}
		for _, j := range h.joins {
			for side, name := range j.names {
				other := j.names[1-side]
				if !j.used && name == a[1] && (h.index(other) < 0 || bound[other.(string)]) {
					return a[1], j
				}
			}
		}
	}
	panic("unreachable dataset")
}

// fits tells whether the entity just bound belongs to the row.
func (o *oracle) fits(h *ohop, by *ojoin, alias string, bound map[string]bool) bool {
	if subset, ok := h.spec.m["subsets"].(*odict); ok {
		if s, ok := subset.m[alias].([]any); ok && !o.inSubset(s, o.aliases[alias]) {
			return false
		}
	}
	first := map[[2]any]bool{}
	for _, j := range h.joins {
		if !o.known(h, j, bound) {
			continue
		}
		pair := j.names
		if slices.Index(h.names(), pair[0]) > slices.Index(h.names(), pair[1]) {
			pair[0], pair[1] = pair[1], pair[0]
		}
		x, y := o.eval(j.sides[0]), o.eval(j.sides[1])
		if !first[pair] {
			first[pair] = true
			if !overlap(x, y) {
				return false
			}
		} else if !equalLists(x, y) {
			return false
		}
	}
	for _, f := range h.filters {
		if h.ready(f, bound) && !truthy(o.eval(f)) {
			return false
		}
	}
	return true
}

func (h *ohop) names() []any {
	names := []any{"_S"}
	for _, a := range h.aliases {
		names = append(names, a[1])
	}
	return names
}

func (o *oracle) known(h *ohop, j *ojoin, bound map[string]bool) bool {
	for _, n := range j.names {
		if h.index(n) >= 0 && !bound[n.(string)] {
			return false
		}
	}
	return true
}

// ready tells whether a filter reads nothing that is not bound.
func (h *ohop) ready(filter any, bound map[string]bool) bool {
	switch f := filter.(type) {
	case string:
		name, _, _ := strings.Cut(f, ".")
		return h.index(name) < 0 || bound[name]
	case []any:
		for _, x := range f {
			if !h.ready(x, bound) {
				return false
			}
		}
	}
	return true
}

func overlap(a, b any) bool {
	for _, x := range asList(a) {
		for _, y := range asList(b) {
			if x != nil && equal(x, y) {
				return true
			}
		}
	}
	return false
}

func (o *oracle) inSubset(s []any, e any) bool {
	outer := o.frame
	o.frame = &oframe{source: e, target: newDict()}
	defer func() { o.frame = outer }()
	return overlap(o.eval(s[1]), s[2])
}

// row is what is returned for what is bound now.
func (o *oracle) row(h *ohop) []any {
	r, has := h.spec.m["return"]
	if !has {
		return []any{o.aliases[h.aliases[len(h.aliases)-1][1]]}
	}
	if text, ok := r.(string); ok && !strings.Contains(text, ".") {
		var out []any
		for _, name := range strings.Split(text, ",") {
			out = append(out, o.aliases[strings.TrimSpace(name)])
		}
		return out
	}
	return asList(o.eval(r))
}
