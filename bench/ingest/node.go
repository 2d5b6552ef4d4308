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
	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/store/local"
)

// pipes receive events, transform them, and merge them with the full scan.
const pipes = `[
 {"_id": "shop", "type": "system:url", "url_pattern": "http://shop.example/%s"},
 {"_id": "shop-order-event", "type": "pipe", "source": {"type": "http_endpoint", "system": "shop",
   "validation_expression": "{% if request_headers['X-Shop-Signature'] == b64encode(hmacsha256digest(secret('webhook_secret'), request_body)) %}{% else %}FAIL!{% endif %}"},
  "sink": {"set_initial_offset": "onload"}},
 {"_id": "shop-order-event2", "type": "pipe", "source": {"type": "dataset", "dataset": "shop-order-event"},
  "transform": {"type": "dtl", "rules": {"default": [
    ["if", ["eq", "order.deletion", "_S.eventType"], ["add", "_deleted", true]],
    ["merge", "_S.order"], ["add", "event", "_S.eventType"], ["remove", "customer"]]}},
  "sink": {"deletion_tracking": false, "set_initial_offset": "onload"}},
 {"_id": "shop-order-all", "type": "pipe", "source": {"type": "embedded", "entities": []}},
 {"_id": "shop-order-collect", "type": "pipe", "source": {"type": "merge_datasets", "datasets": ["shop-order-all", "shop-order-event2"]}}]`

// node is a node as "sluice serve" runs it, in this process.
type node struct {
	store   *local.Store
	served  *measure.Served
	flushes flushes
}

func openNode(ctx context.Context, dir string, latency time.Duration) (*node, error) {
	c, finds := config.Parse("ingest.conf.json", []byte(pipes), config.Options{Environ: []string{"SLUICE_SECRET_webhook_secret=" + secret}})
	if finds.HasErrors() {
		return nil, fmt.Errorf("%+v", finds)
	}
	n := &node{}
	var err error
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
