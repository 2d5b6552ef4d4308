package dtl

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Index is a secondary index that a join or a subset needs on a dataset: the
// values of an expression over its entities.
type Index struct {
	Dataset string
	// Name identifies the expression: its JSON with the entity written _S, and which
	// meaning it has, if that was another one in an earlier version of Sluice: what is
	// stored of that one must not be taken for this.
	Name string
	// Needs names the root members that the keys are made of; nil stands for the
	// whole entity.
	Needs []string
	expr  *Expression
	runs  sync.Pool
}

// meaningOfDeleted marks indexes that may look at _deleted of live entities, which is
// false; it was null at first.
const meaningOfDeleted = " (2)"

func newIndex(dataset string, n *jsonpos.Node, o Options) (*Index, diag.List) {
	o.Limits = Limits{}
	e, finds := CompileExpr(n, nil, o)
	if e == nil {
		return nil, finds
	}
	name := string(n.AppendJSON(nil))
	needs, known := rootMembers(n, nil)
	if !known || slices.Contains(needs, entity.DeletedKey) {
		name += meaningOfDeleted
	}
	if o.NamespacedIdentifiers {
		needs = nil
		name += " in " + o.IdentityNS + "," + o.PropertyNS
	}
	return &Index{Dataset: dataset, Name: name, Needs: needs, expr: e}, finds
}

// Keys emits the keys of an entity: one for each value, none for nulls. Equal
// values have equal keys, whatever kind of number they are. A key is valid
// during the call only. It is safe for concurrent use.
func (ix *Index) Keys(e entity.Value, emit func(key []byte)) {
	r, _ := ix.runs.Get().(*Run)
	if r == nil {
		r = NewRun(ix.expr.p, &MemHost{})
	}
	r.begin(nil, e, new(entity.Object))
	v := ix.expr.expr.Eval(&r.c)
	// An expression that fails on an entity leaves it out of the index.
	if r.c.err == nil {
		EachElem(v, func(v entity.Value) bool {
			if !v.IsNull() {
				r.c.key = AppendKey(r.c.key[:0], v)
				emit(r.c.key)
			}
			return true
		})
	}
	ix.runs.Put(r)
}

// Subset is a compiled subset expression, ["eq", <expression>, <literal>].
type Subset struct {
	Index *Index
	Key   []byte // of the literal
}

// CompileSubset compiles the subset of a dataset.
func CompileSubset(dataset string, n *jsonpos.Node, o Options) (*Subset, diag.List) {
	b := newBuilder(o, n)
	if n.Kind != jsonpos.Array || len(n.Elems) != 3 || n.Elems[0].Text != "eq" {
		b.Errorf(n, "dtl/subset", `["eq", <expression over _S.>, <literal>]`, "a subset is an eq of an expression and a literal")
		return nil, b.finds
	}
	value := b.Expr(n.Elems[2])
	if !value.Const {
		b.Errorf(n.Elems[2], "dtl/subset", "", "the right side of a subset is a literal")
	}
	ix, finds := newIndex(dataset, n.Elems[1], o)
	finds = append(finds, b.finds...)
	if ix == nil || finds.HasErrors() {
		return nil, finds
	}
	if b.impureIn(ix, "dtl/subset", "a subset") {
		return nil, append(finds, b.finds...)
	}
	return &Subset{ix, AppendKey(nil, value.Value)}, finds
}

// Matches tells whether an entity is in the subset.
func (s *Subset) Matches(e entity.Value) bool {
	hit := false
	s.Index.Keys(e, func(key []byte) { hit = hit || string(key) == string(s.Key) })
	return hit
}

// rootMembers adds the members of the entity that an expression over _S. looks
// at to list; false if that cannot be told from its texts.
func rootMembers(n *jsonpos.Node, list []string) ([]string, bool) {
	if n.Kind == jsonpos.Object {
		return nil, false
	}
	if n.Kind == jsonpos.String && strings.HasPrefix(n.Text, "_") {
		path, ok := strings.CutPrefix(n.Text, "_S.")
		name, _, _ := strings.Cut(path, ".")
		if !ok || name == "" || strings.ContainsFunc(name, special) {
			return nil, false
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, e := range n.Elems {
		var ok bool
		if list, ok = rootMembers(e, list); !ok {
			return nil, false
		}
	}
	return list, true
}

// special tells what may mean something in a path besides the name of a member.
func special(r rune) bool {
	return !strings.ContainsRune("_-$", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// renamed returns n with paths on an alias turned into paths on _S.
func renamed(n *jsonpos.Node, alias string) *jsonpos.Node {
	c := *n
	if rest, ok := strings.CutPrefix(n.Text, alias+"."); ok && n.Kind == jsonpos.String {
		c.Text = "_S." + rest
	}
	c.Elems = slices.Clone(n.Elems)
	for i, e := range c.Elems {
		c.Elems[i] = renamed(e, alias)
	}
	return &c
}

func sortByID(entities []entity.Value) []entity.Value {
	return slices.SortedStableFunc(slices.Values(entities), func(a, b entity.Value) int {
		x, _ := entity.ID(a)
		y, _ := entity.ID(b)
		return strings.Compare(x, y)
	})
}
