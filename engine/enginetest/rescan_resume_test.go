package enginetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/store"
)

// A rescan whose node loses power again and again, and is started anew, while
// incremental runs follow what changes, leads to the same as a full run when all has
// come to rest.
func TestInterruptedRescanIsRescan(t *testing.T) {
	cuts, resumed := 0, 0
	for seed := range uint64(60) {
		st := memory(t)
		s := scene{rand.New(rand.NewPCG(seed, 21))}
		for range 4 {
			s.change(t, st)
		}
		e := open(t, st, parse(t, shaped("3", "")))
		runPipe(t, e, false)
		e.Close()
		for n := 0; ; n++ {
			left := 1 << 30
			if n < 8 {
				left = s.r.IntN(12)
			}
			done, went := rescanOnce(t, st, s, left)
			if resumed += went; done {
				break
			}
			cuts++
		}
		e = open(t, st, parse(t, shaped("1", `"checkpoint_interval": 1,`)))
		runPipe(t, e, false)
		after := live(t, st, "out")
		runPipe(t, e, true)
		if whole := live(t, st, "out"); after != whole {
			t.Fatalf("seed %d: beside\n%swhole\n%s", seed, after, whole)
		}
		for _, prefix := range []string{"beside/", "beside-seen/", "beside-noted/"} {
			if keys, err := st.States(t.Context(), prefix); err != nil || len(keys) > 0 {
				t.Fatalf("seed %d: it left %v behind: %v", seed, keys, err)
			}
		}
		e.Close()
	}
	if cuts < 30 || resumed < 10 {
		t.Errorf("only %d power cuts, and %d rescans that went on", cuts, resumed)
	}
}

// rescanOnce is one life of a node: a rescan beside incremental runs until the power
// fails or the rescan has come to its end. It tells, too, whether one went on.
func rescanOnce(t *testing.T, base store.Store, s scene, left int) (done bool, resumed int) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	m := &mortal{Store: base, r: rand.New(rand.NewPCG(s.r.Uint64(), 1)), left: left}
	e, err := engine.Open(ctx, engine.Options{Config: parse(t, shaped("1", `"checkpoint_interval": 1,`)), Store: m, Sets: sets(t)})
	if err != nil {
		return false, 0
	}
	defer e.Close()
	p, _ := e.Pipe("out")
	if p.SetRescan(ctx, true) != nil {
		return false, 0
	}
	if data, _, err := base.State(ctx, "beside/out"); err == nil && strings.Contains(string(data), `"offset":"`) {
		resumed = 1
	}
	if p.PrimeRescan(ctx) != nil {
		return false, resumed
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, err := p.Rescan(ctx)
		if done = err == nil; err != nil && !errors.Is(err, errPower) {
			t.Error(err)
		}
	})
	for range s.r.IntN(4) {
		s.change(t, base)
		if _, err := p.Run(ctx, false); err != nil && !errors.Is(err, errPower) {
			t.Error(err)
		}
	}
	both.Wait()
	return done, resumed
}

// What was read before the interruption is not read again, unless the configuration
// has changed, an incremental run has written what nobody noted, or another rescan was
// asked for.
func TestInterruptedRescanGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		most  string // of the configuration after the interruption
		prime bool
		again bool // asked for anew
		read  int
	}{
		"goes on":        {"1", true, false, 8},
		"other rules":    {"2", true, false, 20},
		"not noted":      {"1", false, false, 20},
		"asked for anew": {"1", true, true, 20},
	} {
		t.Run(name, func(t *testing.T) {
			st := memory(t)
			put(t, st, "a", nil, true)
			put(t, st, "in", numbered(1, 20, 1), true)
			e := open(t, st, parse(t, shaped("3", "")))
			runPipe(t, e, false)
			e.Close()
			m := &mortal{Store: st, r: rand.New(rand.NewPCG(1, 1)), left: 1 << 30}
			more := `"checkpoint_interval": 1,`
			e = open(t, m, parse(t, shaped("1", more)))
			p, _ := e.Pipe("out")
			check(t, p.SetRescan(t.Context(), true))
			m.mu.Lock()
			m.left = 9 // what begins it, and eight batches of two
			m.mu.Unlock()
			if _, err := p.Rescan(t.Context()); !errors.Is(err, errPower) {
				t.Fatal(err)
			}
			e.Close()
			e = open(t, st, parse(t, shaped(c.most, more)))
			p, _ = e.Pipe("out")
			if c.again {
				check(t, p.SetRescan(t.Context(), false))
				check(t, p.SetRescan(t.Context(), true))
			}
			if c.prime {
				check(t, p.PrimeRescan(t.Context()))
			}
			if _, err := p.Run(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			stats, err := p.Rescan(t.Context())
			if err != nil || stats.Read != c.read {
				t.Errorf("read %d, %v; want %d", stats.Read, err, c.read)
			}
			if got := strings.Count(live(t, st, "out"), "\n"); got != 20 {
				t.Errorf("%d entities are left of 20", got)
			}
		})
	}
}
