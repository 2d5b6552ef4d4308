package pipeforce

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/dialects/pipeforce/pel"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/messages"
	"github.com/sluiceio/sluice/systems"
)

// verdict is what a pipeline says of the message it was given.
type verdict uint8

const (
	undecided verdict = iota
	acked
	nacked
	dropped
)

// exec is a pipeline under way: it serves one goroutine.
type exec struct {
	rt      *runtime
	program *program // nil for a command that was called over HTTP
	user    *user
	body    entity.Value
	vars    entity.Value
	headers entity.Value
	request entity.Value
	ids     ids
	verdict verdict
	done    bool   // the pipeline was left
	step    int    // the number of the command under way
	logged  []note // what log says
	noted   int    // bytes of it
}

// ids are by what a run is found again.
type ids struct {
	correlation, trace, message string
}

// note is a line of a run's log.
type note struct{ level, text string }

// scope is what expressions see.
func (x *exec) scope() *pel.Scope {
	return &pel.Scope{User: x.user.value(), Now: x.rt.now(), Roots: map[string]entity.Value{
		"body": x.body, "vars": x.vars, "headers": x.headers, "request": x.request,
	}}
}

// stepError is a command that failed.
type stepError struct {
	cmd   string
	at    jsonpos.Span
	cause error
}

// Error tells command, place and cause.
func (e *stepError) Error() string {
	var placed *placedError
	if errors.As(e.cause, &placed) {
		return fmt.Sprintf("%s: %v", e.cmd, e.cause)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %v", e.at.File, e.at.Start.Line, e.at.Start.Col, e.cmd, e.cause)
}

// Unwrap returns the cause.
func (e *stepError) Unwrap() error { return e.cause }

// run runs the pipeline from its first command to its end.
func (x *exec) run(ctx context.Context) error {
	p := x.program
	if err := x.begin(); err != nil {
		return err
	}
	for i, s := range p.steps {
		if x.done {
			return nil
		}
		x.step = i
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.tried(ctx, s); err != nil {
			return &stepError{s.cmd.name, s.at, err}
		}
	}
	return nil
}

// begin sets up headers, variables and body as the file has them.
func (x *exec) begin() error {
	p := x.program
	if p.headers != nil {
		v, err := p.headers.eval(x)
		if err != nil {
			return err
		}
		x.headers = merged(v, x.headers)
	}
	x.vars = entity.NewDict()
	if p.vars != nil {
		v, err := p.vars.eval(x)
		if err != nil {
			return err
		}
		x.vars = merged(v, x.vars)
	}
	if p.body != nil && p.trigger == nil {
		v, err := p.body.eval(x)
		if err != nil {
			return err
		}
		x.body = v
	}
	return nil
}

// merged is a dict with the members of both; those of over win.
func merged(under, over entity.Value) entity.Value {
	var all []entity.Member
	all = append(all, under.Object().Members()...)
	all = append(all, over.Object().Members()...)
	return entity.NewDict(all...)
}

// tried runs a command, again if onError says so.
func (x *exec) tried(ctx context.Context, s *step) error {
	on := s.onErr
	if on == nil {
		on = x.program.onError
	}
	err := x.once(ctx, s)
	if err == nil || on == nil || ctx.Err() != nil {
		return err
	}
	mode := on.mode
	if mode == "RETRY" {
		for range on.times {
			if err = systems.Sleep(ctx, on.wait); err != nil {
				return err
			}
			if err = x.once(ctx, s); err == nil {
				return nil
			}
		}
		mode = on.then
	}
	switch mode {
	case "IGNORE":
		x.note("WARN", fmt.Sprintf("%s failed and was ignored: %v", s.cmd.name, err))
		return nil
	case "LOG":
		x.note("ERROR", fmt.Sprintf("%s failed: %v", s.cmd.name, err))
		return nil
	}
	return err
}

// once runs a command unless its condition says no.
func (x *exec) once(ctx context.Context, s *step) error {
	if s.cond != nil {
		v, err := s.cond.eval(x)
		if err != nil || !enabled(v) {
			return err
		}
	}
	a := args{values: map[string]entity.Value{}, step: s}
	for name, v := range s.args {
		if s.cmd.name == "message.send" && name == "payload" || hasSecrets(v) {
			continue // the command evaluates it
		}
		var err error
		if a.values[name], err = v.eval(x); err != nil {
			return err
		}
	}
	out, err := x.command(ctx, s.cmd, a)
	if err != nil {
		return err
	}
	if s.cmd.result {
		x.put(s.output, out)
	}
	for _, e := range s.eval {
		if _, err := e.Eval(x.scope()); err != nil {
			return fmt.Errorf("eval: %w", err)
		}
	}
	return nil
}

// command runs a command if the user may.
func (x *exec) command(ctx context.Context, c *command, a args) (entity.Value, error) {
	if p := c.permission(); p != "" && !x.user.may(p) {
		return entity.Value{}, problemf(403, "PermissionException", "the user %s has no permission %s; iam.run.as raises a pipeline that was triggered", x.user.name, p)
	}
	return c.run(ctx, x, a)
}

// enabled tells whether the value of `if` lets a command run.
func enabled(v entity.Value) bool {
	switch v.Kind() {
	case entity.Null:
		return false
	case entity.Bool:
		return v.Bool()
	case entity.String:
		return v.Text() != "" && v.Text() != "false"
	case entity.Int, entity.Float, entity.Decimal:
		return v.Float64() >= 0 || entity.Compare(v, entity.NewInt(0)) >= 0
	}
	return true
}

func hasSecrets(v *value) bool {
	if v == nil {
		return false
	}
	if v.secret != "" {
		return true
	}
	for _, m := range append(v.members, v.elems...) {
		if hasSecrets(m) {
			return true
		}
	}
	return false
}

// put stores the result of a command.
func (x *exec) put(path []string, v entity.Value) {
	switch {
	case path == nil:
		x.body = v
	case path[0] == "vars":
		x.vars = with(x.vars, path[1:], v)
	default:
		x.body = with(x.body, path[1:], v)
	}
}

// with is a value with another one at a path within it.
func with(in entity.Value, path []string, v entity.Value) entity.Value {
	if len(path) == 0 {
		return v
	}
	inner, _ := in.Get(path[0])
	member := entity.Member{Key: path[0], Value: with(inner, path[1:], v)}
	return entity.NewDict(append(append([]entity.Member(nil), in.Object().Members()...), member)...)
}

// mostNoted bounds what a run may log, in bytes.
const mostNoted = 64 << 10

func (x *exec) note(level, text string) {
	text = strings.ToValidUTF8(text[:min(len(text), mostNoted-x.noted)], "")
	if x.noted += len(text); text != "" {
		x.logged = append(x.logged, note{level, strings.Clone(text)})
	}
}

// input is what a command works on: what its parameter input says, else the body.
func (a args) input(x *exec) (entity.Value, error) {
	if a.step != nil {
		if e := a.step.raw["input"]; e != nil {
			v, err := e.Eval(x.scope())
			if err != nil {
				return v, fmt.Errorf("input: %w", err)
			}
			return v, nil
		}
	}
	return x.body, nil
}

// ofMessage begins a run for a message, or for a batch of them.
func (x *exec) ofMessage(all []messages.Message) {
	if !x.program.batch {
		x.body, x.headers = all[0].Body, all[0].Headers
		x.ids.message = all[0].ID
	} else {
		bodies := make([]entity.Value, len(all))
		for i, m := range all {
			bodies[i] = m.Body
		}
		x.body = entity.NewList(bodies...)
		x.ids.message = all[0].ID
	}
	x.ids.correlation, x.ids.trace = name(x.body, "correlationId"), name(x.body, "traceId")
}

// name is a member that names something; "" if it is none, or too long for one.
func name(of entity.Value, key string) string {
	if text := str(of, key); len(text) <= mostToken {
		return strings.Clone(text)
	}
	return ""
}
