package sources

import (
	"errors"
	"iter"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

// Signalled is the ability of sources whose configuration may say whether
// changes of their inputs start the pipe; given tells whether it does say.
type Signalled interface {
	SupportsSignalling() (on, given bool)
}

// Gated is the ability of sources that may ask the pipe to wait until their
// inputs are populated; given tells whether the configuration says so.
type Gated interface {
	RequirePopulatedInput() (on, given bool)
}

// signals implements Signalled and Gated.
type signals struct{ signal, signalGiven, gate, gateGiven bool }

func signalsOf(n *jsonpos.Node, signal, gate bool) signals {
	return signals{signal, systems.Has(n, "supports_signalling"), gate, systems.Has(n, "require_populated_input")}
}

// SupportsSignalling implements Signalled.
func (s signals) SupportsSignalling() (on, given bool) { return s.signal, s.signalGiven }

// RequirePopulatedInput implements Gated.
func (s signals) RequirePopulatedInput() (on, given bool) { return s.gate, s.gateGiven }

// ErrEmpty is a full run that read nothing although if_source_empty is "fail".
var ErrEmpty = errors.New(`the source is empty, and if_source_empty is "fail"`)

// failIfEmpty ends a sequence that yielded no entity with ErrEmpty, unless
// that is accepted.
func failIfEmpty(accepted bool, seq iter.Seq2[*entity.Batch, error]) iter.Seq2[*entity.Batch, error] {
	if accepted {
		return seq
	}
	return func(yield func(*entity.Batch, error) bool) {
		some := false
		for b, err := range seq {
			some = some || err != nil || len(b.Entities) > 0
			if !some {
				continue // an empty batch may be the last one, which must not look like success
			}
			if !yield(b, err) {
				return
			}
		}
		if !some {
			yield(nil, ErrEmpty)
		}
	}
}

// begins is where reading begins: behind since, or, where nothing was read yet,
// behind initial_since_value.
func (s Since) begins(since, initial string) string {
	if since == "" && s.Supports {
		return initial
	}
	return since
}

// follow keeps the continuation: the last _updated of a chronological source,
// the greatest of any other.
func (s Since) follow(top *string) func(e entity.Value) string {
	return func(e entity.Value) string {
		u := Updated(e)
		if s.Supports && u != "" && (s.Chronological || Newer(u, *top)) {
			*top = u
		}
		return *top
	}
}

// acceptsEmpty resolves if_source_empty against the node's default.
func (e Env) acceptsEmpty(own string) bool {
	if own == "" {
		own = e.IfSourceEmpty
	}
	return own != "fail"
}

// batches cuts entities that live outside any arena into batches; last tells
// that nothing comes behind them.
func batches(entities []entity.Value, size int, last bool, since func(e entity.Value) string, yield func(*entity.Batch, error) bool) bool {
	arena := entity.NewArena()
	for from := 0; from < len(entities); from += size {
		to := min(from+size, len(entities))
		arena.Reset()
		b := &entity.Batch{Arena: arena, Last: last && to == len(entities)}
		b.Entities = append(arena.Values(to-from), entities[from:to]...)
		for _, e := range b.Entities {
			b.Since = since(e)
		}
		if !yield(b, nil) {
			return false
		}
	}
	return true
}

// Canonical is the id under which a dataset is kept: execution logs have two
// names in the manual.
func Canonical(dataset string) string {
	if pipe, ok := strings.CutPrefix(dataset, "system:pump_execution:"); ok {
		return "system:pump:" + pipe
	}
	return dataset
}
