package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

type datasetsCmd struct {
	Args    []string `arg:"" help:"[DIR] ls | cat NAME | get NAME ID | check | compact | backup FILE | restore FILE."`
	Data    string   `help:"Folder of the datasets; otherwise .data in the node folder DIR."`
	History bool     `help:"All versions, not only the latest."`
	Keep    int      `help:"For compact: versions of each entity to keep." default:"2"`
	Since   int64    `help:"Only what came after this _updated." default:"-1"`
}

const datasetsWords = "ls, cat NAME, get NAME ID, check, compact, backup FILE, or restore FILE"

// Run looks into a store that no node is using, or looks after it.
func (c *datasetsCmd) Run(ctx context.Context, s *stdio) error {
	dir, args := c.Data, c.Args
	if dir == "" {
		dir, args = filepath.Join(args[0], ".data"), args[1:]
	}
	if len(args) == 0 {
		return usage("what to do is missing: %s", datasetsWords)
	}
	switch {
	case args[0] == "check" && len(args) == 1:
		return checkStore(ctx, s, dir)
	case args[0] == "compact" && len(args) == 1:
		return c.compact(ctx, s, dir)
	case args[0] == "restore" && len(args) == 2:
		return restoreStore(ctx, s, dir, args[1])
	}
	st, err := openStore(dir, true)
	if err != nil {
		return err
	}
	defer st.Close()
	switch {
	case args[0] == "ls" && len(args) == 1:
		err = c.list(ctx, s, st)
	case args[0] == "cat" && len(args) == 2:
		err = c.cat(ctx, s, st, args[1])
	case args[0] == "get" && len(args) == 3:
		err = c.get(ctx, s, st, args[1], args[2])
	case args[0] == "backup" && len(args) == 2:
		err = backupStore(ctx, s, st, args[1])
	default:
		return usage("unknown words %q: %s", args, datasetsWords)
	}
	if errors.Is(err, store.ErrNoDataset) {
		return failed(err)
	}
	return err
}

func (c *datasetsCmd) list(ctx context.Context, s *stdio, st store.Store) error {
	infos, err := st.Datasets(ctx)
	for _, i := range infos {
		populated := "populated"
		if !i.Populated {
			populated = "not populated"
		}
		fmt.Fprintf(s.out, "%-44s %7d live %7d deleted %8d versions  %s\n", i.Name, i.Live, i.Deleted, i.Versions, populated)
	}
	return err
}

func (c *datasetsCmd) cat(ctx context.Context, s *stdio, st store.Store, name string) error {
	a := entity.NewArena()
	var line []byte
	for q := (store.Query{Since: store.Offset(c.Since), History: c.History, Limit: 500}); ; {
		a.Reset()
		page, err := st.Read(ctx, name, q, a)
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			line = append(entity.AppendJSON(line[:0], e), '\n')
			if _, err := s.out.Write(line); err != nil {
				return err
			}
		}
		if page.End {
			return nil
		}
		q.Since = page.Next
	}
}

func (c *datasetsCmd) get(ctx context.Context, s *stdio, st store.Store, name, id string) error {
	found, err := st.Get(ctx, name, []string{id}, nil)
	if err != nil {
		return err
	}
	if len(found) == 0 || found[0].IsNull() {
		return failed(fmt.Errorf("dataset %s has no entity %q", name, id))
	}
	fmt.Fprintln(s.out, found[0])
	return nil
}
