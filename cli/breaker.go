package cli

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

type breakerCmd struct {
	Args []string `arg:"" help:"[DIR] show | commit | rollback, and a DATASET."`
	Node string   `help:"Address of a served node, for example http://127.0.0.1:9042. Without it the node folder is used, or the node that serves it." placeholder:"URL"`
	Data string   `help:"Folder of the datasets; by default .data in the node folder."`
}

// Run says what a circuit breaker holds back, publishes it or drops it.
func (c *breakerCmd) Run(ctx context.Context, s *stdio) error {
	dir, args := ".", c.Args
	if len(args) == 3 {
		dir, args = args[0], args[1:]
	}
	if len(args) != 2 {
		return usage("what to do is missing: show, commit or rollback, and a dataset")
	}
	do, dataset := args[0], args[1]
	if do != "show" && do != "commit" && do != "rollback" {
		return usage("unknown word %q: show, commit or rollback", do)
	}
	flags := nodeFlags{Dir: dir, Data: c.Data}
	st, node, err := reach(c.Node, flags.dataDir(), do == "show")
	switch {
	case err != nil:
		return err
	case st == nil:
		return askBreaker(ctx, s, node, do, dataset)
	}
	defer st.Close()
	return resolve(ctx, s, st, do, dataset)
}

// resolve works on a store that no node is using.
func resolve(ctx context.Context, s *stdio, st store.Store, do, dataset string) error {
	if _, err := st.Info(ctx, dataset); err != nil {
		return noDataset(ctx, st, dataset, err)
	}
	t, err := sinks.FindTrip(ctx, st, dataset)
	if err != nil {
		return failed(err)
	}
	why := ""
	if t != nil {
		why = t.Why()
	}
	if t != nil && do != "show" {
		if err := pipes.ResolveTrip(ctx, st, dataset, do == "commit", time.Now()); err != nil {
			return failed(err)
		}
	}
	return tellBreaker(s, do, dataset, why)
}

// askBreaker has a served node do it.
func askBreaker(ctx context.Context, s *stdio, node, do, dataset string) error {
	form := url.Values{"operation": {do + "-circuit-breaker"}}
	if do == "show" {
		form = nil
	}
	var said struct {
		Breaker struct {
			Why string `json:"why"`
		} `json:"circuit-breaker"`
	}
	if err := answer(ctx, node, "datasets/"+url.PathEscape(dataset), form, &said); err != nil {
		if known := named(ctx, node, "datasets", dataset, err); known != nil {
			return notThere(dataset, known, err)
		}
		return err
	}
	if do != "show" {
		said.Breaker.Why = "it had"
	}
	return tellBreaker(s, do, dataset, said.Breaker.Why)
}

// tellBreaker prints what was done; why is why the breaker had tripped, "" if it had
// not.
func tellBreaker(s *stdio, do, dataset, why string) error {
	if why == "" {
		return failed(fmt.Errorf("dataset %q: %w", dataset, sinks.ErrNotTripped))
	}
	switch do {
	case "commit":
		why = dataset + ": what was held back is in the dataset; the pipe may run again"
	case "rollback":
		why = dataset + ": what was held back is dropped; the pipe may run again"
	}
	_, err := fmt.Fprintln(s.out, why)
	return err
}
