package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems"
)

// brittle is a store that may lose power at some write, which is kept or lost as
// chance wants, and that watches what is deleted.
type brittle struct {
	store.Store
	mu      sync.Mutex
	left    int // writes until the power fails; -1 never
	keeps   bool
	deleted func(dataset, id string)
}

var errOff = errors.New("the power is off")

func (s *brittle) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	s.mu.Lock()
	left, keeps := s.left, s.keeps
	s.left = max(left-1, min(left, 0))
	s.mu.Unlock()
	if left == 0 && !keeps {
		return nil, errOff
	}
	for _, w := range b.Writes {
		for _, op := range w.Ops {
			switch {
			case op.Kind == store.Delete:
				s.deleted(w.Dataset, op.ID)
			case entity.Deleted(op.Entity):
				id, _ := entity.ID(op.Entity)
				s.deleted(w.Dataset, id)
			}
		}
	}
	p, err := s.Store.Append(ctx, b)
	if left == 0 && err == nil {
		_, err = p.Wait(ctx)
		return nil, errors.Join(err, errOff)
	}
	return p, err
}

// door is a node's address. What goes through it may get lost.
type door struct {
	*httptest.Server
	mu     sync.Mutex
	to     http.Handler
	r      *rand.Rand
	faults bool
}

func newDoor(t *testing.T, r *rand.Rand) *door {
	d := &door{r: r}
	d.Server = httptest.NewServer(d)
	d.Config.ErrorLog = nil
	t.Cleanup(d.Close)
	return d
}

func (d *door) set(to http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
}

func (d *door) fail(faults bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = faults
}

// draw says what happens to a request, and after how many bytes.
func (d *door) draw() (to http.Handler, fault, after int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faults {
		fault, after = d.r.IntN(8), d.r.IntN(1+d.r.IntN(1500))
	}
	return d.to, fault, after
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, fault, after := d.draw()
	if fault == 2 && r.Method == http.MethodPost {
		fault = 3 // by the protocol, whatever comes with 200 says that it was taken in
	}
	switch fault {
	case 1:
		panic(http.ErrAbortHandler) // it never came
	case 2:
		fmt.Fprint(w, "<html>down for maintenance</html>")
	case 3:
		http.Error(w, "[]", http.StatusBadGateway)
	case 4, 5:
		to.ServeHTTP(&cutter{ResponseWriter: w, left: after}, r)
		panic(http.ErrAbortHandler) // the answer is lost
	default:
		to.ServeHTTP(w, r)
	}
}

// cutter cuts an answer off.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	c.ResponseWriter.Write(b[:n])
	if n < len(b) {
		http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

// peer is one of two nodes.
type peer struct {
	t    *testing.T
	conf string
	disk *local.Store
	st   *brittle
	e    *engine.Engine
	door *door
	url  string // by which it has others tell it of changes
}

var standard = sync.OnceValues(engine.Standard)

func newPeer(t *testing.T, r *rand.Rand) *peer {
	p := &peer{t: t, door: newDoor(t, rand.New(rand.NewPCG(r.Uint64(), 0)))} // requests may outlive their caller
	p.open(t.TempDir())
	t.Cleanup(func() { p.e.Close(); p.disk.Close() })
	return p
}

func (p *peer) open(dir string) {
	st, err := local.Open(filepath.Join(dir, "data"), local.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.disk, p.st = st, &brittle{Store: st, left: -1, deleted: func(string, string) {}}
}

// start starts the node, or starts it anew. Power is there for so many writes.
func (p *peer) start(left int, keeps bool) {
	p.t.Helper()
	if p.e != nil {
		p.e.Close()
	}
	p.st.mu.Lock()
	p.st.left, p.st.keeps = -1, keeps
	p.st.mu.Unlock()
	sets, err := standard()
	if err != nil {
		p.t.Fatal(err)
	}
	c, _ := config.Parse("conf.json", []byte(p.conf), config.Options{})
	p.e, err = engine.Open(p.t.Context(), engine.Options{Config: c, Store: p.st, Sets: sets, URL: p.url, Transport: systems.NewTransport(systems.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})})
	if err != nil {
		p.t.Fatal(err)
	}
	p.door.set(server.New(p.e, server.Options{}))
	p.st.mu.Lock()
	p.st.left = left
	p.st.mu.Unlock()
}

// restore puts the node back to a backup.
func (p *peer) restore(backup []byte) {
	p.t.Helper()
	dir := p.t.TempDir()
	if err := local.Restore(p.t.Context(), bytes.NewReader(backup), filepath.Join(dir, "data")); err != nil {
		p.t.Fatal(err)
	}
	p.e.Close()
	p.e = nil
	if err := p.disk.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.open(dir)
	p.start(-1, true)
}

func (p *peer) put(ops []store.Op, populate bool) {
	p.t.Helper()
	b := &store.Batch{}
	if len(ops) > 0 {
		b.Writes = []store.Write{{Dataset: "data", Ops: ops}}
	}
	if populate {
		b.Populate = []string{"data"}
	}
	pending, err := p.disk.Append(p.t.Context(), b)
	if err == nil {
		_, err = pending.Wait(p.t.Context())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// live are the entities of a dataset, with what they say.
func (p *peer) live(dataset string) map[string]string {
	p.t.Helper()
	all := map[string]string{}
	page, err := p.disk.Read(p.t.Context(), dataset, store.Query{Since: store.Start, Limit: 10000}, entity.NewArena())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range page.Entities {
		id, _ := entity.ID(e)
		n, _ := e.Get("n")
		at, _ := e.Get("at")
		if !entity.Deleted(e) {
			all[strings.Clone(id)] = n.String() + " " + at.String()
		}
	}
	return all
}

// pair is a sending node with a dataset "data" and a receiving one with "copy".
type pair struct {
	t       *testing.T
	seed    uint64
	r       *rand.Rand
	a, b    *peer
	backup  []byte
	fresh   bool // the dataset was made anew and is not filled again
	watched struct {
		sync.Mutex
		must    map[string]bool // what has been there all along
		deleted []string        // … and was deleted all the same
	}
}

// lost notes a deletion of what has been there all along.
func (p *pair) lost(dataset, id string) {
	p.watched.Lock()
	defer p.watched.Unlock()
	if dataset == "copy" && p.watched.must[id] {
		p.watched.deleted = append(p.watched.deleted, id)
	}
}

// musts gives what must be there to a function that may change it.
func (p *pair) musts(f func(must map[string]bool)) {
	p.watched.Lock()
	defer p.watched.Unlock()
	f(p.watched.must)
}

const urlSystem = `{"_id": "other", "type": "system:url", "url_pattern": "%s/api/%%s"}`

func newPair(t *testing.T, seed uint64, confs func(p *pair) (a, b string)) *pair {
	r := rand.New(rand.NewPCG(seed, 51))
	p := &pair{t: t, seed: seed, r: r}
	p.watched.must = map[string]bool{}
	p.a, p.b = newPeer(t, r), newPeer(t, r)
	p.a.conf, p.b.conf = confs(p)
	p.b.st.deleted = p.lost
	for _, st := range []*local.Store{p.a.disk, p.b.disk} {
		for _, d := range []string{"data", "copy"} {
			if _, err := st.Create(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.a.put(nil, true)
	p.a.start(-1, true)
	p.b.start(-1, true)
	return p
}

func doc(id, n int) store.Op {
	return store.Op{Kind: store.Put, Entity: entity.NewDict(entity.Member{Key: entity.IDKey, Value: entity.NewString(strconv.Itoa(id))},
		entity.Member{Key: "n", Value: entity.NewInt(int64(n))}, entity.Member{Key: "at", Value: entity.NewURI("http://x/" + strconv.Itoa(id))})}
}

// change is something that happens to the sending node.
func (p *pair) change() {
	ctx, a := p.t.Context(), p.a
	switch k := p.r.IntN(12); {
	case k < 7:
		var ops []store.Op
		for range p.r.IntN(30) {
			id := p.r.IntN(40)
			if p.r.IntN(5) == 0 {
				ops = append(ops, store.Op{Kind: store.Delete, ID: strconv.Itoa(id)})
				p.musts(func(must map[string]bool) { delete(must, strconv.Itoa(id)) })
				continue
			}
			ops = append(ops, doc(id, p.r.IntN(4)))
		}
		a.put(ops, p.fresh && p.r.IntN(2) == 0 && p.fill())
	case k == 7:
		var b bytes.Buffer
		if err := a.disk.Backup(ctx, &b); err != nil {
			p.t.Fatal(err)
		}
		p.backup = b.Bytes()
		if p.fresh {
			p.backup = nil
		}
	case k == 8 && p.backup != nil && !p.fresh:
		a.restore(p.backup)
		p.keep()
	case k == 9 && !p.fresh:
		if err := errors.Join(a.disk.Drop(ctx, "data")); err != nil {
			p.t.Fatal(err)
		}
		if _, err := a.disk.Create(ctx, "data"); err != nil {
			p.t.Fatal(err)
		}
		p.fresh = true
	default:
		a.start(-1, true)
	}
}

// fill completes a dataset that was made anew.
func (p *pair) fill() bool {
	p.fresh = false
	var ids []string
	p.musts(func(must map[string]bool) { ids = slices.Sorted(maps.Keys(must)) })
	for _, id := range ids {
		n, _ := strconv.Atoi(id)
		if p.r.IntN(4) > 0 {
			p.a.put([]store.Op{doc(n, p.r.IntN(4))}, false)
		}
	}
	p.keep()
	return true
}

// keep forgets what is gone.
func (p *pair) keep() {
	now := p.a.live("data")
	p.musts(func(must map[string]bool) {
		maps.DeleteFunc(must, func(id string, _ bool) bool { return now[id] == "" })
	})
}

// sync lets a pipe run: with faults and power cuts at either side, or in peace
// until a run comes to its end.
func (p *pair) sync(of *peer, pipe string, peace bool) {
	p.t.Helper()
	var err error
	for range 5 {
		for _, n := range []*peer{p.a, p.b} {
			n.door.fail(!peace)
			left := -1
			if !peace && p.r.IntN(2) == 0 {
				left = p.r.IntN(8)
			}
			n.start(left, p.r.IntN(2) == 0)
		}
		pump, _ := of.e.Pipe(pipe)
		_, err = pump.Run(p.t.Context(), false)
		p.musts(func(map[string]bool) {
			if d := p.watched.deleted; len(d) > 0 {
				p.t.Fatalf("seed %d: deleted though they have been there all along: %v", p.seed, d)
			}
		})
		if !peace || err == nil {
			return
		}
	}
	p.t.Fatalf("seed %d: %v", p.seed, err)
}

// agree compares both sides in peace.
func (p *pair) agree(of *peer, pipe string) {
	p.t.Helper()
	if p.fresh {
		p.a.put(nil, p.fill())
	}
	p.sync(of, pipe, true)
	want, got := p.a.live("data"), p.b.live("copy")
	if !maps.Equal(want, got) {
		p.t.Fatalf("seed %d: the copy has\n%v\nnot\n%v", p.seed, got, want)
	}
	p.musts(func(must map[string]bool) {
		for id := range want {
			must[id] = true
		}
	})
}

func (p *pair) live(of *peer, pipe string) {
	for range 5 {
		for range 1 + p.r.IntN(4) {
			p.change()
			p.sync(of, pipe, false)
		}
		p.agree(of, pipe)
	}
}

func seeds() uint64 {
	if testing.Short() {
		return 4
	}
	return 25
}

// Whatever happens on the way, what one node pulls from another is what that one
// has once all is quiet, and nothing that was there all along was ever deleted.
func TestPullBetweenNodes(t *testing.T) {
	for seed := range seeds() {
		p := newPair(t, seed, func(p *pair) (a, b string) {
			way := []string{"", `"supports_since": true,`, `"supports_since": true, "is_chronological": true,`,
				`"supports_since": true, "is_chronological": true, "page_size": 7,`}[p.r.IntN(4)]
			return `[]`, fmt.Sprintf(`[`+urlSystem+`, {"_id": "copy", "type": "pipe", "batch_size": %d, "checkpoint_interval": %d, "source":
				{"type": "json", "system": "other", %s "url": "datasets/data/entities?history=false"}, "pump": {"mode": "manual"}}]`,
				p.a.door.URL, []int{1, 3, 1000}[p.r.IntN(3)], 1+p.r.IntN(4), way)
		})
		p.live(p.b, "copy")
	}
}

// The same where one node pushes to another.
func TestPushBetweenNodes(t *testing.T) {
	for seed := range seeds() {
		p := newPair(t, seed, func(p *pair) (a, b string) {
			return fmt.Sprintf(`[`+urlSystem+`, {"_id": "push", "type": "pipe", "batch_size": %d, "reprocessing_policy": "automatic", "checkpoint_interval": %d,
				"source": {"type": "dataset", "dataset": "data", "require_populated_input": true}, "pump": {"mode": "manual", "write_retry_delay": 0},
				"sink": {"type": "json", "system": "other", "url": "receivers/in/entities", "batch_size": %d}}]`,
					p.b.door.URL, []int{1, 3, 1000}[p.r.IntN(3)], 1+p.r.IntN(4), []int{1, 5, 100}[p.r.IntN(3)]),
				`[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"dataset": "copy"}}]`
		})
		p.live(p.a, "push")
	}
}
