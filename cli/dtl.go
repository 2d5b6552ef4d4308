package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

type dtlCmd struct {
	Expr     string `help:"An expression, as JSON." placeholder:"JSON" xor:"what"`
	Rules    string `help:"Rules, or one list of transforms." placeholder:"@FILE" xor:"what"`
	List     bool   `help:"List all functions." xor:"what"`
	Source   string `help:"The source entity (_S), or a list or lines of them; - reads standard input." placeholder:"JSON"`
	Target   string `help:"The target entity (_T) to begin with." placeholder:"JSON"`
	Datasets string `help:"Datasets to hop to, as {\"name\": [entities]}." placeholder:"@FILE"`
	Config   string `help:"Settings of the pipe the rule stands in." placeholder:"JSON"`
}

// Run works out an expression, or runs rules over entities.
func (c *dtlCmd) Run(ctx context.Context, s *stdio) error {
	lib, err := stdlib.Lib()
	if err != nil {
		return err
	}
	p := &prompt{s: s, o: dtl.Options{Lib: lib}, host: &dtl.MemHost{Datasets: map[string][]entity.Value{}, Clock: time.Now}}
	switch {
	case c.List:
		for _, name := range lib.Names() {
			f, _ := lib.Func(name)
			fmt.Fprintf(s.out, "%-18s %s\n", name, f.Doc)
		}
		return nil
	case c.Expr == "" && c.Rules == "":
		return usage("one of --expr, --rules and --list is needed")
	}
	if err := p.configure(c); err != nil {
		return err
	}
	if c.Expr != "" {
		return p.expr(ctx, c)
	}
	return p.run(ctx, c)
}

// prompt is DTL without a node around it.
type prompt struct {
	s        *stdio
	o        dtl.Options
	host     *dtl.MemHost
	rules    *jsonpos.Node
	previous entity.Value
	params   entity.Value
}

func (p *prompt) node(name, arg string) (*jsonpos.Node, error) {
	data, err := p.s.text(arg)
	if err != nil {
		return nil, err
	}
	if len(arg) > 1 && arg[0] == '@' {
		name = arg[1:]
	}
	n, errs := jsonpos.Parse(name, data)
	if errs != nil {
		e := errs[0]
		if e.Help != "" {
			return nil, failed(fmt.Errorf("%w; %s", e, e.Help))
		}
		return nil, failed(e)
	}
	return n, nil
}

// configure reads --config and --datasets, with the keys of the conformance
// cases.
func (p *prompt) configure(c *dtlCmd) error {
	p.params = entity.NewDict()
	if c.Config != "" {
		n, err := p.node("--config", c.Config)
		if err != nil {
			return err
		}
		if err := p.settings(n); err != nil {
			return err
		}
	}
	if c.Datasets == "" {
		return nil
	}
	n, err := p.node("--datasets", c.Datasets)
	if err != nil {
		return err
	}
	for _, m := range n.Members {
		v, err := dtl.Literal(m.Value)
		if err != nil {
			return failed(err)
		}
		p.host.Datasets[m.Key] = v.Elems()
	}
	return nil
}

func (p *prompt) value(arg string) (entity.Value, error) {
	if arg == "" {
		return entity.NewDict(), nil
	}
	data, err := p.s.text(arg)
	if err != nil {
		return entity.Value{}, err
	}
	v, err := entity.Decode(nil, data, entity.DecodeOptions{})
	if err != nil {
		return v, failed(err)
	}
	return v, nil
}

func (p *prompt) refuse(finds diag.List) error {
	printFindings(p.s, finds, 1)
	return failed(nil)
}

func (p *prompt) expr(ctx context.Context, c *dtlCmd) error {
	n, err := p.node("--expr", c.Expr)
	if err != nil {
		return err
	}
	e, finds := dtl.CompileExpr(n, p.rules, p.o)
	if e == nil {
		return p.refuse(finds)
	}
	source, err1 := p.value(c.Source)
	target, err2 := p.value(c.Target)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p.remember(source)
	r := dtl.NewRun(e.Program(), p.host)
	r.SetParams(p.params)
	v, err := r.Eval(ctx, e, source, target, nil)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintln(p.s.out, v)
	return nil
}

func (p *prompt) remember(source entity.Value) {
	if id, ok := entity.ID(source); ok && !p.previous.IsNull() {
		p.host.Earlier = map[string]entity.Value{id: p.previous}
	}
}

// maxEntity bounds one entity at the prompt, in bytes.
const maxEntity = 100 << 20

// run runs rules over a stream of entities and prints what comes out as lines.
func (p *prompt) run(ctx context.Context, c *dtlCmd) error {
	n, err := p.node("--rules", c.Rules)
	if err != nil {
		return err
	}
	if p.rules != nil && n.Kind == jsonpos.Array {
		n = &jsonpos.Node{Kind: jsonpos.Object, Members: append([]*jsonpos.Member{{Key: "default", Value: n}}, p.rules.Members...)}
	}
	prog, finds := dtl.CompileRules(n, p.o)
	if prog == nil {
		return p.refuse(finds)
	}
	text, err := p.s.text(c.Source)
	if err != nil {
		return err
	}
	r, a := dtl.NewRun(prog, p.host), entity.NewArena()
	r.SetParams(p.params)
	for line, err := range entity.Texts(bytes.NewReader(text), maxEntity) {
		if err != nil {
			return failed(err)
		}
		a.Reset()
		v, err := entity.Decode(a, line, entity.DecodeOptions{})
		if err != nil {
			return failed(err)
		}
		p.remember(v)
		in, out := &entity.Batch{Arena: a, Entities: []entity.Value{v}}, &entity.Batch{}
		if err := r.Transform(ctx, in, out); err != nil {
			return failed(err)
		}
		for _, e := range out.Entities {
			fmt.Fprintln(p.s.out, e)
		}
	}
	return nil
}
