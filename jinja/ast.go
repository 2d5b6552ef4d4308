package jinja

// expr is a compiled expression. After a failure, which the state keeps, eval
// returns any value: nobody may act on it, and the render fails in the end.
type expr interface{ eval(st *state) Value }

// stmt is a compiled statement; run writes to the state's output.
type stmt interface{ run(st *state) }

type (
	constant struct{ v Value }
	name     struct {
		id     string
		global Value // the function of that name, or None
		known  bool
		pos    int
	}
	sequence struct {
		items []expr
		tuple bool
		pos   int
	}
	dictLit struct {
		keys, vals []expr
		pos        int
	}
	unary struct {
		op  byte // '-', '+' or '!'
		x   expr
		pos int
	}
	operation struct {
		op   string
		l, r expr
		pos  int
	}
	logic struct {
		and  bool
		l, r expr
	}
	concat struct {
		parts []expr
		pos   int
	}
	comparison struct {
		first expr
		ops   []compareOp
		pos   int
	}
	compareOp struct {
		op  string
		x   expr
		pos int
	}
	conditional struct {
		cond, then, other expr // other may be nil
		pos               int
	}
	attribute struct {
		x    expr
		name string
		pos  int
	}
	subscript struct {
		x, index expr
		pos      int
	}
	sliceExpr struct {
		low, high, step expr // each may be nil
		pos             int
	}
	arguments struct {
		pos         []expr
		kwNames     []string
		kwVals      []expr
		star, dstar expr
	}
	call struct {
		fn   expr
		args *arguments
		pos  int
	}
	filter struct {
		x    expr // nil in a filter block
		name string
		fn   *Func
		args *arguments
		pos  int
	}
	test struct {
		x    expr
		name string
		fn   *Func
		args *arguments
		pos  int
	}
)

type (
	textStmt   struct{ s string }
	outputStmt struct {
		x   expr
		pos int
	}
	ifStmt struct {
		cond        expr
		then, other []stmt
	}
	forStmt struct {
		target    target
		over      expr
		cond      expr // or nil
		body      []stmt
		other     []stmt
		recursive bool
		pos       int
	}
	setStmt struct {
		target target
		x      expr
	}
	setBlock struct {
		target target
		filter expr // or nil
		body   []stmt
	}
	withStmt struct {
		names []target
		vals  []expr
		body  []stmt
	}
	macroStmt struct {
		name     string
		params   []string
		defaults []expr // of the last parameters
		body     []stmt
		varargs  bool // the body speaks of varargs, kwargs, caller
		kwargs   bool
		caller   bool
		pos      int
	}
	filterBlock struct {
		filter expr
		body   []stmt
	}
)

// target is what can be assigned to: a name, a namespace's attribute or a
// tuple of targets.
type target struct {
	name  string
	attr  string // of a namespace
	parts []target
	tuple bool
	pos   int
}
