package enginetest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/store"
)

// shaped is a pipe whose rule lets n through up to most, with rescans beside
// incremental runs.
func shaped(most, more string) string {
	return `[{"_id": "out", "type": "pipe", "batch_size": 2, "enable_background_rescan": true, ` + more + ` "source": {"type": "dataset", "dataset": "in"},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["filter", ["lte", "_S.n", ` + most + `]], ["add", "found", ["hops", {"datasets": ["a a"], "where": ["eq", "_S.ref", "a._id"], "return": "a.n"}]], ["add", "most", ` + most + `]]}}}]`
}

// A rescan beside incremental runs, while everything changes, leads to the same
// as a full run when all has come to rest.
func TestBackgroundRescanIsRescan(t *testing.T) {
	histories := uint64(60)
	if testing.Short() {
		histories = 10
	}
	for seed := range histories {
		st := memory(t)
		s := scene{rand.New(rand.NewPCG(seed, 11))}
		for range 4 {
			s.change(t, st)
		}
		e := open(t, st, parse(t, shaped("3", "")))
		runPipe(t, e, false)
		e.Close()
		e = open(t, st, parse(t, shaped("1", "")))
		p, _ := e.Pipe("out")
		beside(t, p, st, s)
		runPipe(t, e, false)
		after := live(t, st, "out")
		runPipe(t, e, true)
		if whole := live(t, st, "out"); after != whole {
			t.Fatalf("seed %d: beside\n%swhole\n%s", seed, after, whole)
		}
		e.Close()
	}
}

// beside makes a rescan while entities change and incremental runs follow them.
func beside(t *testing.T, p *pipes.Pipe, st store.Store, s scene) {
	t.Helper()
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := p.Rescan(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for range s.r.IntN(4) {
		s.change(t, st)
		if _, err := p.Run(t.Context(), false); err != nil {
			t.Error(err)
		}
	}
	both.Wait()
}

// Without an incremental run beside it, a rescan moves the offset along.
func TestBackgroundRescanMovesOn(t *testing.T) {
	st := memory(t)
	put(t, st, "a", nil, true)
	put(t, st, "in", numbered(1, 5, 1), true)
	e := open(t, st, parse(t, shaped("3", "")))
	runPipe(t, e, false)
	put(t, st, "in", numbered(6, 9, 1), true)
	p, _ := e.Pipe("out")
	if stats, err := p.Rescan(t.Context()); err != nil || stats.Read != 9 || stats.Changed != 4 {
		t.Errorf("%+v: %v", stats, err)
	}
	if stats, err := p.Run(t.Context(), false); err != nil || stats.Read != 0 {
		t.Errorf("what the rescan has read is read again: %+v: %v", stats, err)
	}
}

// Rescans that are due run in the background: by count, by hand, because the
// configuration has changed, and after a restart.
func TestBackgroundRescanIsStarted(t *testing.T) {
	for name, c := range map[string]struct {
		more  string
		start func(t *testing.T, w *world)
	}{
		"by hand":      {``, func(t *testing.T, w *world) { check(t, w.e.StartPump("out", true)) }},
		"by count":     {`"pump": {"rescan_run_count": 2},`, func(t *testing.T, w *world) { put(t, w.st, "in", numbered(9, 9, 1), true) }},
		"by schedule":  {`"pump": {"rescan_cron_expression": "0 * * * ?"},`, func(t *testing.T, w *world) { w.pass(2 * time.Hour) }},
		"by policy":    {`"rescan_when_config_changes": true, "reprocessing_policy": "automatic",`, func(t *testing.T, w *world) { put(t, w.st, "in", numbered(9, 9, 1), true) }},
		"as left over": {``, func(t *testing.T, w *world) {}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, shaped("3", c.more), func(t *testing.T, w *world) {
				put(t, w.st, "a", nil, true)
				put(t, w.st, "in", numbered(1, 5, 2), true)
				w.e.Start()
				w.pass(time.Second)
				if name == "as left over" {
					p, _ := w.e.Pipe("out")
					check(t, p.SetRescan(t.Context(), true))
				}
				w.e.Close()
				w.open(shaped("1", c.more))
				w.e.Start()
				w.pass(time.Second)
				c.start(t, w)
				w.pass(5 * time.Minute)
				if got := live(t, w.st, "out"); strings.Contains(got, `"n":2`) {
					t.Errorf("no rescan was made: there is still\n%s", got)
				}
				if _, err := w.e.Rescanning("out"); err != nil {
					t.Error(err)
				}
				p, _ := w.e.Pipe("out")
				if wanted, err := p.RescanWanted(t.Context()); wanted || err != nil {
					t.Errorf("a rescan is still wanted: %v", err)
				}
			})
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResetRescan(t *testing.T) {
	st := memory(t)
	e := open(t, st, parse(t, shaped("3", "")))
	p, _ := e.Pipe("out")
	check(t, p.SetRescan(t.Context(), true))
	check(t, e.ResetRescan(t.Context(), "out"))
	if wanted, err := p.RescanWanted(t.Context()); wanted || err != nil {
		t.Error("it is still wanted", err)
	}
	if err := e.ResetRescan(t.Context(), "nobody"); !errors.Is(err, engine.ErrNoPipe) {
		t.Error(err)
	}
}
