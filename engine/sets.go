package engine

import (
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/internal/schemacheck"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
)

// Sets are the component types and functions a node has.
type Sets struct {
	Sources    sources.Set
	Transforms transforms.Set
	Sinks      sinks.Set
	Systems    systems.Set
	Lib        *dtl.Lib
	// Kinds checks pipes against the schema of their kind; nil checks none.
	Kinds *schemacheck.Checker
}

// Standard returns all types and functions that Sluice has, without checks of kinds.
func Standard() (Sets, error) {
	lib, err := stdlib.Lib()
	return Sets{Sources: sources.NewSet(sources.Standard()...), Transforms: transforms.NewSet(transforms.Standard()...),
		Sinks: sinks.NewSet(sinks.Standard()...), Systems: systems.NewSet(systems.Standard()...), Lib: lib}, err
}

// With returns the sets with more types; of one name the last counts.
func (s Sets) With(from []sources.Type, through []transforms.Type, to []sinks.Type, with []systems.Type) Sets {
	s.Sources = sources.NewSet(append(s.Sources.Types(), from...)...)
	s.Transforms = transforms.NewSet(append(s.Transforms.Types(), through...)...)
	s.Sinks = sinks.NewSet(append(s.Sinks.Types(), to...)...)
	s.Systems = systems.NewSet(append(s.Systems.Types(), with...)...)
	return s
}
