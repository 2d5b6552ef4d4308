package pipes

import (
	"context"

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

// Previous asks the source.
func (h pipeHost) Previous(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error) {
	v, err := h.source.Previous(ctx, e, a)
	if err != nil {
		return v, err
	}
	return h.p.addToPrevious(ctx, v, a)
}

func (p *Pipe) host() dtl.Host {
	if s, ok := p.source.(sources.Previous); ok {
		return pipeHost{p.env.Host, p, s}
	}
	return p.env.Host
}
