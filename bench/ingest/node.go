package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/store/local"
)

// node is a node as "sluice serve" runs it, in this process.
type node struct {
	store   *local.Store
	served  *measure.Served
	flushes flushes
}

func openNode(ctx context.Context, dir string, latency time.Duration) (*node, error) {
	c, err := measure.Config(measure.Shop, secret)
	if err != nil {
		return nil, err
	}
	n := &node{}
	if n.store, err = local.Open(filepath.Join(dir, "data"), local.Options{FS: slowFS{local.MachineFS(), latency, &n.flushes}}); err != nil {
		return nil, err
	}
	if n.served, err = measure.ServeInside(ctx, c, n.store); err != nil {
		return nil, errors.Join(err, n.store.Close())
	}
	return n, nil
}

func (n *node) close() {
	n.served.Close()
	n.store.Close()
}

// collected counts what has come through all pipes.
func (n *node) collected(ctx context.Context) (int, error) {
	info, err := n.store.Info(ctx, "shop-order-collect")
	return int(info.Live), err
}

// drain waits until everything has come through all pipes.
func (n *node) drain(ctx context.Context, want int) error {
	for start := time.Now(); ; {
		have, err := n.collected(ctx)
		if err != nil || have == want {
			return err
		}
		if time.Since(start) > time.Minute {
			return fmt.Errorf("%d of %d entities have come through all pipes", have, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// verify makes sure that what was acknowledged is what is stored.
func (n *node) verify(ctx context.Context, want int) error {
	for _, dataset := range []string{"shop-order-event", "shop-order-event2", "shop-order-collect"} {
		info, err := n.store.Info(ctx, dataset)
		if err != nil {
			return err
		}
		if int(info.Live) != want || int(info.Versions) != want {
			return fmt.Errorf("%s holds %d entities in %d versions, want %d", dataset, info.Live, info.Versions, want)
		}
	}
	return nil
}

// greeter is net/http saying hello to whoever has sent a body.
type greeter struct {
	server  *http.Server
	address string
	ended   chan error
}

func openHello() (*greeter, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &greeter{address: ln.Addr().String(), ended: make(chan error, 1)}
	g.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, "hello, world\n")
	})}
	go func() { g.ended <- g.server.Serve(ln) }()
	return g, nil
}

func (g *greeter) close() {
	g.server.Close()
	<-g.ended
}
