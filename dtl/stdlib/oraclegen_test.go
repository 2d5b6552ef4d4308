package stdlib_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// gen makes random rules of the oracle's part of DTL, and data for them.
type gen struct {
	*rand.Rand
	aliases []string
	inRule  bool // within a rule that is applied, where "_P." has a meaning
	hops    bool
}

func pick[T any](g *gen, from ...T) T { return from[g.IntN(len(from))] }

var keys = []string{"a", "b", "k", "ks", "ref", "sub", "items", "none"}

// expr is a random expression.
func (g *gen) expr(depth int) any {
	if depth <= 0 || g.IntN(6) == 0 {
		return g.atom()
	}
	sub := func() any { return g.expr(depth - 1) }
	switch g.IntN(9) {
	case 0:
		return []any{"if", sub(), sub(), sub()}
	case 1:
		return []any{"case", sub(), sub(), sub(), sub(), sub()}
	case 2:
		return []any{pick(g, "map", "filter", "sorted", "distinct", "any", "all"), sub(), sub()}
	case 3:
		return []any{pick(g, "eq", "neq", "lt", "gte", "and", "or"), sub(), sub()}
	case 4:
		return []any{pick(g, "+", "-", "*", "combine", "union", "difference", "intersection", "list", "coalesce-args"), sub(), sub()}
	case 5:
		return []any{"dict", pick(g, "a", "b", "_id", "k"), sub(), pick[any](g, "x", "y"), sub()}
	case 6:
		if !g.inRule {
			return []any{"apply", "other", sub()}
		}
		return []any{"apply", "last", sub()}
	case 7:
		if g.hops && !g.inRule && depth > 1 {
			return g.hopsCall()
		}
		return []any{"list", sub(), sub(), sub()}
	}
	return []any{pick(g, "not", "count", "first", "last", "reversed", "upper", "lower", "list", "keys", "values", "flatten", "sum", "coalesce", "is-null", "is-not-null"), sub()}
}

func (g *gen) atom() any {
	switch g.IntN(4) {
	case 0:
		return pick[any](g, nil, true, false, 0, 1, -7, 12, 0.5, -2.5, "", "a", "Bc")
	case 1:
		return pick(g, "_.", "_.a", "_.k", "_._id")
	default:
		return g.path()
	}
}

func (g *gen) path() string {
	roots := append([]string{"_S", "_S", "_S", "_T"}, g.aliases...)
	if g.inRule {
		roots = append(roots, "_P._S")
	}
	p := pick(g, roots...) + "."
	if g.IntN(8) == 0 {
		return p
	}
	p += pick(g, keys...)
	if g.IntN(3) == 0 {
		p += "." + pick(g, keys...)
	}
	return p
}

// steps is a random list of transforms.
func (g *gen) steps(n, depth int) any {
	var l []any
	for range n {
		l = append(l, g.step(depth))
	}
	return l
}

func (g *gen) step(depth int) any {
	name := func() any {
		if g.IntN(8) == 0 {
			return g.expr(1)
		}
		return pick(g, "a", "b", "x", "y", "z")
	}
	wild := func() any {
		return pick[any](g, "*", "a", "k*", "*s", "r*f", []any{"list", "a", "i*"}, []any{"list", "b"})
	}
	if g.hops && !g.inRule && g.IntN(5) == 0 {
		return []any{"add", name(), g.hopsCall()}
	}
	switch g.IntN(13) {
	case 0, 1, 2, 3:
		return []any{"add", name(), g.expr(depth)}
	case 4:
		return []any{pick(g, "default", "add-if"), pick(g, "a", "x", "k"), g.expr(depth)}
	case 5:
		return []any{"add-if", pick(g, "a", "x"), g.expr(2), g.expr(depth)}
	case 6:
		if g.IntN(2) == 0 {
			return []any{"copy", wild()}
		}
		return []any{"copy", wild(), wild()}
	case 7:
		return []any{"remove", pick[any](g, "a", "x", "k*", []any{"list", "y", "b*"})}
	case 8:
		return []any{"rename", pick(g, keys...), pick(g, "x", "y")}
	case 9:
		return []any{"merge", g.expr(depth)}
	case 10:
		if g.IntN(2) == 0 {
			return []any{"if", g.expr(2), g.steps(1+g.IntN(2), depth-1)}
		}
		return []any{pick(g, "if", "case"), g.expr(2), g.steps(1, depth-1), g.steps(1, depth-1)}
	case 11:
		switch {
		case g.IntN(4) > 0:
			return []any{"comment", "nothing"}
		case g.IntN(8) == 0 || g.inRule:
			return []any{pick(g, "filter", "discard"), g.expr(2)}
		}
		return []any{pick(g, "filter", "discard"), []any{"not", []any{"eq", g.path(), 12}}}
	default:
		made := pick[any](g, "_S.items", "_S.sub", "_S.none", []any{"apply", "last", "_S.items"})
		if g.IntN(10) == 0 {
			made = g.expr(2) // mostly no entity
		}
		return []any{pick(g, "create", "create-child"), made}
	}
}

// hopsCall is a random hops over the datasets D and E.
func (g *gen) hopsCall() any {
	outer := g.aliases
	defer func() { g.aliases = outer }()
	call := []any{"hops"}
	for i := range 1 + g.IntN(2) {
		call = append(call, g.hopSpec(i))
	}
	last := call[len(call)-1].(*odict)
	if last.m["recurse"] != true && g.IntN(2) == 0 {
		last.set("return", g.hopReturn(last))
	}
	return call
}

func (g *gen) hopSpec(nth int) *odict {
	var aliases []string
	var datasets []any
	for i := range 1 + g.IntN(2) {
		a := fmt.Sprintf("h%d%d%d", len(g.aliases), nth, i)
		aliases = append(aliases, a)
		datasets = append(datasets, pick(g, "D ", "E ")+a)
	}
	where := []any{}
	for i, a := range aliases { // each is reached from what stands before it
		from := "_S"
		if i > 0 && g.IntN(2) == 0 {
			from = aliases[i-1]
		}
		where = append(where, g.join(from, a))
		if g.IntN(4) == 0 {
			where = append(where, g.join(from, a))
		}
		if g.IntN(3) == 0 {
			where = append(where, []any{pick(g, "eq", "neq", "lt"), a + "." + pick(g, keys...), pick[any](g, 1, "a", nil)})
		}
	}
	g.Shuffle(len(where), func(i, j int) { where[i], where[j] = where[j], where[i] })
	s := newDict()
	s.set("datasets", datasets)
	s.set("where", where)
	if g.IntN(3) == 0 {
		s.set("recurse", true)
		s.set("exclude_root", g.IntN(2) == 0)
		s.set("max_depth", 1+g.IntN(3))
	}
	if g.IntN(4) == 0 {
		subsets := newDict()
		subsets.set(aliases[0], []any{"eq", "_S." + pick(g, "a", "k", "ks"), pick[any](g, 1, 2, "a")})
		s.set("subsets", subsets)
	}
	return s
}

func (g *gen) join(from, to string) any {
	sides := [][2]string{{"ref", "_id"}, {"k", "k"}, {"ks", "k"}, {"a", "ks"}, {"_id", "ref"}, {"sub.k", "k"}}
	s := sides[g.IntN(len(sides))]
	x, y := from+"."+s[0], to+"."+s[1]
	if g.IntN(2) == 0 {
		x, y = y, x
	}
	return []any{"eq", x, y}
}

func (g *gen) hopReturn(s *odict) any {
	var names []string
	for _, d := range s.m["datasets"].([]any) {
		names = append(names, strings.Fields(d.(string))[1])
	}
	if g.IntN(3) > 0 {
		return strings.Join(names, ",")
	}
	g.aliases = append(g.aliases, names...)
	return pick[any](g, names[0]+".k", []any{"dict", "k", names[0] + ".k", "i", names[len(names)-1] + "._id"})
}

// entity is a random entity.
func (g *gen) entity(id string) *odict {
	d := newDict()
	d.set("_id", id)
	if g.IntN(8) == 0 {
		d.set("_deleted", true)
	}
	for _, k := range []string{"a", "b", "k", "ks", "ref"} {
		if g.IntN(4) > 0 {
			d.set(k, g.value(k))
		}
	}
	if g.IntN(2) == 0 {
		sub := newDict()
		sub.set("k", g.value("k"))
		sub.set("_id", "s"+id)
		d.set("sub", sub)
	}
	var items []any
	for i := range g.IntN(3) {
		item := newDict()
		item.set("_id", fmt.Sprintf("%s.%d", id, i))
		item.set("k", g.value("k"))
		item.set("a", g.value("a"))
		items = append(items, item)
	}
	if items != nil {
		d.set("items", items)
	}
	return d
}

func (g *gen) value(key string) any {
	scalar := func() any {
		if key == "ref" {
			return fmt.Sprintf("e%d", g.IntN(4))
		}
		return pick[any](g, 1, 1, 2, 1.0, 0.5, "a", "B", nil, true)
	}
	if key == "ks" || g.IntN(4) == 0 {
		l := []any{}
		for range g.IntN(3) {
			l = append(l, scalar())
		}
		return l
	}
	return scalar()
}

// riddle is a rule with everything it works on.
type riddle struct {
	rules    *odict
	source   *odict
	datasets map[string][]*odict
}

func randomRiddle(r *rand.Rand) riddle {
	g := &gen{Rand: r, hops: true}
	w := riddle{rules: newDict(), source: g.entity("e1"), datasets: map[string][]*odict{}}
	w.rules.set("default", g.steps(1+g.IntN(5), 4))
	g.inRule = true
	w.rules.set("other", g.steps(1+g.IntN(3), 2))
	w.rules.set("last", []any{[]any{"copy", "*"}, []any{"add", "was", "_P._S._id"}, []any{"filter", []any{"neq", "_S.k", 2}}})
	for _, name := range []string{"D", "E"} {
		for i := range 1 + g.IntN(5) {
			w.datasets[name] = append(w.datasets[name], g.entity(fmt.Sprintf("e%d", i)))
		}
	}
	return w
}

// told is what the oracle makes of it, or that it fails.
func (w riddle) told() (text string) {
	defer func() {
		if p := recover(); p != nil {
			why, ok := p.(stopped)
			if !ok {
				panic(p)
			}
			text = "fails: " + string(why)
		}
	}()
	o := &oracle{rules: w.rules.m, datasets: w.datasets}
	return jsonOf(o.transform(w.source))
}

// made is what the engine makes of it.
func (w riddle) made(t *testing.T, l *dtl.Lib) string {
	t.Helper()
	p, finds := dtl.CompileRules(node(t, "rules", []byte(jsonOf(w.rules))), dtl.Options{Lib: l, IDRequired: true})
	if p == nil {
		t.Fatalf("%s: %s", jsonOf(w.rules), messages(finds))
	}
	h := &dtl.MemHost{Datasets: map[string][]entity.Value{"D": nil, "E": nil}}
	for name, all := range w.datasets {
		for _, e := range all {
			h.Datasets[name] = append(h.Datasets[name], value(t, []byte(jsonOf(e))))
		}
	}
	in := &entity.Batch{Arena: entity.NewArena(), Entities: []entity.Value{value(t, []byte(jsonOf(w.source)))}}
	out := &entity.Batch{}
	if err := dtl.NewRun(p, h).Transform(t.Context(), in, out); err != nil {
		return "fails: " + err.Error()
	}
	return entity.NewList(out.Entities...).String()
}

func (w riddle) check(t *testing.T, l *dtl.Lib) {
	t.Helper()
	want, got := w.told(), w.made(t, l)
	if got != want && !(strings.HasPrefix(got, "fails: ") && strings.HasPrefix(want, "fails: ")) {
		t.Fatalf("rules %s\nsource %s\nD %s\nE %s\n the engine gives %s\n the oracle says %s", jsonOf(w.rules), jsonOf(w.source),
			jsonOf(anys(w.datasets["D"])), jsonOf(anys(w.datasets["E"])), got, want)
	}
}

func anys(l []*odict) []any {
	var all []any
	for _, e := range l {
		all = append(all, e)
	}
	return all
}

// jsonOf writes rules or values as JSON.
func jsonOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, jsonOf(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *odict:
		var parts []string
		for _, k := range v.keys {
			parts = append(parts, strconv.Quote(k)+":"+jsonOf(v.m[k]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	default:
		return fmt.Sprint(v)
	}
}

// TestOracle: random rules on random entities and datasets come out as the
// oracle has them.
func TestOracle(t *testing.T) {
	l := lib(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range uint64(3000) {
		randomRiddle(rand.New(rand.NewPCG(seed, i))).check(t, l)
	}
}

// FuzzOracle is TestOracle , as long as one likes.
func FuzzOracle(f *testing.F) {
	l := lib(f)
	f.Add(uint64(1), uint64(1))
	f.Fuzz(func(t *testing.T, seed, nth uint64) { randomRiddle(rand.New(rand.NewPCG(seed, nth))).check(t, l) })
}
