package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Door is the HTTP server of a node. It serves plain posts to receivers itself,
// which takes less than net/http's server does, and hands a connection over to that
// as soon as anything else comes on it; see ADR 0011.
type Door struct {
	handler http.Handler
	rest    *http.Server // for all that is not plain
	handed  *handed
	ending  atomic.Bool
	working sync.WaitGroup // connections that were not handed over

	mu       sync.Mutex // guards what follows
	conns    map[*conn]bool
	listener net.Listener
}

// longestPause bounds the wait after a connection could not be accepted.
const longestPause = time.Second

// Serve takes in connections until Shutdown or Close, and then returns
// http.ErrServerClosed. It is called once.
func (d *Door) Serve(ln net.Listener) error {
	if !d.open(ln) {
		return http.ErrServerClosed
	}
	ended := make(chan error, 1)
	go func() { ended <- d.rest.Serve(d.handed) }()
	err := d.accept(ln)
	if d.ending.Load() {
		<-ended
		return http.ErrServerClosed
	}
	d.Close()
	<-ended
	return err
}

func (d *Door) open(ln net.Listener) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		ln.Close()
		return false
	}
	d.listener, d.handed.address = ln, ln.Addr()
	return true
}

// accept takes in connections. What passes by itself, such as too many open
// files, is waited for.
func (d *Door) accept(ln net.Listener) error {
	pause := time.Duration(0)
	for {
		c, err := ln.Accept()
		var passing net.Error
		switch {
		case err == nil:
			pause = 0
			d.take(c)
		//lint:ignore SA1019 net/http's server asks the same
		case !d.ending.Load() && errors.As(err, &passing) && passing.Temporary():
			pause = min(max(2*pause, 5*time.Millisecond), longestPause)
			time.Sleep(pause)
		default:
			return err
		}
	}
}

// take serves a new connection.
func (d *Door) take(nc net.Conn) {
	c := &conn{Conn: nc, d: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		nc.Close()
		return
	}
	d.conns[c] = true
	d.working.Go(c.serve)
}

func (d *Door) forget(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
}

// end takes in no more connections, and ends those it may.
func (d *Door) end(may func(*conn) bool) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ending.Swap(true) && d.listener != nil {
		err = d.listener.Close()
	}
	for c := range d.conns {
		if may(c) {
			c.Close()
		}
	}
	return err
}

// Shutdown ends the door: nobody is let in any more, who is in is answered. It
// returns early with the context's error.
func (d *Door) Shutdown(ctx context.Context) error {
	err := d.end(func(c *conn) bool { return c.state.CompareAndSwap(idle, over) })
	d.rest.SetKeepAlivesEnabled(false)
	// Whoever is being handed over gets an answer as well, so net/http's server
	// ends afterwards.
	done := make(chan struct{})
	go func() {
		d.working.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	return errors.Join(err, d.rest.Shutdown(ctx))
}

// Close ends the door and all connections at once.
func (d *Door) Close() error {
	err := errors.Join(d.end(func(*conn) bool { return true }), d.rest.Close())
	d.handed.Close() // if it was never served
	d.working.Wait()
	return err
}

// handed is the listener by which net/http's server gets connections.
type handed struct {
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	address net.Addr
}

func newHanded() *handed {
	return &handed{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return h.address }

// over hands a connection over; false if nobody takes it any more.
func (h *handed) over(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		return false
	}
}
