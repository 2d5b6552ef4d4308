package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
)

type failedCmd struct {
	Args    []string `arg:"" help:"[DIR] show | repost | discard, a PIPE, and perhaps ids of entities to repost."`
	Node    string   `help:"Address of a served node, for example http://127.0.0.1:9042. Without it the node folder is used, or the node that serves it." placeholder:"URL"`
	Data    string   `help:"Folder of the datasets; by default .data in the node folder."`
	Profile string   `help:"Which <profile>-env.json and <profile>-secrets.json to read." default:"test"`
}

// Run tells of a pipe's failed entities, has them tried again, or gives them up.
func (c *failedCmd) Run(ctx context.Context, s *stdio) error {
	words := []string{"show", "repost", "discard"}
	dir, args := ".", c.Args
	if len(args) > 0 && !slices.Contains(words, args[0]) {
		dir, args = args[0], args[1:]
	}
	if len(args) < 2 || !slices.Contains(words, args[0]) {
		return usage("what to do is missing: show, repost or discard, and a pipe")
	}
	do, pipe, ids := args[0], args[1], args[2:]
	flags := nodeFlags{Dir: dir, Data: c.Data, Profile: c.Profile}
	st, node, err := reach(c.Node, flags.dataDir(), true)
	switch {
	case err != nil:
		return err
	case st == nil:
		return askFailed(ctx, s, node, do, pipe, ids)
	}
	st.Close()
	return c.offline(ctx, s, flags, do, pipe, ids)
}

// offline works on a folder that no node is using.
func (c *failedCmd) offline(ctx context.Context, s *stdio, flags nodeFlags, do, pipe string, ids []string) error {
	n, err := flags.open(ctx, s)
	if err != nil {
		return err
	}
	defer n.close()
	p, ok := n.Pipe(pipe)
	if !ok {
		return noPipe(pipe, n.Pipes())
	}
	switch do {
	case "repost":
		_, err = n.Repost(ctx, pipe, ids)
	case "discard":
		_, err = n.DiscardRetries(ctx, pipe)
	}
	if err != nil {
		return failed(err)
	}
	waiting, dead, err := p.Failures(ctx)
	if err != nil {
		return failed(err)
	}
	return tellFailed(s, pipe, waiting, dead)
}

func tellFailed(s *stdio, pipe string, waiting, dead int) error {
	_, err := fmt.Fprintf(s.out, "%s: %d wait for another try, %d were given up; see the dataset system:retry:%s\n", pipe, waiting, dead, pipe)
	return err
}

// askFailed has a served node do it.
func askFailed(ctx context.Context, s *stdio, node, do, pipe string, ids []string) error {
	form := url.Values{"operation": {"repost"}, "entity": ids}
	switch do {
	case "show":
		form = nil
	case "discard":
		form = url.Values{"operation": {"discard-retries"}}
	}
	var said struct {
		Runtime struct {
			Failed struct{ Retryable, Dead int } `json:"failed-entities"`
		} `json:"runtime"`
	}
	if err := answer(ctx, node, "pipes/"+url.PathEscape(pipe)+"/pump", form, &said); err != nil {
		if known := named(ctx, node, "pipes", pipe, err); known != nil {
			return noPipe(pipe, known)
		}
		return err
	}
	return tellFailed(s, pipe, said.Runtime.Failed.Retryable, said.Runtime.Failed.Dead)
}
