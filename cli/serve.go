package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"syscall"
	"time"

	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store/local"
)

type serveCmd struct {
	nodeFlags
	Listen string `help:"Address to listen on; a loopback address." default:"127.0.0.1:9042"`
	URL    string `name:"url" help:"URL by which others reach this node, behind a proxy for example; it stands in what the node tells them. By default the address it listens on." placeholder:"URL"`
}

// endTimeout is how long the end may take.
const endTimeout = 15 * time.Second

// Run serves the node until it is told to stop, and then finishes what is in
// hand.
func (c *serveCmd) Run(ctx context.Context, s *stdio) error {
	if err := loopbackOnly(c.Listen); err != nil {
		return err
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Host == "" || u.User != nil || u.RawQuery != "") {
		return usage("--url %q is no address such as https://sluice.example.com", c.URL)
	}
	ln, err := net.Listen("tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; is another node running? choose another address with --listen", err)
	}
	if err != nil {
		return usage("cannot listen: %w", err)
	}
	defer ln.Close()
	c.reached = cmp.Or(c.URL, "http://"+ln.Addr().String())
	runtime.GOMAXPROCS(local.Processors())
	// The node lives on while requests end: its context is not the signal's.
	n, err := c.open(context.WithoutCancel(ctx), s)
	if err != nil {
		return err
	}
	l, err := newLive(context.WithoutCancel(ctx), c.nodeFlags, n, s, c.reached)
	defer l.close()
	if err != nil {
		return usage("%w", err)
	}
	withdraw, err := announce(c.dataDir(), "http://"+ln.Addr().String())
	if err != nil {
		return err
	}
	defer withdraw()
	n.Start()
	fmt.Fprintf(s.err, "listening on http://%s\n", ln.Addr())
	ctx, stop := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		failed <- l.watch(ctx)
		stop()
	}()
	err = serveUntil(ctx, server.HTTP(l), ln)
	stop()
	return errors.Join(err, <-failed)
}

func serveUntil(ctx context.Context, srv *server.Door, ln net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := srv.Shutdown(end)
	if serveErr := <-ended; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// loopbackOnly refuses addresses that others could reach: there is no
// authentication yet, and the API is open to whoever gets through.
func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--listen %q is no address: %w", address, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usage("--listen %s would let others on the network call the API, and authentication (--auth) is not built yet: listen on 127.0.0.1 behind a proxy that checks callers", address)
}
