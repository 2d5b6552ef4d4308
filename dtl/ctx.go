package dtl

import (
	"context"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Limits bound what one entity may cost. A zero field takes the default.
type Limits struct {
	Steps int           // evaluated calls and loop turns; default 20 million
	Time  time.Duration // default 30 s
	Depth int           // of apply within apply; default 100
	List  int           // elements of a list that a function makes; default 5 million
	Text  int           // bytes of a text that a function makes; default 64 MiB
	// Weight is the bytes that a value, or all that one entity emits, would
	// have written out; default 512 MiB.
	Weight uint32
	Found  int // entities that one join of a hops finds; 0 is no limit
}

func (l Limits) orDefault() Limits {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&l.Steps, 20_000_000)
	def(&l.Depth, 100)
	def(&l.List, 5_000_000)
	def(&l.Text, 64<<20)
	if l.Weight == 0 {
		l.Weight = 512 << 20
	}
	if l.Time == 0 {
		l.Time = 30 * time.Second
	}
	return l
}

// Ctx is the state of a run as functions see it. An error sticks: once
// [Ctx.Fail] is called, results no longer matter.
type Ctx struct {
	ctx      context.Context
	host     Host
	arena    *entity.Arena
	limits   Limits
	deadline time.Time
	steps    int
	depth    int
	err      *RunError
	frame    *frame
	this     entity.Value   // "_."
	alias    []entity.Value // hops aliases, by slot
	stack    []entity.Value // argument values
	hints    []int          // where paths found their keys last
	copies   []copyCache
	memos    []memo // what hops have found, by hop
	out      *entity.Batch
	params   entity.Value // "_B."
	hopped   hopped
	emitted  uint64 // weight of what the entity has emitted
	key      []byte
	joins    *Joins // nil: nobody wants to know
	most     []int  // entities that traced joins have found in this run
}

// call is what an error tells about the call it happened in.
type call struct {
	name    string
	span    jsonpos.Span
	pointer string
	rule    string
}

// frame is one applied rule: _S, _T and what they were called from.
type frame struct {
	source entity.Value
	target *entity.Object
	parent *frame
	root   *frame
}

// RunError is why an entity could not be transformed.
type RunError struct {
	Code     string // "dtl/…"
	Span     jsonpos.Span
	Pointer  string // of the call, see [Options].Pointer
	Pipe     string
	Rule     string
	Func     string
	EntityID string
	Msg      string
	Cause    error
}

// Error tells place, rule, function, entity and reason in one line.
func (e *RunError) Error() string {
	where := ""
	if e.Span.Start.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d: ", e.Span.File, e.Span.Start.Line, e.Span.Start.Col)
	}
	what := ""
	if e.Func != "" {
		what = e.Func + ": "
	}
	msg := where + what + e.Msg
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	if e.EntityID != "" {
		msg += fmt.Sprintf(" (rule %s, entity %q)", e.Rule, e.EntityID)
	}
	return msg
}

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Cause }

// Arena is where a function puts the values it makes.
func (c *Ctx) Arena() *entity.Arena { return c.arena }

// Context ends when the run does.
func (c *Ctx) Context() context.Context { return c.ctx }

// Host is the run's way to the world.
func (c *Ctx) Host() Host { return c.host }

// This is the current value, "_.".
func (c *Ctx) This() entity.Value { return c.this }

// Source is _S, the entity a rule is applied to.
func (c *Ctx) Source() entity.Value { return c.frame.source }

// Target is _T, the entity a rule builds.
func (c *Ctx) Target() *entity.Object { return c.frame.target }

// Failed tells whether the entity has failed already; loops stop then.
func (c *Ctx) Failed() bool { return c.err != nil }

// Fail makes the entity fail with a stable code and a reason for people; only
// the first failure counts.
func (c *Ctx) Fail(code, msg string) { c.fail(code, msg, nil) }

// FailCause is Fail with the error that caused it.
func (c *Ctx) FailCause(code, msg string, cause error) { c.fail(code, msg, cause) }

func (c *Ctx) fail(code, msg string, cause error) {
	if c.err != nil {
		return
	}
	c.err = &RunError{Code: code, Msg: msg, Cause: cause}
}

// happenedIn tells the error its place. The innermost call comes first and
// stays; finding it on the way out costs calls that do not fail nothing.
func (e *RunError) happenedIn(at *call) {
	if e.Func == "" {
		e.Span, e.Pointer, e.Func, e.Rule = at.span, at.pointer, at.name, at.rule
	}
}

// Step counts one unit of work and tells whether to go on. Loops over values
// that a rule can make long call it once a turn.
func (c *Ctx) Step() bool {
	c.steps++
	if c.steps&1023 == 0 {
		c.checkLimits()
	}
	return c.err == nil
}

func (c *Ctx) checkLimits() {
	switch {
	case c.steps > c.limits.Steps:
		c.Fail("dtl/steps", fmt.Sprintf("the entity takes more than %d steps", c.limits.Steps))
	case c.ctx != nil && c.ctx.Err() != nil:
		c.fail("dtl/stopped", "the run was stopped", c.ctx.Err())
	case c.limits.Time > 0 && c.late():
		c.Fail("dtl/time", fmt.Sprintf("the entity takes longer than %s", c.limits.Time))
	}
}

// late tells whether the entity's time is over. The clock is not read before
// the first thousand steps: most entities take fewer.
func (c *Ctx) late() bool {
	now := time.Now()
	if c.deadline.IsZero() {
		c.deadline = now.Add(c.limits.Time)
	}
	return now.After(c.deadline)
}

// Room tells whether a list of n elements may be made, and fails if not.
func (c *Ctx) Room(n int) bool {
	if n > c.limits.List {
		c.Fail("dtl/list-size", fmt.Sprintf("a list of %d elements is longer than %d", n, c.limits.List))
	}
	return c.err == nil
}

// foundRoom tells whether one join of a hops may find n entities.
func (c *Ctx) foundRoom(dataset string, n int) bool {
	if c.limits.Found > 0 && n > c.limits.Found {
		c.Fail("dtl/hops-threshold", fmt.Sprintf("a join finds more than %d entities of %q; make it more selective or raise dependency_error_threshold", c.limits.Found, dataset))
	}
	return c.Room(n)
}

// TextRoom tells whether a text of n bytes may be made, and fails if not.
func (c *Ctx) TextRoom(n int) bool {
	if n > c.limits.Text {
		c.Fail("dtl/text-size", fmt.Sprintf("a text of %d bytes is longer than %d", n, c.limits.Text))
	}
	return c.err == nil
}

// light fails the entity if what a function has made is too heavy to be worked
// with: a value that holds others many times over takes little room until it
// is written or compared. The value must be forgotten then. Only lists and
// dicts need to be asked.
func (c *Ctx) light(v entity.Value) bool { return c.room(uint64(v.Weight())) }

func (c *Ctx) room(weight uint64) bool {
	if weight > uint64(c.limits.Weight) {
		c.Fail("dtl/weight", fmt.Sprintf("a value would have more than %d bytes written out", c.limits.Weight))
	}
	return weight <= uint64(c.limits.Weight)
}

// With evaluates f with v as the current value "_.".
func (c *Ctx) With(v entity.Value, f Eval) entity.Value {
	saved := c.this
	c.this = v
	r := f(c)
	c.this = saved
	return r
}

// Each appends f of every value, with it as the current value "_.", to out. It
// ends early if the entity fails.
func (c *Ctx) Each(in []entity.Value, f Eval, out []entity.Value) []entity.Value {
	saved := c.this
	for i := range in {
		if !c.Step() {
			break
		}
		c.this = in[i]
		out = append(out, f(c))
	}
	c.this = saved
	return out
}

// Where adds the values for which f is true to out.
func (c *Ctx) Where(in []entity.Value, f Eval, out Gather) {
	saved := c.this
	for i := range in {
		if !c.Step() {
			break
		}
		if c.this = in[i]; Truthy(f(c)) {
			out.Add(in[i])
		}
	}
	c.this = saved
}

// EachElem calls f for each element of a list, or once for any other value but
// null.
func EachElem(v entity.Value, f func(entity.Value) bool) {
	switch v.Kind() {
	case entity.Null:
	case entity.List:
		for _, e := range v.Elems() {
			if !f(e) {
				return
			}
		}
	default:
		f(v)
	}
}

// First returns the first element of a list (null of an empty one), and any
// other value as it is.
func First(v entity.Value) entity.Value {
	if v.Kind() != entity.List {
		return v
	}
	return firstElem(v)
}

// firstElem stays out of line so that First, which is everywhere, does not.
//
//go:noinline
func firstElem(v entity.Value) entity.Value {
	if v.Len() == 0 {
		return entity.Value{}
	}
	return v.Elems()[0]
}

// Gather collects the elements of a list whose length is not known before, in
// memory of the run. Gatherings end in the reverse order of their beginnings.
type Gather struct {
	c    *Ctx
	base int
}

// Gather begins a list.
func (c *Ctx) Gather() Gather { return Gather{c, len(c.stack)} }

// Add adds an element.
func (g Gather) Add(v entity.Value) { g.c.stack = append(g.c.stack, v) }

// AddAll adds the elements of a list, nothing for null, and any other value
// itself; it tells whether there is room for more.
func (g Gather) AddAll(v entity.Value) bool {
	switch v.Kind() {
	case entity.Null:
	case entity.List:
		g.c.stack = append(g.c.stack, v.Elems()...)
	default:
		g.c.stack = append(g.c.stack, v)
	}
	return g.c.Room(g.Len())
}

// Len is the number of elements so far.
func (g Gather) Len() int { return len(g.c.stack) - g.base }

// List ends the gathering and returns the list, or null if it got too long.
func (g Gather) List() entity.Value {
	c := g.c
	elems := c.stack[g.base:]
	c.stack = c.stack[:g.base]
	if !c.Room(len(elems)) {
		return entity.Value{}
	}
	return entity.NewList(append(c.arena.Values(len(elems)), elems...)...)
}

// Truthy is DTL's idea of truth: only false, null and the empty list are false.
func Truthy(v entity.Value) bool {
	switch v.Kind() {
	case entity.Null:
		return false
	case entity.Bool:
		return v.Bool()
	case entity.List:
		return v.Len() > 0
	default:
		return true
	}
}

// Map applies f to a value, or to each element of a list; what f does not keep
// is dropped from a list and null as a single value.
func (c *Ctx) Map(v entity.Value, f func(entity.Value) (entity.Value, bool)) entity.Value {
	if v.Kind() != entity.List {
		if r, ok := f(v); ok {
			return r
		}
		return entity.Value{}
	}
	out := c.arena.Values(v.Len())
	for _, e := range v.Elems() {
		if !c.Step() {
			break
		}
		if r, ok := f(e); ok {
			out = append(out, r)
		}
	}
	return entity.NewList(out...)
}
