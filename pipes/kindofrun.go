package pipes

import (
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
)

// continues tells whether a source can be read on from where it was.
func continues(s sources.Since) bool { return s.Supports && (s.Chronological || s.Comparable) }

// passing tells whether what the source had once may be gone, so that no run of
// the pipe can be a full one.
func (p *Pipe) passing() bool {
	s, ok := p.source.(sources.Passing)
	return ok && s.Passing()
}

// partway tells whether no run of the pipe sees what its source has had from the
// beginning.
func (p *Pipe) partway() bool {
	s, ok := p.source.(sources.Partway)
	return ok && s.Partway()
}

// told is the kind of the run as its writer is told it: a full one that begins
// partway says nothing of what it has not seen.
func (r *run) told() sinks.RunKind {
	if r.kind == sinks.Full && r.p.partway() {
		return sinks.Incremental
	}
	return r.kind
}

// choose decides the kind of a run. A full one goes before a partial one.
func (r *run) choose(full bool) sinks.RunKind {
	pump := &r.p.Def.Pump
	s := &r.state
	switch {
	case r.p.passing():
		return sinks.Incremental
	case full, s.Full.On, s.Offset == "" && !s.Over, !continues(r.p.source.Since()), s.Completed && due(pump.RescanCount, s.Runs):
		return sinks.Full
	case due(pump.PartialCount, s.Partials) && r.canShift():
		return sinks.Partial
	default:
		return sinks.Incremental
	}
}

// due tells whether a run is due that is made every n runs, when there have
// been count since the last one, that one included.
func due(n, count int) bool { return n > 0 && count >= n }

// count counts a completed run.
func (s *state) count(kind sinks.RunKind) {
	s.Runs++
	s.Partials++
	switch kind {
	case sinks.Full:
		s.Runs, s.Partials = 1, 1
	case sinks.Partial:
		s.Partials = 1
	}
}

// canShift tells whether the continuation can be moved back.
func (r *run) canShift() bool {
	_, ok := shifted(r.state.Offset, int64(r.p.Def.Pump.PartialDelta))
	return ok && r.p.Def.Pump.PartialDelta > 0
}
