package pipes

import (
	"context"

	"github.com/sluiceio/sluice/sources"
)

// HearsFromAfar tells whether another node is to say when the source has something
// new.
func (p *Pipe) HearsFromAfar() bool {
	s, ok := p.source.(sources.Afar)
	return ok && s.Afar()
}

// AskToBeCalled has the other node post the token to hook when there is something
// that the pipe has not read.
func (p *Pipe) AskToBeCalled(ctx context.Context, hook, token string) error {
	s, ok := p.source.(sources.Afar)
	if !ok {
		return nil
	}
	offset, err := p.Offset(ctx)
	if err != nil {
		return err
	}
	return s.AskToBeCalled(ctx, hook, token, offset)
}
