package main

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// inbox receives what the systems deliver, each at a path of its own.
type inbox struct {
	server *http.Server
	mux    *http.ServeMux
	base   string
	ended  chan error
}

func openInbox() (*inbox, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	in := &inbox{mux: http.NewServeMux(), base: "http://" + ln.Addr().String(), ended: make(chan error, 1)}
	in.server = &http.Server{Handler: in.mux}
	go func() { in.ended <- in.server.Serve(ln) }()
	return in, nil
}

func (in *inbox) close() {
	in.server.Close()
	<-in.ended
}

// open makes the mailbox of a system.
func (in *inbox) open(name string, verify func(http.Header, []byte) error) *mailbox {
	m := &mailbox{url: in.base + "/" + name, verify: verify, batches: map[int]*batch{}}
	in.mux.Handle("/"+name, m)
	return m
}

// mailbox notes what arrives from a system, and when.
type mailbox struct {
	url     string
	verify  func(http.Header, []byte) error
	forged  atomic.Int64 // not signed as they should be
	strange atomic.Int64 // no event that was published
	mu      sync.RWMutex
	batches map[int]*batch
}

// batch is what is known of the events of a round.
type batch struct {
	posted  []time.Time
	told    []atomic.Bool               // it was answered 2xx
	arrived []atomic.Pointer[time.Time] // the first time
	count   []atomic.Int32              // how often
	left    atomic.Int64
	last    atomic.Pointer[time.Time] // when an event came that had not come before
	done    chan struct{}             // closed when all have come
}

// expect makes room for the events of a round.
func (m *mailbox) expect(number, n int) *batch {
	b := &batch{posted: make([]time.Time, n), told: make([]atomic.Bool, n), arrived: make([]atomic.Pointer[time.Time], n), count: make([]atomic.Int32, n), done: make(chan struct{})}
	b.left.Store(int64(n))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches[number] = b
	return b
}

// ServeHTTP implements http.Handler.
func (m *mailbox) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	now := time.Now()
	w.WriteHeader(http.StatusNoContent)
	if err != nil || m.verify(q.Header, body) != nil {
		m.forged.Add(1)
		return
	}
	number, nth, ok := measure.FindEvent(body)
	m.mu.RLock()
	b := m.batches[number]
	m.mu.RUnlock()
	if !ok || b == nil || nth >= len(b.count) {
		m.strange.Add(1)
		return
	}
	b.arrive(nth, now)
}

func (b *batch) arrive(nth int, now time.Time) {
	if b.count[nth].Add(1) > 1 {
		return
	}
	b.arrived[nth].Store(&now)
	b.last.Store(&now)
	if b.left.Add(-1) == 0 {
		close(b.done)
	}
}

// latencies are the times from publishing to the first arrival of all events that
// have arrived.
func (b *batch) latencies() (list []time.Duration) {
	for i := range b.posted {
		if at := b.arrived[i].Load(); at != nil {
			list = append(list, at.Sub(b.posted[i]))
		}
	}
	return list
}

// tally counts events over all rounds.
type tally struct {
	told  int // answered 2xx
	lost  int // answered 2xx, and have not arrived
	again int // arrivals after the first one
	extra int // have arrived, though they were not answered 2xx
}

func (m *mailbox) tally() (t tally) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, b := range m.batches {
		for i := range b.count {
			n, told := int(b.count[i].Load()), b.told[i].Load()
			switch {
			case told && n == 0:
				t.lost++
			case !told && n > 0:
				t.extra++
			}
			if told {
				t.told++
			}
			t.again += max(n-1, 0)
		}
	}
	return t
}
