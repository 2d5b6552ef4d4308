package pipes

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sources"
)

// pipeHost is the node's host, with the earlier versions the source knows of.
type pipeHost struct {
	dtl.Host
	p      *Pipe
	source sources.Previous
}

// Completeness implements dtl.Completeness by the node.
func (h pipeHost) Completeness(via, dataset string) (time.Time, bool) {
	if node, ok := h.Host.(dtl.Completeness); ok {
		return node.Completeness(via, dataset)
	}
	return time.Time{}, false
}

// Previous asks the source.
func (h pipeHost) Previous(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error) {
	v, err := h.source.Previous(ctx, e, a)
	if err != nil {
		return v, err
	}
	return h.p.addToPrevious(ctx, v, a)
}

func (p *Pipe) host() dtl.Host {
	s, ok := p.source.(sources.Previous)
	if !ok {
		return p.env.Host
	}
	h := pipeHost{p.env.Host, p, s}
	if n, ok := p.env.Host.(dtl.Naming); ok {
		return namingHost{h, n}
	}
	return h
}

// namingHost is one whose node keeps names.
type namingHost struct {
	pipeHost
	dtl.Naming
}
