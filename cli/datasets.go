package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

type datasetsCmd struct {
	Args    []string `arg:"" help:"[DIR] ls | cat NAME | get NAME ID | check | compact | backup FILE | restore FILE."`
	Data    string   `help:"Folder of the datasets; otherwise .data in the node folder DIR."`
	History bool     `help:"All versions, not only the latest."`
	Keep    int      `help:"For compact: versions of each entity to keep." default:"2"`
	Since   int64    `help:"Only what came after this _updated." default:"-1"`
}

const datasetsWords = "ls, cat NAME, get NAME ID, check, compact, backup FILE, or restore FILE"

// datasetsArgs are the words there are, each with how many follow.
func datasetsArgs() map[string]int {
	return map[string]int{"ls": 0, "cat": 1, "get": 2, "check": 0, "compact": 0, "backup": 1, "restore": 1}
}

// Run looks into a store, or looks after it.
func (c *datasetsCmd) Run(ctx context.Context, s *stdio) error {
	dir, args := c.where()
	if len(args) == 0 {
		return usage("what to do is missing: %s", datasetsWords)
	}
	if more, known := datasetsArgs()[args[0]]; !known || len(args) != more+1 {
		return usage("unknown words %q: %s", args, datasetsWords)
	}
	switch args[0] {
	case "check":
		return checkStore(ctx, s, dir)
	case "restore":
		return restoreStore(ctx, s, dir, args[1])
	}
	st, node, err := openFolder(dir, args[0] != "compact")
	switch {
	case err != nil:
		return err
	case st == nil:
		return c.served(ctx, s, node, args)
	}
	if err = errors.Join(c.look(ctx, s, st, args), st.Close()); errors.Is(err, store.ErrNoDataset) {
		return failed(err)
	}
	return err
}

// where is the data folder, and what to do there. A word that is also the folder of
// a node is that.
func (c *datasetsCmd) where() (dir string, args []string) {
	if c.Data != "" {
		return c.Data, c.Args
	}
	data := filepath.Join(c.Args[0], ".data")
	if _, word := datasetsArgs()[c.Args[0]]; word && !made(data) {
		return ".data", c.Args
	}
	return data, c.Args[1:]
}

// look works on a folder that no node is using.
func (c *datasetsCmd) look(ctx context.Context, s *stdio, st *local.Store, args []string) error {
	switch args[0] {
	case "ls":
		infos, err := st.Datasets(ctx)
		for _, i := range infos {
			listDataset(s, i.Name, i.Live, i.Deleted, i.Versions, i.Populated)
		}
		return err
	case "cat":
		return c.cat(ctx, s, st, args[1])
	case "get":
		return c.get(ctx, s, st, args[1], args[2])
	case "backup":
		return backupTo(s, args[1], func(w io.Writer) error { return st.Backup(ctx, w) })
	default:
		return c.compact(ctx, s, st)
	}
}

func listDataset(s *stdio, name string, live, deleted, versions int64, populated bool) {
	text := "populated"
	if !populated {
		text = "not populated"
	}
	fmt.Fprintf(s.out, "%-44s %7d live %7d deleted %8d versions  %s\n", name, live, deleted, versions, text)
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

// backupTo writes a backup to a file, which is there whole or not at all.
func backupTo(s *stdio, file string, write func(io.Writer) error) error {
	draft := file + ".part"
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return usage("cannot write the backup: %w", err)
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(draft, file)
	}
	if err != nil {
		return failed(errors.Join(fmt.Errorf("the backup was not made: %w", err), os.Remove(draft)))
	}
	info, err := os.Stat(file)
	if err == nil {
		fmt.Fprintf(s.out, "%s: %d bytes\n", file, info.Size())
	}
	return err
}
