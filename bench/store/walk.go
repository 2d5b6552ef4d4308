package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/entity"
)

const (
	group = 100  // entities a commit
	chunk = 1000 // entities made at once, outside of what is measured: what a pump reads at once
)

// side is a store that is measured.
type side interface {
	// append offers entities, and returns what waits until they are on the disk
	// and tells how many of them were news.
	append([]entity.Value) (wait func() (changed int, err error), err error)
	// scan reads all versions in the order of the log, as entities, or as bytes
	// whose sums have been compared.
	scan(entities bool) (n int, err error)
	// get reads the newest versions of ids.
	get(ids []string) (found int, err error)
	// find counts what has the key in the index.
	find(key []byte) (int, error)
	// settle waits for what is left to do in the background.
	settle() error
	close() error
}

type opener func(ctx context.Context, dir string) (side, error)

// figures are what a phase took.
type figures struct {
	n         int
	wall, cpu time.Duration
}

type results map[string]figures

// walk leads a side through the phases.
type walk struct {
	ctx    context.Context
	f      *feed
	open   opener
	dir    string
	s      side
	did    results
	around func(phase string, do func() error) error
}

func (w *walk) run() (err error) {
	if w.s, err = w.open(w.ctx, w.dir); err != nil {
		return err
	}
	defer func() {
		if w.s != nil {
			err = w.s.close()
		}
	}()
	for _, step := range []func() error{
		func() error { return w.write("append, new", nil, 0, w.f.n) },
		func() error { return w.write("append, changed", w.f.order, 1, w.f.n) },
		func() error { return w.write("unchanged", nil, 1, 0) },
		func() error { return w.scan("scan, entities", true) },
		func() error { return w.scan("scan, bytes", false) },
		func() error { return w.get("get, one", 1) },
		func() error { return w.get("get, hundred", group) },
		w.indexed, w.reopen,
		func() error { return w.write("unchanged, reopened", nil, 1, 0) },
		w.compact,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// clock adds up what the parts of a phase take that are to be measured.
type clock struct{ figures }

func (c *clock) run(do func() error) error {
	wall, cpu := time.Now(), measure.CPUTime()
	err := do()
	c.wall += time.Since(wall)
	c.cpu += measure.CPUTime() - cpu
	return err
}

// write offers every entity in a revision; so many of them must be news.
func (w *walk) write(phase string, order []int, rev, news int) error {
	var c clock
	err := w.around(phase, func() error {
		for from := 0; from < w.f.n; from += chunk {
			list, err := w.f.entities(order, from, min(from+chunk, w.f.n), rev)
			if err != nil {
				return err
			}
			if err := c.run(func() error { return w.commits(list, &news) }); err != nil {
				return err
			}
		}
		return c.run(w.s.settle)
	})
	if err == nil && news != 0 {
		err = fmt.Errorf("%s: %d versions are missing", phase, news)
	}
	c.n = w.f.n
	w.did[phase] = c.figures
	return err
}

// commits offers entities a hundred at a time. As in a pump, a hundred are made
// ready while those before are on their way to the disk.
func (w *walk) commits(list []entity.Value, news *int) (err error) {
	wait := func() (int, error) { return 0, nil }
	for ; len(list) > 0 && err == nil; list = list[min(group, len(list)):] {
		before := wait
		if wait, err = w.s.append(list[:min(group, len(list))]); err == nil {
			err = w.count(before, news)
		}
	}
	if err == nil {
		err = w.count(wait, news)
	}
	return err
}

func (w *walk) count(wait func() (int, error), news *int) error {
	n, err := wait()
	*news -= n
	return errors.Join(err, w.ctx.Err())
}

func (w *walk) scan(phase string, entities bool) error {
	var c clock
	err := w.around(phase, func() error {
		return c.run(func() (err error) {
			c.n, err = w.s.scan(entities)
			return err
		})
	})
	if err == nil && c.n != 2*w.f.n {
		err = fmt.Errorf("%s: %d versions instead of %d", phase, c.n, 2*w.f.n)
	}
	w.did[phase] = c.figures
	return err
}

// get reads a part of the entities by their ids, several at a time.
func (w *walk) get(phase string, at int) error {
	var c clock
	ids := make([]string, 0, w.f.n)
	for _, i := range w.f.order {
		ids = append(ids, id(i))
	}
	ids = ids[:min(len(ids), 50000)]
	err := w.around(phase, func() error {
		return c.run(func() error {
			for rest := ids; len(rest) > 0; rest = rest[min(at, len(rest)):] {
				n, err := w.s.get(rest[:min(at, len(rest))])
				if err != nil {
					return err
				}
				c.n += n
			}
			return nil
		})
	})
	if err == nil && c.n != len(ids) {
		err = fmt.Errorf("%s: %d of %d ids found", phase, c.n, len(ids))
	}
	w.did[phase] = c.figures
	return err
}

// indexed checks that the index tells the truth.
func (w *walk) indexed() error {
	want := 0
	for i := range w.f.n {
		if customer(i, 1) == 5 {
			want++
		}
	}
	if n, err := w.s.find([]byte("5")); err != nil || n != want {
		return fmt.Errorf("the index finds %d entities instead of %d: %w", n, want, err)
	}
	return nil
}

// reopen closes the store and opens it again.
func (w *walk) reopen() error {
	if err := w.s.close(); err != nil {
		return err
	}
	w.s = nil
	var c clock
	c.n = w.f.n
	err := c.run(func() (err error) {
		w.s, err = w.open(w.ctx, w.dir)
		return err
	})
	w.did["open"] = c.figures
	return err
}

// compacter is a side that gives back the room of old versions when it is told
// to; Pebble has none, since bodies of old versions stay in its tree for good.
type compacter interface {
	// compact keeps the newest version of each id, and tells how many went.
	compact() (int, error)
}

func (w *walk) compact() error {
	s, ok := w.s.(compacter)
	if !ok {
		return nil
	}
	var c clock
	gone := 0
	err := w.around("compact", func() error {
		return c.run(func() (err error) {
			gone, err = s.compact()
			return err
		})
	})
	if err == nil && gone != w.f.n {
		err = fmt.Errorf("compact: %d versions went instead of %d", gone, w.f.n)
	}
	c.n = 2 * w.f.n
	w.did["compact"] = c.figures
	return err
}
