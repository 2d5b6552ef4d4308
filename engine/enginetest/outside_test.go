package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
)

// outside is a system without commits, to which each entity is sent by itself,
// and which does not answer now and then, whether it has taken it or not.
type outside struct {
	has map[string]string
	r   *rand.Rand
	st  store.Store
}

var errOutside = errors.New("no answer")

func (o *outside) BatchSize() int                                         { return 3 }
func (o *outside) Start(context.Context, sinks.Run) (sinks.Writer, error) { return o, nil }
func (o *outside) Write(_ context.Context, b *entity.Batch, _ []store.StateWrite) (sinks.Written, error) {
	for _, e := range b.Entities {
		chance := o.r.IntN(60)
		if chance == 0 {
			return sinks.Written{}, errOutside
		}
		id, _ := entity.ID(e)
		if id = string([]byte(id)); entity.Deleted(e) {
			delete(o.has, id)
		} else {
			o.has[id] = without(e, entity.UpdatedKey).String()
		}
		if chance == 1 {
			return sinks.Written{}, errOutside
		}
	}
	return sinks.Written{Changed: len(b.Entities)}, nil
}

func (o *outside) Finish(ctx context.Context, _ sinks.Finish, save []store.StateWrite) (sinks.Written, error) {
	if len(save) == 0 {
		return sinks.Written{}, nil
	}
	p, err := o.st.Append(ctx, &store.Batch{State: save})
	if err != nil {
		return sinks.Written{}, err
	}
	res, err := p.Wait(ctx)
	return sinks.Written{Revs: res.Revs}, err
}

type outsideConfig struct {
	spec.Base
	Type string `spec:"type,required" doc:"outside"`
}

func (o *outside) in(s engine.Sets) engine.Sets {
	s.Sinks = sinks.NewSet(append(s.Sinks.Types(), sinks.Type{
		Name: "outside", Config: func() any { return new(outsideConfig) },
		Build: func(_ any, env sinks.Env) (sinks.Sink, diag.List) {
			o.st = env.Store
			return o, nil
		},
	})...)
	return s
}

func (o *outside) live() string {
	var lines []string
	for _, e := range o.has {
		lines = append(lines, e+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Whatever is merged and sent to a system that has no commits, and whose answers
// get lost as power does, nothing is left there that should be gone, and nothing
// is missing.
func TestMergeToOutside(t *testing.T) {
	t.Parallel()
	cuts := 0
	for seed := range mergeSeeds(100, 600) {
		r := rand.New(rand.NewPCG(seed, 71))
		source := merging(r)
		out := &outside{has: map[string]string{}, r: r}
		conf := fmt.Sprintf(`[{"_id": "out", "type": "pipe", "batch_size": %d, %s, "sink": {"type": "outside"}, "pump": {"batch_retries": %d}}]`, 1+r.IntN(4), source, r.IntN(3))
		st, fresh := memory(t), memory(t)
		a, b := newMergeScene(seed, 72), newMergeScene(seed, 72)
		a.wide, b.wide = false, false // a batch of hundreds would never get through
		for step := range 5 {
			a.change(t, st)
			b.change(t, fresh)
			patient := step == 4
			cuts += surviveWith(t, st, conf, out.in(sets(t)), r, func(e *engine.Engine) error {
				p, _ := e.Pipe("out")
				for {
					_, err := p.Run(t.Context(), false)
					if err == nil || !errors.Is(err, errOutside) {
						return err
					}
					if !patient && r.IntN(2) == 0 {
						return nil // and more changes before it runs again
					}
				}
			})
		}
		e := open(t, fresh, parse(t, fmt.Sprintf(`[{"_id": "out", "type": "pipe", %s}]`, source)))
		runPipe(t, e, false)
		if got, want := out.live(), live(t, fresh, "out"); got != want {
			t.Fatalf("seed %d %s: outside there is\n%sthere should be\n%s", seed, conf, got, want)
		}
		e.Close()
		st.Close()
		fresh.Close()
	}
	if cuts < 50 {
		t.Errorf("only %d cuts", cuts)
	}
}
