package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/textdist"
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

// datasetsForms are the words there are, each with what follows.
func datasetsForms() map[string]string {
	return map[string]string{"ls": "", "cat": "NAME", "get": "NAME ID", "check": "", "compact": "", "backup": "FILE", "restore": "FILE"}
}

// wrongWords is the mistake in what stands behind the folder, if there is one.
func wrongWords(args []string) error {
	if len(args) == 0 {
		return usage("what to do is missing: %s", datasetsWords)
	}
	forms := datasetsForms()
	form, known := forms[args[0]]
	if near := textdist.Nearest(args[0], slices.Collect(maps.Keys(forms))); !known && near != "" {
		return usage("unknown word %q; did you mean %q?", args[0], near)
	} else if !known {
		return usage("unknown words %q: %s", args, datasetsWords)
	}
	if len(args)-1 != len(strings.Fields(form)) {
		return usage("it is written: sluice datasets [DIR] %s", strings.TrimSpace(args[0]+" "+form))
	}
	return nil
}

// Run looks into a store, or looks after it.
func (c *datasetsCmd) Run(ctx context.Context, s *stdio) error {
	dir, args := c.where()
	if err := wrongWords(args); err != nil {
		return err
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
	err = c.look(ctx, s, st, args)
	if errors.Is(err, store.ErrNoDataset) {
		err = noDataset(ctx, st, args[1], err)
	}
	return errors.Join(err, st.Close())
}

// noDataset is the mistake of naming a dataset that there is not.
func noDataset(ctx context.Context, st store.Store, name string, err error) error {
	infos, _ := st.Datasets(ctx) // they are for the remedy only
	known := make([]string, len(infos))
	for i, info := range infos {
		known[i] = info.Name
	}
	return notThere(name, known, err)
}

// notThere is an error about a name, with the one that may have been meant.
func notThere(name string, known []string, err error) error {
	if near := textdist.Nearest(name, known); near != "" {
		return failed(fmt.Errorf("%w; did you mean %q?", err, near))
	}
	return failed(err)
}

// where is the data folder, and what to do there. A word that is also the folder of
// a node is that.
func (c *datasetsCmd) where() (dir string, args []string) {
	forms := datasetsForms()
	_, word := forms[c.Args[0]]
	if c.Data != "" {
		if args = c.Args; !word && len(args) > 1 { // the folder is given twice
			args = args[1:]
		}
		return c.Data, args
	}
	data := filepath.Join(c.Args[0], ".data")
	if word && !made(data) {
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
