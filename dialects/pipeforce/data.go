package pipeforce

import (
	"context"
	"errors"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/systems"
)

func dataCommands() []command {
	input := param{name: "input", raw: true, doc: "Expression of what is worked on; else the body is."}
	format := param{name: "format", literal: true, enum: []string{"auto", "none"}, doc: "auto reads a text that is JSON as what it says; none leaves texts alone."}
	return []command{
		{name: "set", def: "value", open: true, result: true, run: set, doc: "Sets a value, where output says.",
			params: []param{{name: "value", required: true, doc: "The value."}, input}},
		{name: "body.set", aliases: []string{"set.body", "body"}, def: "value", open: true, result: true, run: setBody, doc: "Sets the body.",
			params: []param{{name: "value", doc: "The value; else null."}, format}},
		{name: "var.set", aliases: []string{"set.var", "var"}, open: true, run: setVar, doc: "Sets a variable.",
			params: []param{{name: "key", required: true, doc: "Name of the variable."}, {name: "value", required: true, doc: "Its value."}, format}},
		{name: "data.list.filter", open: true, result: true, run: filterList, doc: "Takes out of a list what an expression is true of.",
			params: []param{{name: "exclude", required: true, raw: true, doc: "Expression over vars.item, the element."}, {name: "iterItemName", literal: true, doc: "Another name than item."}, input}},
		{name: "data.list.limit", open: true, result: true, run: limitList, doc: "Keeps the first elements of a list.",
			params: []param{{name: "maxLength", required: true, doc: "How many."}, input}},
		{name: "eval", def: "expr", open: true, run: evalAll, doc: "Evaluates expressions.",
			params: []param{{name: "expr", required: true, raw: true, doc: "The expression."}}},
		{name: "log", def: "message", open: true, run: logNote, doc: "Writes to the log of the run.",
			params: []param{{name: "message", doc: "What is logged; else the body."}, {name: "level", literal: true, enum: []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR"}, doc: "Its level."},
				{name: "suffix", literal: true, doc: "Has no effect: a run's log names its pipeline."}}},
		{name: "wait", def: "ms", open: true, run: wait, doc: "Waits.", params: []param{{name: "ms", doc: "Milliseconds; else 100."}}},
		{name: "exit", open: true, run: exit, doc: "Leaves the pipeline."},
		{name: "error", def: "message", open: true, run: raise, doc: "Fails the pipeline.",
			params: []param{{name: "message", required: true, doc: "What the error says."}, {name: "type", doc: "What kind it is."}}},
	}
}

func set(_ context.Context, _ *exec, a args) (entity.Value, error) { return a.values["value"], nil }

func setBody(_ context.Context, _ *exec, a args) (entity.Value, error) { return a.formatted(), nil }

// formatted is the value, of a text that is JSON what that says.
func (a args) formatted() entity.Value {
	v := a.values["value"]
	t := strings.TrimSpace(v.Text())
	if v.Kind() != entity.String || a.text("format") == "none" || t == "" || !strings.ContainsRune("{[", rune(t[0])) {
		return v
	}
	if read, err := entity.Decode(nil, []byte(t), entity.DecodeOptions{Plain: true}); err == nil {
		return read
	}
	return v
}

func setVar(_ context.Context, x *exec, a args) (entity.Value, error) {
	x.vars = with(x.vars, []string{a.text("key")}, a.formatted())
	return entity.Value{}, nil
}

func filterList(_ context.Context, x *exec, a args) (entity.Value, error) {
	list, err := a.input(x)
	if err == nil && list.Kind() != entity.List {
		err = errors.New("a list is expected to be filtered, found a " + list.Kind().String())
	}
	if err != nil {
		return list, err
	}
	if a.step == nil {
		return list, errors.New("lists can be filtered in pipelines only")
	}
	name := a.text("iterItemName")
	if name == "" {
		name = "item"
	}
	var kept []entity.Value
	for _, e := range list.Elems() {
		s := x.scope()
		s.Roots["vars"] = with(x.vars, []string{name}, e)
		out, err := a.step.raw["exclude"].Eval(s)
		if err != nil {
			return list, err
		}
		if out.Kind() != entity.Bool || !out.Bool() {
			kept = append(kept, e)
		}
	}
	return entity.NewList(kept...), nil
}

func limitList(_ context.Context, x *exec, a args) (entity.Value, error) {
	list, err := a.input(x)
	if err != nil {
		return list, err
	}
	most, err := a.number("maxLength", 0)
	if err == nil && (list.Kind() != entity.List || most < 0) {
		err = errors.New("a list and a number from 0 on are expected")
	}
	if err != nil {
		return list, err
	}
	return entity.NewList(list.Elems()[:min(most, int64(list.Len()))]...), nil
}

// evalAll has nothing to do in a pipeline: its expressions are evaluated like those
// of every command's eval.
func evalAll(_ context.Context, _ *exec, a args) (entity.Value, error) {
	if a.step == nil {
		return entity.Value{}, errors.New("expressions can be evaluated in pipelines only")
	}
	return entity.Value{}, nil
}

func logNote(_ context.Context, x *exec, a args) (entity.Value, error) {
	level := a.text("level")
	if level == "" {
		level = "INFO"
	}
	v, given := a.values["message"]
	if !given {
		v = x.body
	}
	x.note(level, string(entity.AppendBare(nil, v)))
	return entity.Value{}, nil
}

// longestWait bounds what a pipeline may wait.
const longestWait = 10 * time.Minute

func wait(ctx context.Context, _ *exec, a args) (entity.Value, error) {
	ms, err := a.number("ms", 100)
	if err == nil && (ms < 0 || time.Duration(ms)*time.Millisecond > longestWait) {
		err = badParam("ms", "must be 0 to %d", longestWait.Milliseconds())
	}
	if err != nil {
		return entity.Value{}, err
	}
	return entity.Value{}, systems.Sleep(ctx, time.Duration(ms)*time.Millisecond)
}

func exit(_ context.Context, x *exec, _ args) (entity.Value, error) {
	x.done = true
	return entity.Value{}, nil
}

func raise(_ context.Context, _ *exec, a args) (entity.Value, error) {
	kind := a.text("type")
	if kind == "" {
		kind = "PipelineException"
	}
	return entity.Value{}, &problem{500, kind, errors.New(a.text("message"))}
}

// readBody reads what has a content type: JSON as what it says, texts as they
// are, anything else as bytes.
func readBody(contentType string, data []byte) (entity.Value, error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case len(data) == 0:
		return entity.Value{}, nil
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return entity.Decode(nil, data, entity.DecodeOptions{Plain: true, FloatAsDecimal: true})
	case utf8.Valid(data):
		return entity.NewString(string(data)), nil
	}
	return entity.NewBytes(data), nil
}
