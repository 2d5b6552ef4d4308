package jinja

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Limits bound what one template may spend. A zero field means its default.
type Limits struct {
	Source int // bytes of the template: 1 MiB
	Steps  int // evaluation steps; handling 32 bytes counts as one: 4,000,000
	Output int // bytes of the result: 32 MiB
	Memory int // bytes of all intermediate values: 128 MiB
	List   int // elements of one list: 100,000
	Bits   int // size of an integer: 14,000 bits, about Python's 4,300 digits
	Depth  int // nesting of expressions, blocks, macros and data: 100
}

func (l Limits) orDefault() Limits {
	return Limits{
		or(l.Source, 1<<20), or(l.Steps, 4_000_000), or(l.Output, 32<<20), or(l.Memory, 128<<20),
		or(l.List, 100_000), or(l.Bits, 14_000), or(l.Depth, 100),
	}
}

func or(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// state is one render. The first failure sticks: everything after it is
// idle, and the render fails.
type state struct {
	ctx           context.Context
	t             *Template
	vars          Vars
	host          *Host
	err           *Error
	at            int // offset of what is being evaluated
	steps         int
	check         int // steps left until the context is looked at
	memory        int
	depth         int
	secrets       []string // handed out so far, to be kept out of messages
	free          []*Call
	mac           *mac    // nil until there was one
	probe         *prober // what the fail-open probe learns from, or nil
	scope         *scope
	out           []byte
	coded         []byte // what was encoded last
	piped         Value
	printedSecret bool
	escaping      bool // what is written is escaped as HTML
}

const checkEvery = 1000

func (st *state) reset(ctx context.Context, t *Template, vars Vars, h *Host) {
	*st = state{ctx: ctx, t: t, vars: vars, host: h, out: st.out[:0], coded: st.coded, secrets: st.secrets, free: st.free, mac: st.mac,
		steps: t.opt.Limits.Steps, memory: t.opt.Limits.Memory, check: min(checkEvery, t.opt.Limits.Steps)}
	if ctx.Err() != nil {
		st.ended()
	}
}

// release forgets everything a pooled state should not keep alive. The key of the
// last HMAC stays: it is the template's, as its secrets are.
func (st *state) release() {
	out, coded := st.out, st.coded
	if cap(out) > 64<<10 {
		out = nil
	}
	if cap(coded) > 64<<10 {
		coded = nil
	}
	clear(st.secrets)
	*st = state{out: out[:0], coded: coded, secrets: st.secrets[:0], free: st.free[:min(len(st.free), 8)], mac: st.mac}
}

func (st *state) failure() error {
	if st.err == nil {
		return nil
	}
	return st.err
}

// step spends one step and tells whether to go on.
func (st *state) step() bool { return st.work(0) }

// work spends the steps of handling n bytes.
func (st *state) work(n int) bool {
	cost := 1 + n>>5
	st.steps -= cost
	st.check -= cost
	if st.check < 0 {
		st.look()
	}
	return st.err == nil
}

func (st *state) look() {
	st.check = min(checkEvery, st.steps)
	if st.steps < 0 {
		st.limit("the template takes more than %d steps", st.t.opt.Limits.Steps)
		st.steps, st.check = 0, 0
	} else if st.ctx.Err() != nil {
		st.ended()
	}
}

func (st *state) ended() {
	st.limit("the template was stopped: %v", st.ctx.Err())
	st.err.Cause = context.Cause(st.ctx)
}

// room asks for n bytes of memory before they are taken.
func (st *state) room(n int) bool {
	if n < 0 || n > st.memory {
		st.limit("the template needs more than %d bytes of memory", st.t.opt.Limits.Memory)
		return false
	}
	st.memory -= n
	return st.work(n)
}

// roomList asks for a list of n elements.
func (st *state) roomList(n int) bool {
	if n < 0 || n > st.t.opt.Limits.List {
		return st.limit("a list of %d elements is longer than the %d it may have", n, st.t.opt.Limits.List)
	}
	return st.room(valueSize * n)
}

const valueSize = 48

// enter goes one level deeper.
func (st *state) enter() bool {
	st.depth++
	if st.depth > st.t.opt.Limits.Depth {
		return st.limit("nested deeper than %d levels", st.t.opt.Limits.Depth)
	}
	return st.step()
}

func (st *state) leave() { st.depth-- }

func (st *state) limit(format string, args ...any) bool {
	st.fail(CodeLimit, format, args...)
	return false
}

// fail keeps the first failure, at the place being evaluated.
func (st *state) fail(code, format string, args ...any) Value {
	return st.failHelp(code, "", format, args...)
}

func (st *state) failHelp(code, help, format string, args ...any) Value {
	if st.err == nil {
		st.err = st.t.newError(code, st.at, help, format, args...)
		for _, s := range st.secrets {
			st.err.Msg = strings.ReplaceAll(st.err.Msg, s, "…")
		}
	}
	return Value{}
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return clip(fmt.Sprintf(format, args...))
}

// clip keeps messages to a line that can be read.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// scope holds what a template itself has named.
type scope struct {
	parent *scope
	names  []string
	vals   []Value
}

func (st *state) push() { st.scope = &scope{parent: st.scope} }
func (st *state) pop()  { st.scope = st.scope.parent }

func (st *state) define(name string, v Value) {
	if st.scope == nil {
		st.scope = &scope{}
	}
	s := st.scope
	if i := slices.Index(s.names, name); i >= 0 {
		s.vals[i] = v
		return
	}
	if st.room(valueSize) {
		s.names, s.vals = append(s.names, name), append(s.vals, v)
	}
}

// resolve finds a variable: the template's own, the host's, a function.
func (st *state) resolve(n *name) Value {
	for s := st.scope; s != nil; s = s.parent {
		for i, have := range s.names {
			if have == n.id {
				return s.vals[i]
			}
		}
	}
	if st.vars != nil {
		if v, ok := st.vars.Lookup(n.id); ok {
			return v
		}
	}
	if n.known {
		return n.global
	}
	return Value{k: kUndef, o: &undef{name: n.id}}
}

// write adds to the output.
func (st *state) write(s string) {
	if len(st.out)+len(s) > st.t.opt.Limits.Output {
		st.limit("the result is longer than %d bytes", st.t.opt.Limits.Output)
		return
	}
	if st.work(len(s)) {
		st.out = append(st.out, s...)
	}
}

// capture runs body and returns what it writes.
func (st *state) capture(body []stmt) string {
	outer := st.out
	st.out = nil
	st.runAll(body)
	s := string(st.out)
	st.out = outer
	st.room(len(s))
	return s
}

func (st *state) runAll(body []stmt) {
	for _, s := range body {
		if !st.step() {
			return
		}
		s.run(st)
	}
}
