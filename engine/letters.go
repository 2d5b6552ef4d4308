package engine

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/pipes"
)

// checkLetters looks for datasets of dead letters that somebody else writes,
// too, and adds them to what is written.
func (g *graph) checkLetters(writers map[string]*pipes.Pipe) diag.List {
	var finds diag.List
	for _, p := range g.pipes {
		name := p.Letters()
		if name == "" {
			continue
		}
		if other := writers[name]; other != nil {
			finds.Add(diag.Finding{Rule: "graph/two-writers", Severity: diag.Error, Pipe: p.ID(), Span: p.Def.Pump.At("dead_letter_dataset"),
				Message: fmt.Sprintf("the dataset %q is written by the pipe %q already", name, other.ID()),
				Help:    "each pipe needs a dead_letter_dataset of its own"})
			continue
		}
		writers[name] = p
	}
	return finds
}
