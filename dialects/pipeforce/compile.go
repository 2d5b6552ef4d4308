package pipeforce

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/dialects/pipeforce/pel"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

// program is a compiled pipeline. It does not change.
type program struct {
	id      string
	headers *value
	vars    *value
	body    *value
	onError *onError
	trigger *step // nil if it is run by hand
	steps   []*step
	manual  bool // acknowledges by itself
	batch   bool // gets lists of messages
}

// step is a command of a pipeline.
type step struct {
	cmd    *command
	at     jsonpos.Span
	args   map[string]*value
	raw    map[string]*pel.Expr
	cond   *value
	onErr  *onError
	eval   []*pel.Expr
	output []string                // path, from its root on; nil is the body
	given  map[string]jsonpos.Span // the parameters that are given, also wrong ones
}

// onError is what happens when a command fails.
type onError struct {
	mode  string // THROW, IGNORE, LOG, RETRY
	times int
	wait  time.Duration
	then  string
}

// program compiles a pipeline, and gathers all that is wrong.
func (c *compiler) program(id string, cfg *transformConfig) *program {
	p := &program{id: id}
	if v := cfg.Headers.Get("exprPrefix"); v != nil {
		if s, ok := v.Str(); ok && s != "" {
			c.prefixes = []string{s}
		}
	}
	p.headers = c.value(cfg.Headers)
	if v := cfg.Headers.Get("concurrency"); v != nil && (intOf(v) < 1 || intOf(v) > mostConcurrency) {
		c.add(fault(v.Span, "concurrency", "", "concurrency is a number from 1 to %d", mostConcurrency))
	}
	p.vars, p.body = c.value(cfg.Vars), c.value(cfg.Body)
	for _, name := range []string{"onError", "onCommandError"} {
		if v := cfg.Headers.Get(name); v != nil {
			p.onError = c.onError(v)
		}
	}
	ids := map[string]jsonpos.Span{}
	for i, item := range cfg.Pipeline.Elems {
		s := c.item(item, ids)
		switch {
		case s == nil:
		case !s.cmd.trigger:
			p.steps = append(p.steps, s)
		case p.trigger != nil:
			c.add(fault(s.at, "trigger", "make a second pipeline", "a pipeline listens once, and this one does already"))
		case i > 0:
			c.add(fault(s.at, "trigger", "move it to the beginning", "%s must be the first command", s.cmd.name))
		default:
			p.trigger = s
		}
	}
	c.triggers(p)
	return p
}

// item compiles a command: a name, or a name with parameters.
func (c *compiler) item(n *jsonpos.Node, ids map[string]jsonpos.Span) *step {
	switch {
	case n.Kind == jsonpos.String:
		return c.step(n.Text, n.Span, &jsonpos.Node{Kind: jsonpos.Object, Span: n.Span}, ids)
	case n.Kind == jsonpos.Object && len(n.Members) == 1:
		m := n.Members[0]
		return c.step(m.Key, m.KeySpan, m.Value, ids)
	case n.Kind == jsonpos.Object && len(n.Members) > 1:
		c.add(fault(n.Members[1].KeySpan, "command", "begin each command with a dash; parameters stand further to the right than their command",
			"one command is expected here, found %d", len(n.Members)))
	default:
		c.add(fault(n.Span, "command", "for example - log: ${body}", "a command is expected here, found a %s", n.Kind))
	}
	return nil
}

func (c *compiler) step(name string, at jsonpos.Span, params *jsonpos.Node, ids map[string]jsonpos.Span) *step {
	cmd, old := find(name)
	if cmd == nil {
		help := "there are " + strings.Join(names(), ", ")
		if near := textdist.Nearest(name, names()); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		c.add(fault(at, "command", help, "the command %q is not supported", name))
		return nil
	}
	if old {
		c.add(caution(at, "command", "write "+cmd.name, "%s is an old name of %s", name, cmd.name))
	}
	s := &step{cmd: cmd, at: at, args: map[string]*value{}, raw: map[string]*pel.Expr{}, given: map[string]jsonpos.Span{}}
	if cmd.outside {
		c.add(fault(at, "command", "call it at /api/v3/command/"+cmd.name, "%s is called over HTTP, and not in a pipeline", cmd.name))
		return nil
	}
	for _, m := range c.members(cmd, at, params) {
		c.param(s, m, ids)
	}
	for _, p := range cmd.params {
		if _, given := s.given[p.name]; p.required && !given {
			c.add(fault(at, "parameter", p.doc, "%s needs the parameter %s", cmd.name, p.name))
		}
	}
	return s
}

// members are the parameters of a command; a scalar is the one that the command
// has by default.
func (c *compiler) members(cmd *command, at jsonpos.Span, params *jsonpos.Node) []*jsonpos.Member {
	switch {
	case params.Kind == jsonpos.Object:
		return params.Members
	case params.Kind == jsonpos.Null:
		return nil
	case cmd.def != "":
		if name, rest, ok := strings.Cut(params.Text, ":"); ok && params.Kind == jsonpos.String && rest != "" {
			if p, known := cmd.param(name); known {
				c.add(caution(params.Span, "parameter", "write "+name+": and a space, if it is one", "the parameter %s of %s is not given: this is all a text", p.name, cmd.name))
			}
		}
		return []*jsonpos.Member{{Key: cmd.def, KeySpan: at, Value: params}}
	}
	c.add(fault(params.Span, "parameter", "its parameters are "+strings.Join(cmd.paramNames(), ", "), "%s takes no value by itself", cmd.name))
	return nil
}

func (c *compiler) param(s *step, m *jsonpos.Member, ids map[string]jsonpos.Span) {
	p, ok := s.cmd.param(m.Key)
	if !ok {
		help := "its parameters are " + strings.Join(s.cmd.paramNames(), ", ")
		if near := textdist.Nearest(m.Key, s.cmd.paramNames()); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		c.add(fault(m.KeySpan, "parameter", help, "%s has no parameter %q, or it is not supported", s.cmd.name, m.Key))
		return
	}
	if p.deprecated != "" {
		c.add(caution(m.KeySpan, "parameter", p.deprecated, "the parameter %s is deprecated", m.Key))
	}
	s.given[p.name] = m.Value.Span
	switch p.name {
	case "id":
		id := m.Value.Text
		if first, taken := ids[id]; taken {
			c.add(fault(m.Value.Span, "parameter", "", "the id %q is taken already, in line %d", id, first.Start.Line))
		}
		ids[id] = m.Value.Span
	case "if":
		s.cond = c.value(m.Value)
	case "onError":
		s.onErr = c.onError(m.Value)
	case "output":
		s.output = c.output(m.Value)
	case "eval", "expr":
		s.eval = append(s.eval, c.exprs(m.Value)...)
	default:
		c.argument(s, p, m)
	}
}

func (c *compiler) exprs(n *jsonpos.Node) (all []*pel.Expr) {
	list := []*jsonpos.Node{n}
	if n.Kind == jsonpos.Array {
		list = n.Elems
	}
	for _, e := range list {
		if x := c.expr(e); x != nil {
			all = append(all, x)
		}
	}
	return all
}

func (c *compiler) argument(s *step, p param, m *jsonpos.Member) {
	if p.raw {
		if e := c.expr(m.Value); e != nil {
			s.raw[p.name] = e
		}
		return
	}
	c.secrets = p.name == "headers" && strings.HasPrefix(s.cmd.name, "http.")
	v := c.value(m.Value)
	c.secrets = false
	s.args[p.name] = v
	text, plain := plainText(v)
	switch {
	case p.literal && !plain:
		c.add(fault(m.Value.Span, "parameter", "write the value itself", "%s must not hold expressions", p.name))
	case p.enum != nil && plain && text != "" && !slices.Contains(p.enum, strings.ReplaceAll(text, " ", "")):
		help := "one of " + strings.Join(p.enum, "; ")
		if near := textdist.Nearest(text, p.enum); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		c.add(fault(m.Value.Span, "parameter", help, "%s cannot be %q", p.name, text))
	}
}

// plainText is the text of a value without expressions, and whether it is one.
func plainText(v *value) (string, bool) {
	switch {
	case v == nil:
		return "", true
	case v.kind == jsonpos.String && v.text == nil:
		return "", false
	case v.kind == jsonpos.String:
		return v.text.Literal()
	case v.kind == jsonpos.Null:
		return "", true
	case v.kind == jsonpos.Bool, v.kind == jsonpos.Number:
		return string(v.node.AppendJSON(nil)), true
	}
	return "", false
}

// output reads where the result of a command goes.
func (c *compiler) output(n *jsonpos.Node) []string {
	e := c.expr(n)
	if e == nil {
		return nil
	}
	path, ok := e.Path()
	if !ok || path[0] != "body" && path[0] != "vars" || path[0] == "vars" && len(path) == 1 {
		c.add(fault(n.Span, "output", "for example ${vars.answer}", "a result goes to the body, or to something in vars"))
		return nil
	}
	return path
}

// onError reads what happens when a command fails: an action, or a dict with
// action, times, wait in seconds and then.
func (c *compiler) onError(n *jsonpos.Node) *onError {
	e := &onError{mode: n.Text, times: 1, wait: 3 * time.Second, then: "THROW"}
	if n.Kind == jsonpos.Object {
		e.mode, _ = n.Get("action").Str()
	}
	e.mode = strings.ToUpper(e.mode)
	modes := []string{"THROW", "IGNORE", "LOG", "RETRY"}
	if !slices.Contains(modes, e.mode) {
		c.add(fault(n.Span, "on-error", "one of "+strings.Join(modes, ", ")+", or {action: RETRY, times: 3, wait: 2, then: THROW}", "onError cannot be %s", n.AppendJSON(nil)))
		return nil
	}
	for _, m := range n.Members {
		number, err := strconv.ParseFloat(m.Value.Text, 64)
		isNumber := err == nil && m.Value.Kind == jsonpos.Number
		switch {
		case m.Key == "action":
		case m.Key == "times" && isNumber && number >= 0 && number <= 100:
			e.times = int(number)
		case m.Key == "wait" && isNumber && number >= 0 && number <= 3600:
			e.wait = time.Duration(number * float64(time.Second))
		case m.Key == "then" && slices.Contains(modes[:3], strings.ToUpper(m.Value.Text)):
			e.then = strings.ToUpper(m.Value.Text)
		default:
			c.add(fault(m.Value.Span, "on-error", "times is 0 to 100, wait up to 3600 seconds, then THROW, IGNORE or LOG", "%s of RETRY cannot be %s", m.Key, m.Value.AppendJSON(nil)))
		}
	}
	return e
}

// triggers checks what begins the pipeline.
func (c *compiler) triggers(p *program) {
	if p.trigger == nil {
		return
	}
	a := func(name string) (string, *value) {
		v := p.trigger.args[name]
		s, _ := plainText(v)
		return s, v
	}
	for name, most := range map[string]int{"maxBatchSize": 204800, "maxBatchItems": 10000} {
		s, v := a(name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n > most {
			c.add(fault(v.at, "parameter", "", "%s must be a number up to %d", name, most))
		}
		p.batch = p.batch || n > 0
	}
	auto, v := a("autoack")
	if p.manual = auto == "false"; p.manual && p.batch {
		c.add(fault(v.at, "parameter", "leave out maxBatchItems and maxBatchSize", "a pipeline that acknowledges by itself cannot have batches"))
	}
	if e := p.trigger.raw["selector"]; e != nil && (e.Names("body") || e.Names("payload")) {
		c.add(fault(p.trigger.given["selector"], "selector", "choose by headers, or use if in the commands", "a selector may look at headers only"))
	}
	if q, v := a("queue"); q != "" && p.trigger.cmd.name == "message.receive" {
		if m, _ := a("manageQueue"); m == "false" {
			c.add(caution(v.at, "queue", "", "queues are places in a topic here, and %q is made if it is not there", q))
		}
	}
	for _, s := range p.steps {
		if strings.HasPrefix(s.cmd.name, "message.") && slices.Contains([]string{"message.ack", "message.nack", "message.drop"}, s.cmd.name) && !p.manual {
			c.add(fault(s.at, "acknowledge", `add "autoack: false" to message.receive`, "%s has a meaning only where messages are not acknowledged by themselves", s.cmd.name))
		}
	}
}
