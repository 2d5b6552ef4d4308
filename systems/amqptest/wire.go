// Package amqptest is a broker for the tests of what speaks AMQP 0-9-1: it
// speaks the real protocol over real connections, keeps its queues in memory,
// and does on demand what brokers do at bad moments.
package amqptest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Kinds of frames, and the octet that ends each.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE
	// frameMax is the largest frame that the broker agrees to: small, so that
	// bodies are cut.
	frameMax = 4096
)

// frame is a frame as it stands on the wire.
type frame struct {
	kind    byte
	channel uint16
	payload []byte
}

func readFrame(r *bufio.Reader) (frame, error) {
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{kind: head[0], channel: binary.BigEndian.Uint16(head[1:])}
	size := binary.BigEndian.Uint32(head[3:])
	if size > frameMax {
		return f, errors.New("the frame is too large")
	}
	f.payload = make([]byte, size+1)
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return f, err
	}
	if f.payload[size] != frameEnd {
		return f, errors.New("the frame does not end where it should")
	}
	f.payload = f.payload[:size]
	return f, nil
}

func appendFrame(b []byte, kind byte, channel uint16, payload []byte) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), frameEnd)
}

// method is a method's number: class in the high half.
type method uint32

func m(class, id uint16) method { return method(class)<<16 | method(id) }

// args reads the arguments of a method. After the end it reads zeros and
// remembers that.
type args struct {
	b   []byte
	bad bool
}

func (a *args) take(n int) []byte {
	if n < 0 || n > len(a.b) {
		a.bad = true
		return make([]byte, min(max(n, 0), 8))
	}
	got := a.b[:n]
	a.b = a.b[n:]
	return got
}

func (a *args) octet() byte      { return a.take(1)[0] }
func (a *args) short() uint16    { return binary.BigEndian.Uint16(a.take(2)) }
func (a *args) long() uint32     { return binary.BigEndian.Uint32(a.take(4)) }
func (a *args) quad() uint64     { return binary.BigEndian.Uint64(a.take(8)) }
func (a *args) text() string     { return string(a.take(int(a.octet()))) }
func (a *args) longText() []byte { return a.take(int(a.long())) }

// out writes the arguments of a method.
type out struct{ b []byte }

func begin(id method) *out {
	return &out{binary.BigEndian.AppendUint32(nil, uint32(id))}
}

func (o *out) octet(n byte) *out   { o.b = append(o.b, n); return o }
func (o *out) short(n uint16) *out { o.b = binary.BigEndian.AppendUint16(o.b, n); return o }
func (o *out) long(n uint32) *out  { o.b = binary.BigEndian.AppendUint32(o.b, n); return o }
func (o *out) quad(n uint64) *out  { o.b = binary.BigEndian.AppendUint64(o.b, n); return o }
func (o *out) text(s string) *out  { o.b = append(append(o.b, byte(len(s))), s...); return o }
func (o *out) longText(s string) *out {
	o.long(uint32(len(s)))
	o.b = append(o.b, s...)
	return o
}

func (o *out) flag(on bool) *out {
	if on {
		return o.octet(1)
	}
	return o.octet(0)
}
