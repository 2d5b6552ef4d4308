package measure

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Engine starts an engine in this process, which may call receivers in it.
func Engine(ctx context.Context, c *config.Config, st store.Store) (*engine.Engine, error) {
	sets, err := engine.Standard()
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(ctx, engine.Options{Config: c, Store: st, Log: warnings(), Sets: sets,
		Transport: systems.NewTransport(systems.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})})
	if err != nil {
		return nil, err
	}
	e.Start()
	return e, nil
}

// Served is an engine behind an address, as "sluice serve" has it.
type Served struct {
	Address string // host and port
	engine  *engine.Engine
	door    *server.Door
	ended   chan error
}

// ServeInside starts an engine and a server for it in this process.
func ServeInside(ctx context.Context, c *config.Config, st store.Store) (*Served, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e, err := Engine(ctx, c, st)
	if err != nil {
		ln.Close()
		return nil, err
	}
	s := &Served{Address: ln.Addr().String(), engine: e, door: server.HTTP(server.New(e, server.Options{Log: warnings()})), ended: make(chan error, 1)}
	go func() { s.ended <- s.door.Serve(ln) }()
	return s, nil
}

// Close ends the server and the engine; the store is the caller's.
func (s *Served) Close() {
	s.door.Close()
	<-s.ended
	s.engine.Close()
}

// Do makes a request; an answer other than 200 is an error that says what it was.
func Do(c *http.Client, q *http.Request) error {
	resp, err := c.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, said)
	}
	return err
}
