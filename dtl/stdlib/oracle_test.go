package stdlib_test

import (
	"slices"
	"sort"
	"strconv"
	"strings"
)

// The oracle is DTL told once more, slowly and on Go's own values, straight
// from the JSON of the rules: no compiling, no arenas, no indexes. It knows
// null, booleans, whole numbers, halves, texts, lists and dicts, paths and
// variables, the transforms, applied rules, and hops by nested loops. Random
// rules must come out the same from both.

// odict is a dict that keeps its order.
type odict struct {
	keys []string
	m    map[string]any
}

func newDict() *odict { return &odict{m: map[string]any{}} }

func (d *odict) set(key string, v any) {
	if _, has := d.m[key]; !has {
		d.keys = append(d.keys, key)
	}
	d.m[key] = v
}

func (d *odict) remove(key string) {
	delete(d.m, key)
	d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == key })
}

func (d *odict) clone() *odict {
	c := newDict()
	for _, k := range d.keys {
		c.set(k, d.m[k])
	}
	return c
}

// oframe is one applied rule.
type oframe struct {
	source any
	target *odict
	parent *oframe
}

// stopped is what the oracle panics with where DTL fails the entity.
type stopped string

// oracle works out rules for one entity.
type oracle struct {
	rules    map[string]any
	datasets map[string][]*odict
	frame    *oframe
	this     any
	aliases  map[string]any
	emitted  []any
	depth    int
}

// eval works out an expression.
func (o *oracle) eval(expr any) any {
	switch expr := expr.(type) {
	case string:
		if v, ok := o.path(expr); ok {
			return v
		}
		return expr
	case []any:
		if len(expr) == 0 {
			return expr
		}
		return o.call(expr[0].(string), expr[1:])
	default:
		return expr
	}
}

// with works out f with v as "_.".
func (o *oracle) with(v, f any) any {
	saved := o.this
	o.this = v
	r := o.eval(f)
	o.this = saved
	return r
}

// path reads a path; false if the text is none.
func (o *oracle) path(text string) (any, bool) {
	name, rest, found := strings.Cut(text, ".")
	if !found {
		return nil, false
	}
	if v, ok := o.aliases[name]; ok {
		return walk(v, rest), true
	}
	switch name {
	case "_":
		return walk(o.this, rest), true
	case "_S":
		return walk(o.frame.source, rest), true
	case "_T":
		return walk(o.frame.target.clone(), rest), true
	case "_P":
		if strings.HasPrefix(rest, "_S.") && o.frame.parent != nil {
			return walk(o.frame.parent.source, rest[3:]), true
		}
		return nil, true
	}
	return nil, false
}

func walk(v any, steps string) any {
	if steps == "" {
		return v
	}
	for _, step := range strings.Split(steps, ".") {
		v = property(v, step)
	}
	return v
}

// property reads one step: of a dict its value; of a list those of all dicts
// that have it, with lists opened.
func property(v any, key string) any {
	switch v := v.(type) {
	case *odict:
		return v.m[key]
	case []any:
		out := []any{}
		for _, e := range v {
			d, ok := e.(*odict)
			if !ok {
				continue
			}
			r, has := d.m[key]
			if l, isList := r.([]any); isList {
				out = append(out, l...)
			} else if has {
				out = append(out, r)
			}
		}
		return out
	}
	return nil
}

// call works out a function.
func (o *oracle) call(name string, args []any) any {
	switch name { // those that do not work out every argument, once
	case "if":
		if truthy(o.eval(args[0])) {
			return o.eval(args[1])
		}
		return o.eval(args[2])
	case "case":
		for i := 0; i+1 < len(args); i += 2 {
			if truthy(o.eval(args[i])) {
				return o.eval(args[i+1])
			}
		}
		return o.eval(args[len(args)-1])
	case "and", "or", "not":
		return o.junction(name, args)
	case "any", "all":
		for _, e := range asList(o.eval(args[1])) {
			if truthy(o.with(e, args[0])) == (name == "any") {
				return name == "any"
			}
		}
		return name == "all"
	case "coalesce-args":
		for _, a := range args {
			if v := o.eval(a); v != nil {
				return v
			}
		}
		return nil
	case "map", "filter", "sorted", "distinct":
		return o.over(name, args[0], o.eval(args[1]))
	case "apply":
		return o.applyAll(args[0].(string), o.eval(args[1]))
	case "hops":
		return o.hops(args)
	}
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = o.eval(a)
	}
	return function(name, values)
}

// junction works out arguments until the outcome is clear.
func (o *oracle) junction(name string, args []any) bool {
	for _, a := range args {
		if truthy(o.eval(a)) == (name == "or") {
			return name != "and"
		}
	}
	return name == "and"
}

// over are the functions of lists that take a function.
func (o *oracle) over(name string, f, v any) any {
	l, isList := v.([]any)
	if name == "sorted" && !isList {
		return v
	}
	if !isList {
		l = asList(v)
	}
	var keys []any
	for _, e := range l {
		keys = append(keys, o.with(e, f))
	}
	out := []any{}
	switch name {
	case "map":
		return append(out, keys...)
	case "sorted":
		order := make([]int, len(l))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(i, j int) bool { return compare(keys[order[i]], keys[order[j]]) < 0 })
		for _, i := range order {
			out = append(out, l[i])
		}
		return out
	}
	for i, e := range l {
		if name == "filter" && truthy(keys[i]) || name == "distinct" && !contains(keys[:i], keys[i]) {
			out = append(out, e)
		}
	}
	return out
}

func contains(l []any, v any) bool {
	return slices.ContainsFunc(l, func(e any) bool { return equal(e, v) })
}

// function are those that get values.
func function(name string, a []any) any {
	switch name {
	case "list":
		return append([]any{}, a...)
	case "dict":
		d := newDict()
		for i := 0; i+1 < len(a); i += 2 {
			if key, ok := head(a[i]).(string); ok {
				d.set(key, a[i+1])
			}
		}
		return d
	case "eq", "neq":
		return equalLists(a[0], a[1]) == (name == "eq")
	case "lt", "gte":
		x, y := head(a[0]), head(a[1])
		return x != nil && y != nil && (compare(x, y) < 0) == (name == "lt")
	case "is-null", "is-not-null":
		return (head(a[0]) == nil) == (name == "is-null")
	case "coalesce":
		for _, v := range asList(a[0]) {
			if v != nil {
				return v
			}
		}
		return nil
	case "+", "-", "*":
		return arithmetic(name, head(a[0]), head(a[1]))
	case "upper", "lower":
		return eachText(name, a[0])
	default:
		return ofList(name, a)
	}
}

// ofList are the functions that make one thing of a list.
func ofList(name string, a []any) any {
	switch name {
	case "count":
		return len(asList(a[0]))
	case "first":
		return head(asList(a[0]))
	case "last":
		if l := asList(a[0]); len(l) > 0 {
			return l[len(l)-1]
		}
		return nil
	case "sum":
		var sum any = 0
		for _, v := range asList(a[0]) {
			if _, ok := amount(v); ok {
				sum = arithmetic("+", sum, v)
			}
		}
		return sum
	case "reversed":
		l, ok := a[0].([]any)
		if !ok {
			return a[0]
		}
		l = append([]any{}, l...)
		slices.Reverse(l)
		return l
	default:
		return newList(name, a)
	}
}

func newList(name string, a []any) any {
	out := []any{}
	switch name {
	case "combine":
		for _, v := range a {
			out = append(out, asList(v)...)
		}
	case "flatten":
		for _, v := range asList(a[0]) {
			if l, ok := v.([]any); ok {
				out = append(out, l...)
			} else {
				out = append(out, v)
			}
		}
	case "union":
		for _, v := range append(append([]any{}, asList(a[0])...), asList(a[1])...) {
			if !contains(out, v) {
				out = append(out, v)
			}
		}
	case "difference", "intersection":
		for _, v := range asList(a[0]) {
			if contains(asList(a[1]), v) == (name == "intersection") {
				out = append(out, v)
			}
		}
	case "keys", "values":
		for _, v := range asList(a[0]) {
			if d, ok := v.(*odict); ok {
				for _, k := range d.keys {
					out = append(out, map[string]any{"keys": k, "values": d.m[k]}[name])
				}
			}
		}
	default:
		panic(name)
	}
	return out
}

// arithmetic is on whole numbers and halves.
func arithmetic(op string, x, y any) any {
	i, intX := x.(int)
	j, intY := y.(int)
	if intX && intY {
		return map[string]int{"+": i + j, "-": i - j, "*": i * j}[op]
	}
	f, okX := amount(x)
	g, okY := amount(y)
	if !okX || !okY {
		return nil
	}
	return map[string]float64{"+": f + g, "-": f - g, "*": f * g}[op]
}

func amount(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func eachText(name string, v any) any {
	change := strings.ToLower
	if name == "upper" {
		change = strings.ToUpper
	}
	if s, ok := v.(string); ok {
		return change(s)
	}
	l, ok := v.([]any)
	if !ok {
		return nil
	}
	out := []any{}
	for _, e := range l {
		if s, ok := e.(string); ok {
			out = append(out, change(s))
		}
	}
	return out
}

// truthy: only false, null and the empty list are false.
func truthy(v any) bool {
	l, isList := v.([]any)
	return v != nil && v != false && (!isList || len(l) > 0)
}

func asList(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func head(v any) any {
	if l, ok := v.([]any); ok {
		if len(l) == 0 {
			return nil
		}
		return l[0]
	}
	return v
}

func equal(a, b any) bool { return compare(a, b) == 0 }

// equalLists is eq: one value is a list of one, but null is null alone.
func equalLists(a, b any) bool {
	x, isX := a.([]any)
	y, isY := b.([]any)
	switch {
	case isX && !isY:
		return b != nil && len(x) == 1 && equal(x[0], b)
	case isY && !isX:
		return a != nil && len(y) == 1 && equal(y[0], a)
	}
	return equal(a, b)
}

// rank is the order of kinds.
func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case int, float64:
		return 2
	case string:
		return 3
	case *odict:
		return 4
	}
	return 5
}

// compare is the total order.
func compare(a, b any) int {
	if rank(a) != rank(b) {
		return rank(a) - rank(b)
	}
	switch x := a.(type) {
	case bool:
		return strings.Compare(strconv.FormatBool(x), strconv.FormatBool(b.(bool)))
	case int, float64:
		f, _ := amount(a)
		g, _ := amount(b)
		return sign(f - g)
	case string:
		return strings.Compare(x, b.(string))
	case []any:
		return slices.CompareFunc(x, b.([]any), compare)
	case *odict:
		return compareDicts(x, b.(*odict))
	}
	return 0
}

func compareDicts(a, b *odict) int {
	j, k := slices.Sorted(slices.Values(a.keys)), slices.Sorted(slices.Values(b.keys))
	if c := slices.Compare(j, k); c != 0 {
		return c
	}
	for _, key := range j {
		if c := compare(a.m[key], b.m[key]); c != 0 {
			return c
		}
	}
	return 0
}

func sign(f float64) int {
	switch {
	case f < 0:
		return -1
	case f > 0:
		return 1
	}
	return 0
}
