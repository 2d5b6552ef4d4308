package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
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
	if c.Node != "" {
		return askBreaker(ctx, s, c.Node, do, dataset)
	}
	data := c.Data
	if data == "" {
		data = filepath.Join(dir, ".data")
	}
	st, err := local.Open(data, local.Options{ReadOnly: do == "show"})
	if errors.Is(err, store.ErrLocked) {
		address, err := serving(data)
		if err != nil {
			return err
		}
		return askBreaker(ctx, s, address, do, dataset)
	}
	if err != nil {
		return usage("cannot open the data folder: %w", err)
	}
	defer st.Close()
	return resolve(ctx, s, st, do, dataset)
}

// resolve works on a store that no node is using.
func resolve(ctx context.Context, s *stdio, st store.Store, do, dataset string) error {
	if _, err := st.Info(ctx, dataset); err != nil {
		return failed(err)
	}
	t, err := sinks.FindTrip(ctx, st, dataset)
	if err == nil && t == nil {
		err = fmt.Errorf("dataset %q: %w", dataset, sinks.ErrNotTripped)
	}
	if err != nil {
		return failed(err)
	}
	if do == "show" {
		_, err := fmt.Fprintln(s.out, t.Why())
		return err
	}
	if err := pipes.ResolveTrip(ctx, st, dataset, do == "commit", time.Now()); err != nil {
		return failed(err)
	}
	return tellResolved(s, do, dataset)
}

func tellResolved(s *stdio, do, dataset string) error {
	what := "what was held back is in the dataset"
	if do == "rollback" {
		what = "what was held back is dropped"
	}
	_, err := fmt.Fprintf(s.out, "%s: %s; the pipe may run again\n", dataset, what)
	return err
}

// askBreaker has a served node do it.
func askBreaker(ctx context.Context, s *stdio, node, do, dataset string) error {
	form := url.Values{"operation": {do + "-circuit-breaker"}}
	if do == "show" {
		form = nil
	}
	status, answer, err := callNode(ctx, node, "datasets/"+url.PathEscape(dataset), form)
	if err != nil {
		return err
	}
	return tellAnswer(s, do, dataset, status, answer)
}
