package pipeforce

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/entity"
)

// param is a parameter of a command.
type param struct {
	name       string
	aliases    []string
	required   bool
	raw        bool // it is an expression to be evaluated by the command
	literal    bool // it may hold no expression
	deprecated string
	enum       []string
	doc        string
}

// command is what a pipeline can be made of.
type command struct {
	name    string
	aliases []string
	// old are aliases that are warned of.
	old []string
	// def is the parameter that a command with a scalar stands for.
	def    string
	params []param
	// open tells that everybody may run it; else the permission named after the
	// command is needed.
	open bool
	// trigger tells that it stands at the beginning of a pipeline, and nowhere else.
	trigger bool
	// result tells that it has one, which becomes the body, or goes to output.
	result bool
	// door tells that it may be called over HTTP.
	door bool
	// outside tells that it may be called over HTTP only.
	outside bool
	doc     string
	run     func(ctx context.Context, x *exec, a args) (entity.Value, error)
}

// permission is what one needs to run the command.
func (c *command) permission() string {
	if c.open {
		return ""
	}
	b := []byte(commandPrefix + c.name)
	for i := range b {
		if b[i] == '.' {
			b[i] = '_'
		}
	}
	return string(b)
}

// common are parameters that every command has.
func common(c *command) []param {
	all := []param{
		{name: "id", literal: true, doc: "Name of the command, unique in the pipeline."},
		{name: "if", doc: "Whether the command runs: not if it is false, a negative number, null or empty."},
		{name: "onError", doc: "THROW, IGNORE, LOG, RETRY or {RETRY: {times, wait, then}}."},
		{name: "eval", raw: true, doc: "Expression that is evaluated after the command."},
	}
	if c.result {
		all = append(all, param{name: "output", raw: true, doc: "Where the result goes, such as ${vars.x}; else it is the body."})
	}
	return all
}

// param finds a parameter by one of its names.
func (c *command) param(name string) (param, bool) {
	for _, p := range append(slices.Clone(c.params), common(c)...) {
		if p.name == name || slices.Contains(p.aliases, name) {
			return p, true
		}
	}
	return param{}, false
}

// paramNames are those that may be given.
func (c *command) paramNames() (names []string) {
	for _, p := range append(slices.Clone(c.params), common(c)...) {
		names = append(names, p.name)
	}
	return names
}

// find returns a command by one of its names, and whether the name is an old one.
func find(name string) (c *command, old bool) {
	all := commands()
	for i := range all {
		c := &all[i]
		switch {
		case c.name == name || slices.Contains(c.aliases, name):
			return c, false
		case slices.Contains(c.old, name):
			return c, true
		}
	}
	return nil, false
}

// names are those of all commands.
func names() (all []string) {
	for _, c := range commands() {
		all = append(all, c.name)
	}
	slices.Sort(all)
	return all
}

// commands are all there are.
func commands() []command {
	return slices.Concat(triggers(), webhookCommands(), messageCommands(), asyncCommands(), outwardCommands(), dataCommands())
}

// triggers begin a pipeline.
func triggers() []command {
	return []command{
		{name: "event.listen", old: []string{"event.receive"}, def: "eventKey", trigger: true, open: true,
			doc: "Runs the pipeline for each event of a key.",
			params: []param{
				{name: "eventKey", aliases: []string{"key"}, required: true, literal: true, doc: "Key of the events."},
				{name: "selector", raw: true, doc: "Expression over the headers that must be true."},
				{name: "filter", raw: true, deprecated: "use selector instead", doc: "Expression over the event that must be true."},
			}},
		{name: "message.receive", old: []string{"message.listen"}, def: "key", trigger: true, open: true,
			doc: "Runs the pipeline for each message whose key fits a pattern, or for batches of them.",
			params: []param{
				{name: "key", required: true, literal: true, doc: "Pattern of keys: * is one word, # any number."},
				{name: "exchange", literal: true, doc: "Topic that is read."},
				{name: "queue", literal: true, doc: "Name of the place in the topic that is kept."},
				{name: "deleteQueue", literal: true, deprecated: "use manageQueue instead", enum: []string{"true", "false"}, doc: "Whether the queue goes with the pipeline."},
				{name: "manageQueue", aliases: []string{"managed"}, literal: true, enum: []string{"create", "false", "delete", "create,delete"}, doc: "Who makes and removes the queue."},
				{name: "maxBatchSize", literal: true, doc: "Bytes of a batch, 204800 at the most."},
				{name: "maxBatchItems", literal: true, doc: "Messages of a batch."},
				{name: "autoack", literal: true, enum: []string{"true", "false"}, doc: "Whether the message is acknowledged by the pipeline's end alone."},
			}},
	}
}
