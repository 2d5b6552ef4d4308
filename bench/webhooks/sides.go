package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/webhooks"
)

// secret is what both sides sign with.
const secret = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtb2YtdGhlLWJlbmNo"

// receiver verifies what comes and says nothing.
type receiver struct {
	server *http.Server
	url    string
	scheme webhooks.Scheme
	left   atomic.Int64
	forged atomic.Int64
	done   atomic.Pointer[chan struct{}]
	ended  chan error
}

func openReceiver() (*receiver, error) {
	scheme, err := webhooks.New("standard", "")
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + ln.Addr().String() + "/hook", scheme: scheme, ended: make(chan error, 1)}
	r.server = &http.Server{Handler: r}
	go func() { r.ended <- r.server.Serve(ln) }()
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil || r.scheme.Verify(&webhooks.Message{Header: q.Header, Body: body}, webhooks.Keys{secret}, time.Now()) != nil {
		r.forged.Add(1)
	}
	w.WriteHeader(http.StatusNoContent)
	if r.left.Add(-1) == 0 {
		close(*r.done.Load())
	}
}

// expect returns what closes when so many requests have come.
func (r *receiver) expect(n int) <-chan struct{} {
	done := make(chan struct{})
	r.done.Store(&done)
	r.left.Store(int64(n))
	return done
}

func (r *receiver) close() {
	r.server.Close()
	<-r.ended
}

// plainly signs and posts in a loop, some requests at once.
func plainly(ctx context.Context, url string, bodies [][]byte, at int) error {
	scheme, err := webhooks.New("standard", "")
	if err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: at}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	errs := make([]error, at)
	var all sync.WaitGroup
	for nth := range at {
		all.Go(func() {
			for i := nth; i < len(bodies) && errs[nth] == nil; i += at {
				errs[nth] = post(ctx, client, scheme, url, fmt.Sprint("p", i), bodies[i])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func post(ctx context.Context, client *http.Client, scheme webhooks.Scheme, url, id string, body []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if q.Header, err = scheme.Sign(&webhooks.Message{ID: id, Time: time.Now(), Body: body}, webhooks.Keys{secret}); err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = errors.New(resp.Status)
	}
	return err
}

// node delivers what is put into its dataset "in".
type node struct {
	store  *local.Store
	engine *engine.Engine
}

func openNode(ctx context.Context, dir, url string, at int) (*node, error) {
	conf := fmt.Sprintf(`[{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in"},
		"sink": {"type": "webhook", "url": %q, "secret": "$SECRET(key)", "concurrency": %d}}]`, url, at)
	st, e, err := openEngine(ctx, filepath.Join(dir, "out"), conf)
	if err != nil {
		return nil, err
	}
	if _, err := st.Create(ctx, "in"); err != nil {
		return nil, err
	}
	return &node{st, e}, nil
}

// openEngine starts a node as "sluice serve" runs it, in this process.
func openEngine(ctx context.Context, dir, conf string) (*local.Store, *engine.Engine, error) {
	c, err := measure.Config(conf, secret)
	if err != nil {
		return nil, nil, err
	}
	st, err := local.Open(dir, local.Options{})
	if err != nil {
		return nil, nil, err
	}
	e, err := measure.Engine(ctx, c, st)
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, e, nil
}

// deliver puts events into the dataset; the node does the rest.
func (n *node) deliver(ctx context.Context, bodies [][]byte) error {
	ops := make([]store.Op, len(bodies))
	for i, b := range bodies {
		e, err := entity.Decode(nil, b, entity.DecodeOptions{})
		if err != nil {
			return err
		}
		ops[i] = store.Op{Kind: store.Put, Entity: e}
	}
	p, err := n.store.Append(ctx, &store.Batch{Writes: []store.Write{{Dataset: "in", Ops: ops}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// verify makes sure that nothing is still on its way, or was given up.
func (n *node) verify(ctx context.Context) error {
	q, err := n.engine.Webhook("out")
	if err != nil {
		return err
	}
	for start := time.Now(); ; {
		c, err := q.Counts(ctx)
		if err != nil || c[webhooks.Pending] == 0 && c[webhooks.Failed] == 0 {
			return err
		}
		if time.Since(start) > 10*time.Second {
			return fmt.Errorf("%d deliveries are pending, %d failed", c[webhooks.Pending], c[webhooks.Failed])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (n *node) close() {
	n.engine.Close()
	n.store.Close()
}
