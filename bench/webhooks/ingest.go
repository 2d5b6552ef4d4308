package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsrun"
	"github.com/sluiceio/sluice/pipes"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store/local"
)

// handler is what a connector has: it verifies who sends and returns an event.
const handler = `import { createHmac, timingSafeEqual } from 'crypto'

export default async function handle({ rawBody, data, headers, parameters }) {
  const mine = Buffer.from('sha256=' + createHmac('sha256', parameters.secret).update(rawBody).digest('hex'))
  const given = Buffer.from(headers['x-hub-signature-256'] || '')
  if (mine.length !== given.length || !timingSafeEqual(mine, given)) {
    throw new Error('Invalid webhook signature')
  }
  return { events: [{ selector: 'type:' + data.type, payload: data }], response: { status: 200 } }
}
`

// ingestPipes keep what comes: verified by the node, or by a handler before it.
const ingestPipes = `[
	{"_id": "plain", "type": "pipe", "source": {"type": "webhook", "signature": "github", "secret": "$SECRET(key)", "event_id_path": "_id", "request_limit": 0}},
	{"_id": "scripted", "type": "pipe", "source": {"type": "http_endpoint"}}]`

// taker is a node that takes in webhooks by both ways.
type taker struct {
	store  *local.Store
	engine *engine.Engine
	pool   *jsrun.Pool
	script string
	inlet  *pipes.Inlet
	server *http.Server
	url    string
	ended  chan error
}

func openTaker(ctx context.Context, dir string) (*taker, error) {
	script, problems := jsrun.Bundle("handle.js", func(name string) ([]byte, error) {
		if name != "handle.js" {
			return nil, fs.ErrNotExist
		}
		return []byte(handler), nil
	})
	if len(problems) > 0 {
		return nil, fmt.Errorf("%+v", problems)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &taker{script: script, ended: make(chan error, 1), pool: jsrun.NewPool(jsrun.Options{Command: []string{self, "js-worker"}})}
	if n.store, n.engine, err = openEngine(ctx, filepath.Join(dir, "in"), ingestPipes); err != nil {
		return nil, err
	}
	if n.inlet, err = n.engine.Inlet(ctx, "scripted"); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", server.New(n.engine, server.Options{}))
	mux.HandleFunc("POST /scripted", n.scripted)
	n.url, n.server = "http://"+ln.Addr().String(), &http.Server{Handler: mux}
	go func() { n.ended <- n.server.Serve(ln) }()
	return n, nil
}

// scripted has the handler judge a webhook, and keeps its events before it is
// answered.
func (n *taker) scripted(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err == nil {
		err = n.handle(q, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (n *taker) handle(q *http.Request, body []byte) error {
	args, err := json.Marshal(map[string]any{"query": map[string]any{}, "data": json.RawMessage(body), "rawBody": string(body),
		"headers": map[string]string{"x-hub-signature-256": q.Header.Get("X-Hub-Signature-256")}, "parameters": map[string]string{"secret": secret}})
	if err != nil {
		return err
	}
	r, err := n.pool.Call(q.Context(), jsrun.Call{For: "bench", Script: n.script, Names: []string{"handle"}, Args: args})
	if err != nil {
		return err
	}
	var said struct {
		Events []struct{ Payload json.RawMessage }
	}
	if err := json.Unmarshal(r.Value, &said); err != nil {
		return err
	}
	b := &entity.Batch{Arena: entity.NewArena()}
	for _, e := range said.Events {
		v, err := entity.Decode(b.Arena, e.Payload, entity.DecodeOptions{})
		if err != nil {
			return err
		}
		b.Entities = append(b.Entities, v)
	}
	_, err = n.inlet.Receive(q.Context(), b)
	return err
}

// post sends webhooks over some connections at once, each waiting for its
// answer, and makes sure that all of them are kept.
func (n *taker) post(ctx context.Context, path, dataset string, bodies [][]byte, at int) (result, error) {
	before, err := n.store.Info(ctx, dataset)
	if err != nil {
		return result{}, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: at}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	errs := make([]error, at)
	start := time.Now()
	var all sync.WaitGroup
	for nth := range at {
		all.Go(func() {
			for i := nth; i < len(bodies) && errs[nth] == nil; i += at {
				errs[nth] = n.send(ctx, client, path, bodies[i])
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	after, err := n.store.Info(ctx, dataset)
	if err = errors.Join(append(errs, err)...); err == nil && int(after.Live-before.Live) != len(bodies) {
		err = fmt.Errorf("%s kept %d of %d events", dataset, after.Live-before.Live, len(bodies))
	}
	return result{rate: float64(len(bodies)) / took.Seconds()}, err
}

func (n *taker) send(ctx context.Context, client *http.Client, path string, body []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return measure.Do(client, q)
}

func (n *taker) close() {
	n.server.Close()
	<-n.ended
	n.pool.Close()
	n.engine.Close()
	n.store.Close()
}

// measureIngest compares taking in webhooks through a handler in JavaScript with
// the same without one.
func measureIngest(ctx context.Context, o options, dir string) error {
	n, err := openTaker(ctx, dir)
	if err != nil {
		return err
	}
	defer n.close()
	var ratios []float64
	var plain, scripted []result
	for round := -1; round < o.rounds; round++ { // the first one warms up
		bodies := measure.Events(round, o.events, 9)
		a, err := n.post(ctx, "/api/receivers/plain/entities", "plain", bodies, o.concurrency)
		if err != nil {
			return err
		}
		b, err := n.post(ctx, "/scripted", "scripted", bodies, o.concurrency)
		if err != nil {
			return err
		}
		if round >= 0 {
			plain, scripted, ratios = append(plain, a), append(scripted, b), append(ratios, b.rate/a.rate)
		}
	}
	fmt.Printf("taking in, through a handler in JavaScript / without   %s\n", measure.Spread(ratios, 2))
	fmt.Printf("  without      %6.0f events/s\n  JavaScript   %6.0f events/s\n", middle(plain).rate, middle(scripted).rate)
	return nil
}
