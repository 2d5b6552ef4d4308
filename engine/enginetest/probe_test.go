package enginetest

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/transforms"
)

// probe is a source type that notes when it is read, and may hold the reader
// up. Its pipes read as many batches of one entity as they say.
type probe struct {
	mu      sync.Mutex
	reads   map[string][]time.Duration // since the test began, by pipe
	running int
	most    int            // that ran at once
	onNow   map[string]int // by system
	onMost  map[string]int
	start   time.Time
}

type probeConfig struct {
	spec.Base
	Type    string  `spec:"type,required" doc:"probe"`
	System  string  `spec:"system" doc:"A system."`
	Batches int     `spec:"batches" default:"1" doc:"Batches read."`
	Seconds float64 `spec:"seconds" doc:"How long a batch takes."`
	Fails   int     `spec:"fails" doc:"How often reading fails before it does not."`
}

func newProbe() *probe {
	return &probe{reads: map[string][]time.Duration{}, onNow: map[string]int{}, onMost: map[string]int{}, start: time.Now()}
}

func (p *probe) in(s engine.Sets) engine.Sets {
	s.Sources = sources.NewSet(append(s.Sources.Types(), sources.Type{
		Name: "probe", Config: func() any { return new(probeConfig) },
		Build: func(cfg any, env sources.Env) (sources.Source, diag.List) {
			return &probeSource{p, cfg.(*probeConfig), env.PipeID}, nil
		},
	})...)
	s.Transforms = transforms.NewSet(append(s.Transforms.Types(), transforms.Type{
		Name: "nap", Config: func() any { return new(probeConfig) },
		Build: func(cfg any, _ transforms.Env) (transforms.Transform, diag.List) {
			return napping(cfg.(*probeConfig).Seconds), nil
		},
	})...)
	return s
}

// napping is a transform that takes its time for each batch.
type napping float64

func (n napping) SideEffects() bool                    { return false }
func (n napping) Start(transforms.Run) transforms.Step { return n }

func (n napping) Apply(ctx context.Context, _ *entity.Batch) error { return nap(ctx, float64(n)) }

// times returns when a pipe was read, in whole seconds since the test began.
func (p *probe) times(pipe string) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []int
	for _, d := range p.reads[pipe] {
		all = append(all, int(d/time.Second))
	}
	return all
}

// counts returns how many pipes were read, and how many at once.
func (p *probe) counts() (pipes, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.reads), p.most
}

// runningOn returns how many pipes use a system, mostOn how many did at once.
func (p *probe) runningOn(system string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.onNow[system]
}

func (p *probe) mostOn(system string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.onMost[system]
}

func (p *probe) begin(pipe, system string) (nth int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads[pipe] = append(p.reads[pipe], time.Since(p.start))
	p.running++
	p.most = max(p.most, p.running)
	p.onNow[system]++
	p.onMost[system] = max(p.onMost[system], p.onNow[system])
	return len(p.reads[pipe])
}

func (p *probe) end(system string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.onNow[system]--
}

type probeSource struct {
	p    *probe
	cfg  *probeConfig
	pipe string
}

func (s *probeSource) Since() sources.Since { return sources.Since{} }

func (s *probeSource) Read(ctx context.Context, _ string, _ int) iter.Seq2[*entity.Batch, error] {
	return func(yield func(*entity.Batch, error) bool) {
		nth := s.p.begin(s.pipe, s.cfg.System)
		defer s.p.end(s.cfg.System)
		if nth <= s.cfg.Fails {
			yield(nil, context.DeadlineExceeded)
			return
		}
		for i := range s.cfg.Batches {
			if err := nap(ctx, s.cfg.Seconds); err != nil {
				yield(nil, err)
				return
			}
			id := entity.NewString(string(rune('a' + i)))
			e := entity.NewDict(entity.Member{Key: entity.IDKey, Value: id})
			if !yield(&entity.Batch{Arena: entity.NewArena(), Entities: []entity.Value{e}}, nil) {
				return
			}
		}
	}
}

func nap(ctx context.Context, seconds float64) error {
	if seconds == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func equal(a []int, b ...int) bool { return slices.Equal(a, b) }
