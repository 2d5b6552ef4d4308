package engine

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipes"
)

// registerAgain is how long a registration at another node is trusted.
const registerAgain = time.Hour

func signalKey(pipe string) string { return "signal/" + pipe }

// signalToken is by what calls for a pipe are known, made at the first use.
func (e *Engine) signalToken(ctx context.Context, pipe string) (string, error) {
	data, _, err := e.o.Store.State(ctx, signalKey(pipe))
	if err != nil || data != nil {
		return string(data), err
	}
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	token := hex.EncodeToString(b[:])
	return token, save(ctx, e.o.Store, signalKey(pipe), []byte(token))
}

// Signal has a pump run soon because another node says that its source has
// changed. ErrNoPipe means that the token is not the pipe's, too.
func (e *Engine) Signal(ctx context.Context, pipe, token string) error {
	e.mu.Lock()
	s := e.mu.runs[pipe]
	e.mu.Unlock()
	if s == nil || !s.pipe.HearsFromAfar() {
		return ErrNoPipe
	}
	known, _, err := e.o.Store.State(ctx, signalKey(pipe))
	if err != nil {
		return err
	}
	if len(known) == 0 || subtle.ConstantTimeCompare(known, []byte(token)) != 1 {
		return ErrNoPipe
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.scheduled() {
		e.signalLocked(s)
		e.dispatchLocked()
	}
	return nil
}

// registerAfar asks the nodes that pipes read from to be called when there is
// something new. It is asked for again now and then, for they may forget.
func (e *Engine) registerAfar(ctx context.Context, p *pipes.Pipe) {
	if e.o.URL == "" || !p.HearsFromAfar() {
		return
	}
	token, err := e.signalToken(ctx, p.ID())
	if err == nil {
		hook := strings.TrimSuffix(e.o.URL, "/") + "/api/pipes/" + url.PathEscape(p.ID()) + "/webhook"
		err = p.AskToBeCalled(ctx, hook, token)
	}
	if err != nil && ctx.Err() == nil {
		e.o.Log.Warn("the other node does not call when there is something new; the schedule goes on", "pipe", p.ID(), "error", err)
	}
}

// registrations keeps the registrations at other nodes up until the node closes.
func (e *Engine) registrations() {
	for {
		for _, p := range e.graph.pipes {
			e.registerAfar(e.ctx, p)
		}
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(registerAgain):
		}
	}
}
