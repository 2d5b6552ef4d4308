package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// checkStore reads all of a data folder and prints what is wrong with it.
func checkStore(ctx context.Context, s *stdio, dir string) error {
	if !made(dir) {
		return noFolder(dir)
	}
	problems := 0
	c, err := local.Check(ctx, dir, func(problem string) {
		problems++
		fmt.Fprintln(s.out, problem)
	})
	if errors.Is(err, store.ErrLocked) {
		return usage("%w: another sluice is using it; stop that one, or check a backup of it", err)
	}
	if err != nil {
		return cannotOpen(err)
	}
	fmt.Fprintf(s.out, "%d problems in %d versions, %d frames, %d segments (%d bytes) and %d rows of the index\n",
		problems, c.Versions, c.Frames, c.Segments, c.Bytes, c.Rows)
	if problems > 0 {
		return &failure{exitFindings, nil}
	}
	return nil
}

// restoreStore makes a data folder from a backup.
func restoreStore(ctx context.Context, s *stdio, dir, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return usage("cannot read the backup: %w", err)
	}
	defer f.Close()
	if err := local.Restore(ctx, f, dir); err != nil {
		return failed(err)
	}
	st, err := openStore(dir, true)
	if err != nil {
		return err
	}
	defer st.Close()
	infos, err := st.Datasets(ctx)
	fmt.Fprintf(s.out, "%s: %d datasets\n", dir, len(infos))
	return err
}
