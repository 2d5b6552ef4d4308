package server

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// What a connection may be.
const (
	idle = iota // waits for a request
	busy
	over // is closed, because it was idle when the node ended
)

const (
	// plainHead is how many bytes the head of a plain post has at most.
	plainHead = 8 << 10
	// plainBody is how many its body has.
	plainBody = 1 << 20
	// slack is how much shorter than it should be the time may be for which a
	// caller may stay idle, so that not every request sets it anew.
	slack = time.Minute
)

// conn is a connection on which nothing but plain posts has come.
type conn struct {
	net.Conn
	d      *Door
	state  atomic.Int32
	in     *bufio.Reader
	head   head
	remote string
	until  time.Time // the deadline of reading
	answer answer
	served bool
}

// serve answers plain posts until something else comes.
func (c *conn) serve() {
	defer c.d.forget(c)
	c.in, c.remote = bufio.NewReaderSize(c.Conn, plainHead), c.RemoteAddr().String()
	c.answer.c = c
	c.reads(headerTimeout, 0)
	for c.awaits() {
		r, unread := c.plain()
		if r == nil {
			c.handOver(unread)
			return
		}
		if !c.do(r) {
			break
		}
		c.served = true
		c.state.Store(idle)
		if c.d.ending.Load() {
			break
		}
		c.reads(bodyTimeout, slack)
	}
	c.Close()
}

// reads sets how long reading may take, if that would change by more than some
// slack.
func (c *conn) reads(most, slack time.Duration) {
	if until := time.Now().Add(most); until.Sub(c.until) > slack || c.until.After(until) {
		c.until = until
		c.Conn.SetReadDeadline(until)
	}
}

// SetReadDeadline is for handlers, by http.ResponseController.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.until = t
	return c.Conn.SetReadDeadline(t)
}

// awaits waits for the first bytes of a request. Fewer than four at the end of a
// connection that has been served are none, as net/http has it.
func (c *conn) awaits() bool {
	least := 1
	if c.served {
		least = 4
	}
	_, err := c.in.Peek(least)
	return err == nil && c.state.CompareAndSwap(idle, busy)
}

// plain reads the head of a plain post. Whatever is not plain to the last detail
// is left to net/http's server: then it returns what was read. Heads that are not as
// usual are parsed by net/http, so the two cannot take a request for two different
// ones.
func (c *conn) plain() (r *http.Request, unread []byte) {
	all, _ := c.in.Peek(c.in.Buffered())
	if r = c.usual(all); r == nil {
		if !looksPlain(all) {
			return nil, all
		}
		var err error
		r, err = http.ReadRequest(c.in) // which finds all it reads in the buffer
		if err != nil || !isPlain(r) {
			return nil, all
		}
	}
	r.RemoteAddr = c.remote
	if r.ContentLength > int64(c.in.Buffered()) {
		c.reads(bodyTimeout, 0)
	}
	return r, nil
}

// usual reads a head that is as most are; nil if it is not.
func (c *conn) usual(all []byte) *http.Request {
	r, n := c.head.read(all)
	if r == nil {
		return nil
	}
	_, _ = c.in.Discard(n) // what is in the buffer can be
	if r.ContentLength > 0 {
		c.head.body = body{in: c.in, left: r.ContentLength}
		r.Body = &c.head.body
	}
	return r
}

var (
	plainStart = []byte("POST /api/receivers/")
	plainEnd   = []byte("/entities")
	headEnd    = []byte("\r\n\r\n")
)

// looksPlain tells whether bytes begin with the whole head of a post to a
// receiver.
func looksPlain(b []byte) bool { return toReceiver(b) && bytes.Contains(b, headEnd) }

// toReceiver tells whether a first line is that of a post to a receiver.
func toReceiver(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, plainStart)
	if !ok {
		return false
	}
	path, ok := bytes.CutSuffix(rest[:max(bytes.IndexAny(rest, " ?\r\n"), 0)], plainEnd)
	return ok && len(path) > 0 && bytes.IndexByte(path, '/') < 0
}

// isPlain tells whether nothing about a request is out of the ordinary.
func isPlain(r *http.Request) bool {
	if r.Proto != "HTTP/1.1" || r.Close || r.ContentLength < 0 || r.ContentLength > plainBody || len(r.TransferEncoding) > 0 ||
		r.Host == "" || !httpguts.ValidHostHeader(r.Host) {
		return false
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		for _, v := range values {
			if !usual(name, v) || !httpguts.ValidHeaderFieldValue(v) {
				return false
			}
		}
	}
	return true
}

// do has the handler answer a request; false if the connection ends.
func (c *conn) do(r *http.Request) (goOn bool) {
	defer func() {
		if err := recover(); err != nil && err != http.ErrAbortHandler {
			slog.Error("a request could not be answered", "from", c.remote, "panic", err, "stack", string(debug.Stack()))
		}
	}()
	body := r.Body // which a handler may have put another in the place of
	c.answer.reset()
	c.d.handler.ServeHTTP(&c.answer, r)
	if !c.answer.send(c.d.ending.Load()) {
		return false
	}
	return body.Close() == nil // reads what the handler has not
}

// handOver has net/http's server go on with the connection.
func (c *conn) handOver(unread []byte) {
	if c.served { // which is patient with line ends behind a body, too
		start := unread[:min(len(unread), 4)]
		unread = unread[len(start)-len(bytes.TrimLeft(start, "\r\n")):]
	}
	c.Conn.SetReadDeadline(time.Time{})
	if !c.d.handed.over(&begunConn{c.Conn, bytes.Clone(unread)}) {
		c.Close()
	}
}

// begunConn is a connection of which something has been read.
type begunConn struct {
	net.Conn
	unread []byte
}

// Read implements net.Conn.
func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}

// What net/http's server and breakOff ask of TCP connections.
type (
	lingering interface{ SetLinger(sec int) error }
	halfway   interface{ CloseWrite() error }
)

// SetLinger tells how much to care for what was not sent when it is closed.
func (c *begunConn) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(lingering); ok {
		return tcp.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// CloseWrite ends what is sent, so that the other side can read it in peace.
func (c *begunConn) CloseWrite() error {
	if tcp, ok := c.Conn.(halfway); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}
