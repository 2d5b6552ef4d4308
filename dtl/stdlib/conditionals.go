package stdlib

import (
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

func conditionals() []dtl.Func {
	return []dtl.Func{
		{Name: "case", Args: "(VALUE(value-expression{1}) THEN(value-expression{1})){>=1} ELSE(value-expression{0|1})",
			Doc:      "Takes the THEN of the first VALUE that is true, else ELSE.",
			Examples: []dtl.Example{{`["case", false, 1, true, 2, 3]`, `2`}, {`["case", null, 1]`, `null`}, {`["case", ["list"], 1, 3]`, `3`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				return choose(branches(a.Many(0), exprOf(b)), truthy, optionalEval(b, a.One(1)))
			},
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				return chooseStep(branches(a.Many(0), stepsOf(b)), truthy, b, a.One(1))
			}},
		{Name: "case-eq", Args: "VALUE(value-expression{1}) (VALUE_N(value-expression{1}) THEN(value-expression{1})){>=1} ELSE(value-expression{0|1})",
			Doc:      "Takes the THEN of the first VALUE_N that equals VALUE, else ELSE.",
			Examples: []dtl.Example{{`["case-eq", "b", "a", 1, "b", 2]`, `2`}, {`["case-eq", null, "a", 1, 3]`, `3`}, {`["case-eq", ["list", 1], 1, "x"]`, `"x"`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				return choose(branches(a.Many(1), exprOf(b)), equals(b.Expr(a.One(0)).Eval), optionalEval(b, a.One(2)))
			},
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				return chooseStep(branches(a.Many(1), stepsOf(b)), equals(b.Expr(a.One(0)).Eval), b, a.One(2))
			}},
		{Name: "if", Args: "CONDITION(value-expression{1}) THEN(value-expression{1}) ELSE(value-expression{0|1})",
			Doc:      "Takes THEN if CONDITION is true, else ELSE.",
			Examples: []dtl.Example{{`["if", 1, "yes", "no"]`, `"yes"`}, {`["if", null, "yes"]`, `null`}, {`["if", ["list"], 1, 2]`, `2`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				cond, then, other := b.Expr(a.One(0)).Eval, b.Expr(a.One(1)).Eval, optionalEval(b, a.One(2))
				return func(c *dtl.Ctx) value {
					if dtl.Truthy(cond(c)) {
						return then(c)
					}
					return other(c)
				}
			},
			Step: func(b *dtl.Builder, a dtl.Args) dtl.Step {
				cond, then, other := b.Expr(a.One(0)).Eval, b.Steps(a.One(1)), b.Steps(a.One(2))
				return func(c *dtl.Ctx) dtl.Flow {
					if dtl.Truthy(cond(c)) {
						return dtl.RunSteps(c, then)
					}
					return dtl.RunSteps(c, other)
				}
			}},
	}
}

// branch is a VALUE with its THEN, an expression or transforms.
type branch[T any] struct {
	value dtl.Eval
	then  T
}

type compiler[T any] struct {
	b    *dtl.Builder
	then func(*jsonpos.Node) T
}

func exprOf(b *dtl.Builder) compiler[dtl.Eval] {
	return compiler[dtl.Eval]{b, func(n *jsonpos.Node) dtl.Eval { return b.Expr(n).Eval }}
}

func stepsOf(b *dtl.Builder) compiler[[]dtl.Step] { return compiler[[]dtl.Step]{b, b.Steps} }

func branches[T any](nodes []*jsonpos.Node, c compiler[T]) []branch[T] {
	var all []branch[T]
	for i := 0; i+1 < len(nodes); i += 2 {
		all = append(all, branch[T]{c.b.Expr(nodes[i]).Eval, c.then(nodes[i+1])})
	}
	return all
}

func optionalEval(b *dtl.Builder, n *jsonpos.Node) dtl.Eval {
	if n == nil {
		return func(*dtl.Ctx) value { return null }
	}
	return b.Expr(n).Eval
}

// test makes the test of one evaluation of case or case-eq.
type test func(c *dtl.Ctx) func(value) bool

func truthy(*dtl.Ctx) func(value) bool { return dtl.Truthy }

func equals(of dtl.Eval) test {
	return func(c *dtl.Ctx) func(value) bool {
		v := of(c)
		return func(w value) bool { return dtl.EqualLists(v, w) }
	}
}

func choose(all []branch[dtl.Eval], t test, other dtl.Eval) dtl.Eval {
	return func(c *dtl.Ctx) value {
		matches := t(c)
		for _, br := range all {
			if matches(br.value(c)) {
				return br.then(c)
			}
		}
		return other(c)
	}
}

func chooseStep(all []branch[[]dtl.Step], t test, b *dtl.Builder, otherwise *jsonpos.Node) dtl.Step {
	other := b.Steps(otherwise)
	return func(c *dtl.Ctx) dtl.Flow {
		matches := t(c)
		for _, br := range all {
			if matches(br.value(c)) {
				return dtl.RunSteps(c, br.then)
			}
		}
		return dtl.RunSteps(c, other)
	}
}

func hops() []dtl.Func {
	return []dtl.Func{
		{Name: "hops", Args: "HOPS_SPEC(dict{>=1})", Impure: true,
			Doc:      "Joins the source with other datasets and returns what is found, in a fixed order.",
			Examples: []dtl.Example{{`["hops", 1]`, `error: hops takes a dict`}},
			Build:    func(b *dtl.Builder, a dtl.Args) dtl.Eval { return b.Hops(a.Many(0)) }},
		{Name: "apply-hops", Args: "RULE_ID(string{1}) HOPS_SPEC(dict{>=1})", Impure: true,
			Doc:      "Applies a rule to each entity that hops finds.",
			Examples: []dtl.Example{{`["apply-hops", "nowhere", {"datasets": ["a b"], "where": ["eq", "_S.x", "b.x"]}]`, `error: there is no rule`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				return b.ApplyHops(a.One(0), a.Many(1))
			}},
		{Name: "lookup-entity", Args: "DATASET_ID(string{1}) ENTITY_ID(string{1})", Impure: true,
			Doc:      "Returns the entity with that _id from a dataset, or null.",
			Examples: []dtl.Example{{`["lookup-entity", 1, "x"]`, `error: the id of a dataset is expected`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				name := b.Expr(a.One(0))
				id, ok := text(name.Value)
				if !name.Const || !ok {
					b.Errorf(a.One(0), "dtl/dataset-name", "", "the id of a dataset is expected")
					return nil
				}
				return b.LookupEntity(id, dtl.Use{Name: id, Span: a.One(0).Span}, b.Expr(a.One(1)).Eval)
			}},
	}
}

func misc() []dtl.Func {
	return []dtl.Func{
		{Name: "literal", Args: "VALUE(value{1})",
			Doc:      "Returns its argument as it is written.",
			Examples: []dtl.Example{{`["literal", ["upper", "a"]]`, `["upper","a"]`}, {`["literal", "_S.x"]`, `"_S.x"`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				v, err := dtl.Literal(a.One(0))
				if err != nil {
					b.Errorf(a.One(0), "dtl/literal", "", "%v", err)
				}
				return func(*dtl.Ctx) value { return v }
			}},
		{Name: "is-changed", Args: "FUNCTION(function-expression{1})", Impure: true,
			Doc:      "Tells whether FUNCTION of the source differs from that of its previous version; null if there is none.",
			Examples: []dtl.Example{{`["is-changed", "_S.name"]`, `null`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				f := b.Expr(a.One(0)).Eval
				return func(c *dtl.Ctx) value { return isChanged(c, f) }
			}},
		{Name: "tuples", Args: "VALUES(value-expression{>=0})",
			Doc:      "Returns every combination of one value of each argument, as lists.",
			Examples: []dtl.Example{{`["tuples", ["list", 1, 2], "a"]`, `[[1,"a"],[2,"a"]]`}, {`["tuples"]`, `[]`}, {`["tuples", null, 1]`, `[]`}},
			Call:     tuples},
		{Name: "now", Args: "", Impure: true, Doc: "Returns the current time.",
			Examples: []dtl.Example{{`["now", 1]`, `error: takes no arguments`}},
			Call:     func(c *dtl.Ctx, _ []value) value { return entity.NewDatetime(c.Host().Now()) }},
	}
}

func isChanged(c *dtl.Ctx, f dtl.Eval) value {
	prev, err := c.Host().Previous(c.Context(), c.Source(), c.Arena())
	if err != nil {
		c.FailCause("dtl/previous", "cannot read the previous version", err)
	}
	switch {
	case prev.IsNull():
		return null
	case entity.Deleted(prev) || entity.Deleted(c.Source()):
		return boolean(true)
	}
	now := c.With(c.Source(), f)
	before := c.WithSource(prev, func(c *dtl.Ctx) value { return c.With(prev, f) })
	return boolean(!entity.Equal(now, before))
}

func tuples(c *dtl.Ctx, a []value) value {
	if len(a) == 0 {
		return entity.NewList()
	}
	rows := [][]value{nil}
	for _, arg := range a {
		var next [][]value
		for _, row := range rows {
			for _, v := range elems(arg) {
				if v.IsNull() {
					continue
				}
				if !c.Step() || !c.Room(len(next)) {
					return null
				}
				next = append(next, append(row[:len(row):len(row)], v))
			}
		}
		rows = next
	}
	out := make([]value, len(rows))
	for i, row := range rows {
		out[i] = list(c, row)
	}
	return list(c, out)
}
