package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/internal/textdist"
)

// askFlags say whom to ask about pipes: a node that is served, or a folder.
type askFlags struct {
	Node    string `help:"Address of a served node, for example http://127.0.0.1:9042. Without it the node folder is asked, or the node that serves it." placeholder:"URL"`
	Data    string `help:"Folder of the datasets; by default .data in the node folder."`
	Profile string `help:"Which <profile>-env.json to read." default:"test"`
	Format  string `enum:"text,json" default:"text" help:"text or json."`
}

type whyCmd struct {
	Args []string `arg:"" help:"[DIR] PIPE."`
	askFlags
}

type pipesCmd struct {
	Dir string `arg:"" optional:"" default:"." help:"Node folder."`
	askFlags
}

// told is what is known of a pipe. It is also the JSON of the commands.
type told struct {
	Pipe     string `json:"pipe"`
	Running  bool   `json:"running"`
	Disabled bool   `json:"disabled"`
	Mode     string `json:"mode"`
	Due      string `json:"next_run,omitempty"`
	Failure  string `json:"last_error,omitempty"`
	Code     string `json:"code"`
	Why      string `json:"why,omitempty"`
}

func (t told) sentence() string {
	if t.Running {
		return "it is running"
	}
	return t.Why
}

// Run says in one sentence why a pipe is not running.
func (c *whyCmd) Run(ctx context.Context, s *stdio) error {
	dir, id := ".", c.Args[0]
	switch {
	case len(c.Args) == 2:
		dir, id = c.Args[0], c.Args[1]
	case len(c.Args) > 2:
		return usage("one folder and one pipe are expected, not %q", c.Args)
	}
	all, err := c.ask(ctx, s, dir)
	if err != nil {
		return err
	}
	var ids []string
	for _, t := range all {
		if t.Pipe == id {
			return c.print(s, t, id+": "+t.sentence())
		}
		ids = append(ids, t.Pipe)
	}
	return noPipe(id, ids)
}

// noPipe is the mistake of naming a pipe that there is not.
func noPipe(id string, known []string) error {
	if near := textdist.Nearest(id, known); near != "" {
		return usage("there is no pipe %q; did you mean %q?", id, near)
	}
	return usage("there is no pipe %q", id)
}

// Run lists all pipes, each with what it is doing or why it is not.
func (c *pipesCmd) Run(ctx context.Context, s *stdio) error {
	all, err := c.ask(ctx, s, c.Dir)
	if err != nil {
		return err
	}
	width := 0
	for _, t := range all {
		width = max(width, len(t.Pipe))
	}
	for _, t := range all {
		if err := c.print(s, t, fmt.Sprintf("%-*s  %-15s  %s", width, t.Pipe, t.Code, t.sentence())); err != nil {
			return err
		}
	}
	return nil
}

// print writes a line of text, or of JSON if that was asked for.
func (f *askFlags) print(s *stdio, t told, text string) error {
	if f.Format == "json" {
		return json.NewEncoder(s.out).Encode(t)
	}
	_, err := fmt.Fprintln(s.out, text)
	return err
}

// ask returns what is known of all pipes, from the node or from the folder.
func (f *askFlags) ask(ctx context.Context, s *stdio, dir string) ([]told, error) {
	if f.Node != "" {
		return askNode(ctx, f.Node)
	}
	flags := nodeFlags{Dir: dir, Data: f.Data, Profile: f.Profile}
	var o engine.Options
	if made(flags.dataDir()) {
		st, node, err := openFolder(flags.dataDir(), true)
		switch {
		case err != nil:
			return nil, err
		case st == nil: // whatever the files say now
			return askNode(ctx, node)
		}
		defer st.Close()
		o.Store = st
	}
	var err error
	if o.Sets, err = standardSets(); err != nil {
		return nil, err
	}
	if o.Config, err = flags.read(ctx, s, o.Sets, nil); err != nil {
		return nil, err
	}
	return explain(ctx, o)
}

func explain(ctx context.Context, o engine.Options) ([]told, error) {
	all, err := engine.Explain(ctx, o)
	if err != nil {
		return nil, err
	}
	list := make([]told, len(all))
	for i, st := range all {
		list[i] = told{Pipe: st.Pipe, Running: st.Running, Disabled: st.Disabled, Mode: st.Mode, Code: string(st.Why.Code), Why: st.Why.Text}
		if !st.Due.IsZero() {
			list[i].Due = st.Due.UTC().Format(time.RFC3339)
		}
		if st.LastErr != nil {
			list[i].Failure = st.LastErr.Error()
		}
	}
	return list, nil
}
