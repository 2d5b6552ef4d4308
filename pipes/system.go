package pipes

import (
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

// System is the id of the system whose worker_threads a run of the pipe takes:
// the source's, else the sink's; "" if neither has one.
func (p *Pipe) System() string {
	for _, part := range []*jsonpos.Node{p.Def.Source, p.Def.Sink} {
		if id, _ := chosen(part).Get("system").Str(); id != "" {
			return id
		}
	}
	return ""
}

// chosen follows conditional sources and sinks to what they stand for.
func chosen(n *jsonpos.Node) *jsonpos.Node {
	for n != nil {
		if typ, _ := n.Get("type").Str(); typ != "conditional" {
			break
		}
		condition, _ := n.Get("condition").Str()
		n, _ = systems.Alternative(n.Get("alternatives"), condition, n.Span)
	}
	return n
}
