package jinja

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Undefined says what the use of something that is not there means.
type Undefined uint8

const (
	// Strict fails on every use but `is defined` and `default`; all run-time
	// templates but those below.
	Strict Undefined = iota
	// Lenient takes it for empty text; connector expansion.
	Lenient
	// Debug is Lenient and prints the expression itself; mail and SMS.
	Debug
	// ChainableStrict is Strict, but asking something undefined for an
	// attribute or item is undefined again; REST operations.
	ChainableStrict
)

// Set is a set of things a template may call, by name.
type Set struct {
	Funcs   map[string]*Func
	Filters map[string]*Func
	Tests   map[string]*Func
}

// Options of [Compile]. The zero Options are strict, with the standard
// delimiters, the default limits and the language's own functions only.
type Options struct {
	Undefined  Undefined
	Delimiters Delimiters
	Limits     Limits
	// Sets are added to the language's own functions, filters and tests; of
	// one name the last counts.
	Sets []Set
	// Host answers the functions of StdSet; RenderWith may replace it.
	Host *Host
	// Pos gives the place in the configuration file of a byte offset in the
	// template; nil counts within the template.
	Pos func(offset int) (file string, line, col int)

	guard bool // a validation expression: see Validation
}

// Template is a compiled template. It never changes and may be rendered by
// several goroutines at once.
type Template struct {
	src     string
	opt     Options
	body    []stmt
	names   map[string]bool
	words   []string // texts and attribute names it mentions
	filters map[string]*Func
	tests   map[string]*Func
	methods *methodTable
	static  bool
	pool    sync.Pool
}

// Compile reads a template. The error is an [*Error].
func Compile(source string, o Options) (*Template, error) {
	if o.Delimiters == (Delimiters{}) {
		o.Delimiters = StdDelimiters()
	}
	o.Limits = o.Limits.orDefault()
	t := &Template{src: normalize(source), opt: o, names: map[string]bool{}, methods: &methods}
	funcs := maps.Clone(builtinFuncs)
	t.filters, t.tests = builtinFilters, builtinTests
	for _, s := range o.Sets {
		maps.Copy(funcs, s.Funcs)
		t.filters = merged(t.filters, s.Filters)
		t.tests = merged(t.tests, s.Tests)
	}
	p := &parser{t: t, funcs: funcs}
	if len(source) > o.Limits.Source {
		return nil, t.newError(CodeLimit, 0, "", "the template has %d bytes, more than the %d it may have", len(source), o.Limits.Source)
	}
	t.body = p.template()
	if p.err != nil {
		return nil, p.err
	}
	t.static = t.isStatic()
	return t, nil
}

func merged(base, more map[string]*Func) map[string]*Func {
	if len(more) == 0 {
		return base
	}
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

// normalize makes all line ends \n and drops the last one, as Jinja does.
func normalize(src string) string {
	if strings.IndexByte(src, '\r') >= 0 {
		src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	}
	return strings.TrimSuffix(src, "\n")
}

func (t *Template) isStatic() bool {
	for _, s := range t.body {
		if _, ok := s.(*textStmt); !ok {
			return false
		}
	}
	return true
}

// UsesName tells whether the template mentions a variable of that name.
func (t *Template) UsesName(name string) bool { return t.names[name] }

// Names returns the variables and functions the template mentions, sorted.
func (t *Template) Names() []string { return slices.Sorted(maps.Keys(t.names)) }

// IsStatic tells whether the template is nothing but text.
func (t *Template) IsStatic() bool { return t.static }

// Source returns the template's text.
func (t *Template) Source() string { return t.src }

// Render returns the template's text for vars, which may be nil. The error is
// an [*Error]; errors.Is tells [ErrUndefined] and [ErrLimit].
func (t *Template) Render(ctx context.Context, vars Vars) (string, error) {
	return t.RenderWith(ctx, vars, t.opt.Host)
}

// RenderWith is Render with another host than that of the options.
func (t *Template) RenderWith(ctx context.Context, vars Vars, h *Host) (string, error) {
	return t.render(ctx, vars, h, nil)
}

// render keeps a panic, which would be our mistake or the host's, from taking
// down more than this one render. The state it left is not used again.
func (t *Template) render(ctx context.Context, vars Vars, h *Host, p *prober) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = "", t.newError(CodeInternal, 0, "", "internal error: %v", r)
		}
	}()
	st, _ := t.pool.Get().(*state)
	if st == nil {
		st = new(state)
	}
	st.reset(ctx, t, vars, h)
	if st.probe = p; p != nil {
		st.steps = p.allowance()
		st.check = min(st.check, st.steps)
	}
	st.runAll(t.body)
	if t.opt.guard && st.printedSecret {
		st.failHelp(CodeValue, "render nothing to accept, or a text of its own to refuse", "the expression would show a secret to the caller")
	}
	out, err = string(st.out), st.failure()
	if p != nil {
		p.spent(st.steps)
	}
	st.release()
	t.pool.Put(st)
	if err != nil {
		return "", err
	}
	return out, nil
}

func (t *Template) newError(code string, offset int, help, format string, args ...any) *Error {
	e := &Error{Code: code, Offset: offset, Help: help, Msg: sprintf(format, args)}
	if t.opt.Pos != nil {
		e.File, e.Line, e.Col = t.opt.Pos(offset)
	} else {
		e.Line, e.Col = lineCol(t.src, offset)
	}
	return e
}
