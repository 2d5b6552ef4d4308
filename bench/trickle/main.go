// Command trickle measures what an event costs a node that has little to do: events
// come one by one, each signed, are received, transformed, merged and sent on as
// webhooks, each by runs of its own. It tells how often the log was flushed, which
// datasets were written how often, and the processor time of the process, which
// holds the caller and the receiver too.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

const secret = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtb2YtdGhlLWJlbmNo"

// hook is one more pipe.
const hook = `, {"_id": "shop-order-out", "type": "pipe", "source": {"type": "dataset", "dataset": "shop-order-collect"},
  "sink": {"type": "webhook", "url": %q, "secret": "$SECRET(key)"}}]`

type options struct {
	rate, seconds int
	hook          bool
	dir, profile  string
}

func main() {
	var o options
	flag.IntVar(&o.rate, "rate", 20, "events a second")
	flag.IntVar(&o.seconds, "seconds", 10, "how long")
	flag.BoolVar(&o.hook, "hook", false, "whether a fourth pipe sends what was merged as webhooks")
	flag.StringVar(&o.dir, "dir", "", "where the data folder is made; by default where temporary files are")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile to this file")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "trickle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "trickle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var arrived atomic.Int64
	receiver, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(receiver, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived.Add(1)
	}))
	pipes := measure.Shop
	if o.hook {
		pipes = strings.TrimSuffix(pipes, "]") + fmt.Sprintf(hook, "http://"+receiver.Addr().String()+"/hook")
	}
	n, err := open(ctx, dir, pipes)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.events(ctx, o, -1, o.rate); err != nil { // warms up
		return err
	}
	time.Sleep(2 * time.Second)
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	n.count.reset()
	flushes, cpu := n.flushes.Load(), measure.CPUTime()
	events := o.rate * o.seconds
	if err := n.events(ctx, o, 0, events); err != nil {
		return err
	}
	want := int64(events + o.rate)
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if info, err := n.store.Info(ctx, "shop-order-collect"); err != nil {
			return err
		} else if info.Live == want && (!o.hook || arrived.Load() == want) {
			want = 0
			break
		}
	}
	time.Sleep(500 * time.Millisecond)
	pprof.StopCPUProfile()
	if want != 0 {
		return fmt.Errorf("not all of %d events came through", want)
	}
	fmt.Printf("%d events, %d a second: %.2f flushes of the log an event, CPU %.0f µs an event\n", events, o.rate,
		float64(n.flushes.Load()-flushes)/float64(events), float64((measure.CPUTime()-cpu).Microseconds())/float64(events))
	n.count.tell(events)
	return nil
}

// counting counts batches by what they write.
type counting struct {
	store.Store
	mu sync.Mutex
	of map[string]int
}

func (c *counting) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of = map[string]int{}
}

// Append implements store.Store.
func (c *counting) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	name := ""
	for _, w := range b.Writes {
		name += fmt.Sprintf("%s (%d) ", w.Dataset, len(w.Ops))
	}
	for _, s := range b.State {
		name += "state " + s.Key + " "
	}
	c.mu.Lock()
	c.of[name]++
	c.mu.Unlock()
	return c.Store.Append(ctx, b)
}

func (c *counting) tell(events int) {
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		fmt.Printf("  %5.2f  %s\n", float64(c.of[name])/float64(events), name)
	}
}

type node struct {
	store   *local.Store
	count   *counting
	served  *measure.Served
	flushes atomic.Int64
}

func open(ctx context.Context, dir, conf string) (*node, error) {
	c, err := measure.Config(conf, secret)
	if err != nil {
		return nil, err
	}
	n := &node{}
	if n.store, err = local.Open(filepath.Join(dir, "data"), local.Options{FS: countFS{local.MachineFS(), &n.flushes}}); err != nil {
		return nil, err
	}
	n.count = &counting{Store: n.store, of: map[string]int{}}
	n.served, err = measure.ServeInside(ctx, c, n.count)
	return n, err
}

func (n *node) close() {
	n.served.Close()
	n.store.Close()
}

// events posts so many events at the rate.
func (n *node) events(ctx context.Context, o options, round, count int) error {
	tick := time.NewTicker(time.Second / time.Duration(o.rate))
	defer tick.Stop()
	for _, body := range measure.Events(round, count, 9) {
		<-tick.C
		if err := n.post(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) post(ctx context.Context, body []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.served.Address+"/api/receivers/shop-order-event/entities", bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("X-Shop-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return measure.Do(http.DefaultClient, q)
}

// countFS counts the flushes of files.
type countFS struct {
	local.FS
	n *atomic.Int64
}

// Create implements local.FS.
func (f countFS) Create(name string) (local.File, error) { return f.counted(f.FS.Create(name)) }

// Open implements local.FS.
func (f countFS) Open(name string) (local.File, error) { return f.counted(f.FS.Open(name)) }

func (f countFS) counted(file local.File, err error) (local.File, error) {
	if err != nil {
		return nil, err
	}
	return countFile{file, f.n}, nil
}

type countFile struct {
	local.File
	n *atomic.Int64
}

// Sync implements local.File.
func (f countFile) Sync() error {
	f.n.Add(1)
	return f.File.Sync()
}
