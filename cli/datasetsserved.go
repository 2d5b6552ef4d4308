package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/sluiceio/sluice/entity"
)

// served asks the node that serves the folder.
func (c *datasetsCmd) served(ctx context.Context, s *stdio, node string, args []string) error {
	err := c.ask(ctx, s, node, args)
	if len(args) > 1 {
		if known := named(ctx, node, "datasets", args[1], err); known != nil {
			return notThere(args[1], known, err)
		}
	}
	return err
}

func (c *datasetsCmd) ask(ctx context.Context, s *stdio, node string, args []string) error {
	path := "datasets"
	if len(args) > 1 {
		path += "/" + url.PathEscape(args[1])
	}
	switch args[0] {
	case "ls":
		return listServed(ctx, s, node)
	case "cat":
		return answered(ctx, node, fmt.Sprintf("%s/entities?history=%t&since=%d", path, c.History, c.Since), func(r io.Reader) error {
			return printLines(s.out, r)
		})
	case "get":
		return answered(ctx, node, path+"/entity?entity_id="+url.QueryEscape(args[2]), func(r io.Reader) error {
			text, err := io.ReadAll(io.LimitReader(r, maxEntity+1<<10))
			if err == nil {
				_, err = s.out.Write(append(asStored(bytes.TrimSuffix(text, []byte("\n"))), '\n'))
			}
			return err
		})
	case "backup":
		return backupTo(s, args[1], func(w io.Writer) error {
			return answered(ctx, node, "backup", func(r io.Reader) error {
				_, err := io.Copy(w, r)
				return err
			})
		})
	}
	return usage("the node at %s serves the folder, and compacts it by itself; stop it to do so by hand", node)
}

func listServed(ctx context.Context, s *stdio, node string) error {
	var all []struct {
		ID      string `json:"_id"`
		Runtime struct {
			Populated bool  `json:"populated"`
			Live      int64 `json:"count-index-exists"`
			Deleted   int64 `json:"count-index-deleted"`
			Versions  int64 `json:"count-log"`
		} `json:"runtime"`
	}
	if err := answer(ctx, node, "datasets", nil, &all); err != nil {
		return err
	}
	for _, d := range all {
		listDataset(s, d.ID, d.Runtime.Live, d.Runtime.Deleted, d.Runtime.Versions, d.Runtime.Populated)
	}
	return nil
}

// asStored is an entity as the store has it: what it says to others of an entity that is
// not deleted, nodes put at its end. There is room for more behind it.
func asStored(text []byte) []byte {
	if kept, live := bytes.CutSuffix(text, []byte(`,"_deleted":false}`)); live {
		return append(kept[:len(kept):len(kept)], '}')
	}
	return text[:len(text):len(text)]
}

// printLines prints each entity of a list as a line.
func printLines(w io.Writer, list io.Reader) error {
	for text, err := range entity.Texts(list, maxEntity) {
		if err != nil {
			return failed(fmt.Errorf("the list breaks off: %w", err))
		}
		if _, err := w.Write(append(asStored(text), '\n')); err != nil {
			return err
		}
	}
	return nil
}
