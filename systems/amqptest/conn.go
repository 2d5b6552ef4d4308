package amqptest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/messages"
)

// conn is one client.
type conn struct {
	b        *Broker
	net      net.Conn
	channels map[uint16]*channel
}

// channel is one of a client's.
type channel struct {
	c        *conn
	id       uint16
	prefetch int
	tag      uint64 // of the last delivery
	unacked  []unacked
	confirms bool
	seq      uint64 // of the last message published
	// publishing is the message whose header and body are still to come.
	publishing *message
	mandatory  bool
	left       uint64
}

type unacked struct {
	tag uint64
	q   *queue
	msg *message
}

func (b *Broker) serve(n net.Conn) {
	c := &conn{b: b, net: n, channels: map[uint16]*channel{}}
	defer n.Close()
	r := bufio.NewReader(n)
	var magic [8]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil || string(magic[:]) != "AMQP\x00\x00\x09\x01" {
		_, _ = n.Write([]byte("AMQP\x00\x00\x09\x01"))
		return
	}
	b.mu.Lock()
	b.mu.conns[c] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.mu.conns, c)
		for _, ch := range c.channels {
			b.goneLocked(ch)
		}
	}()
	c.send(0, begin(m(10, 10)).octet(0).octet(9).long(0).longText("PLAIN AMQPLAIN").longText("en_US"))
	for {
		b.hears()
		f, err := readFrame(r)
		if err != nil {
			return
		}
		b.mu.Lock()
		on := c.handleLocked(f)
		b.mu.Unlock()
		if !on {
			return
		}
	}
}

func (c *conn) send(channel uint16, o *out) { c.write(appendFrame(nil, frameMethod, channel, o.b)) }

// write bounds how long a client that reads nothing may hold up the rest.
func (c *conn) write(b []byte) {
	_ = c.net.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.net.Write(b); err != nil {
		_ = c.net.Close()
	}
}

// content sends a message behind the method that announces it.
func (c *conn) content(channel uint16, o *out, msg *message) {
	b := appendFrame(nil, frameMethod, channel, o.b)
	b = appendFrame(b, frameHeader, channel, msg.header)
	for piece := range slices.Chunk(msg.body, frameMax-8) {
		b = appendFrame(b, frameBody, channel, piece)
	}
	c.write(b)
}

// handleLocked takes in a frame; false ends the connection.
func (c *conn) handleLocked(f frame) bool {
	switch f.kind {
	case frameHeartbeat:
		c.write(appendFrame(nil, frameHeartbeat, 0, nil))
		return true
	case frameHeader, frameBody:
		ch := c.channels[f.channel]
		return ch == nil || ch.publishing != nil && ch.contentLocked(f)
	case frameMethod:
		a := &args{b: f.payload}
		id := method(a.long())
		if id>>16 == 10 {
			return c.connection(id, a)
		}
		ch := c.channels[f.channel]
		if id == m(20, 10) {
			c.channels[f.channel] = &channel{c: c, id: f.channel}
			c.send(f.channel, begin(m(20, 11)).longText(""))
			return true
		}
		// What comes for a channel that the broker has closed is of before.
		return ch == nil || ch.methodLocked(id, a) && !a.bad
	}
	return false
}

func (c *conn) connection(id method, a *args) bool {
	switch id {
	case m(10, 11): // start-ok
		a.longText()
		a.text()
		user := strings.Split(string(a.longText()), "\x00")
		if len(user) != 3 || user[1] != c.b.User || user[2] != c.b.Password {
			c.send(0, begin(m(10, 50)).short(403).text("ACCESS_REFUSED - Login was refused").short(0).short(0))
			return false
		}
		c.send(0, begin(m(10, 30)).short(2047).long(frameMax).short(60))
	case m(10, 31): // tune-ok
	case m(10, 40): // open
		c.send(0, begin(m(10, 41)).text(""))
	case m(10, 50): // close
		c.send(0, begin(m(10, 51)))
		return false
	case m(10, 51):
		return false
	}
	return true
}

func (ch *channel) send(o *out) bool {
	ch.c.send(ch.id, o)
	return true
}

// fail closes the channel, saying why.
func (ch *channel) fail(code uint16, text string) bool {
	ch.c.b.goneLocked(ch)
	delete(ch.c.channels, ch.id)
	return ch.send(begin(m(20, 40)).short(code).text(text).short(0).short(0))
}

func (ch *channel) methodLocked(id method, a *args) bool {
	switch id {
	case m(20, 40): // channel.close
		ch.c.b.goneLocked(ch)
		delete(ch.c.channels, ch.id)
		return ch.send(begin(m(20, 41)))
	case m(20, 41):
		return true
	case m(85, 10): // confirm.select
		ch.confirms = true
		return ch.send(begin(m(85, 11)))
	case m(40, 10), m(50, 10), m(50, 20):
		return ch.declareLocked(id, a)
	default:
		return ch.basicLocked(id, a)
	}
}

func (ch *channel) declareLocked(id method, a *args) bool {
	b := ch.c.b
	a.short()
	switch name := a.text(); id {
	case m(40, 10): // exchange.declare
		kind, bits := a.text(), a.octet()
		x := b.mu.exchanges[name]
		switch {
		case x == nil && bits&1 != 0:
			return ch.fail(404, "NOT_FOUND - no exchange '"+name+"'")
		case x != nil && x.kind != kind:
			return ch.fail(406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '"+name+"'")
		case x == nil:
			b.mu.exchanges[name] = &exchange{kind: kind}
		}
		return ch.send(begin(m(40, 11)))
	case m(50, 10): // queue.declare
		q := b.mu.queues[name]
		if q == nil && a.octet()&1 != 0 {
			return ch.fail(404, "NOT_FOUND - no queue '"+name+"'")
		}
		if q == nil {
			q = &queue{name: name}
			b.mu.queues[name] = q
		}
		return ch.send(begin(m(50, 11)).text(name).long(uint32(len(q.ready))).long(uint32(len(q.consumers))))
	default: // queue.bind
		to, key := a.text(), a.text()
		x := b.mu.exchanges[to]
		p, err := messages.ParsePattern(key)
		if x == nil || b.mu.queues[name] == nil || err != nil {
			return ch.fail(404, "NOT_FOUND - no exchange '"+to+"'")
		}
		if bind := (binding{name, key, p}); !slices.ContainsFunc(x.bindings, func(o binding) bool { return o.queue == name && o.key == key }) {
			x.bindings = append(x.bindings, bind)
		}
		return ch.send(begin(m(50, 21)))
	}
}

func (ch *channel) basicLocked(id method, a *args) bool {
	b := ch.c.b
	switch id {
	case m(60, 10): // qos
		a.long()
		ch.prefetch = int(a.short())
		return ch.send(begin(m(60, 11)))
	case m(60, 20): // consume
		a.short()
		q, tag := b.mu.queues[a.text()], a.text()
		if q == nil {
			return ch.fail(404, "NOT_FOUND - no such queue")
		}
		q.consumers = append(q.consumers, &consumer{ch, tag, a.octet()&2 != 0})
		ch.send(begin(m(60, 21)).text(tag))
		b.pumpLocked(q)
		return true
	case m(60, 30): // cancel
		tag := a.text()
		for _, q := range b.mu.queues {
			q.consumers = slices.DeleteFunc(q.consumers, func(c *consumer) bool { return c.ch == ch && c.tag == tag })
		}
		return ch.send(begin(m(60, 31)).text(tag))
	case m(60, 40): // publish
		a.short()
		ch.publishing = &message{exchange: a.text(), key: a.text()}
		ch.mandatory = a.octet()&1 != 0
		return true
	case m(60, 70): // get
		a.short()
		return ch.getLocked(b.mu.queues[a.text()], a.octet()&1 != 0)
	case m(60, 80), m(60, 90), m(60, 120): // ack, reject, nack
		return ch.answerLocked(id, a.quad(), a.octet())
	}
	return ch.fail(540, "NOT_IMPLEMENTED")
}

func (ch *channel) getLocked(q *queue, noAck bool) bool {
	if q == nil {
		return ch.fail(404, "NOT_FOUND - no such queue")
	}
	if len(q.ready) == 0 {
		return ch.send(begin(m(60, 72)).text(""))
	}
	msg := q.ready[0]
	q.ready = q.ready[1:]
	ch.tag++
	if !noAck {
		ch.unacked = append(ch.unacked, unacked{ch.tag, q, msg})
	}
	ch.c.b.mu.delivered++
	o := begin(m(60, 71)).quad(ch.tag).flag(msg.redelivered).text(msg.exchange).text(msg.key).long(uint32(len(q.ready)))
	ch.c.content(ch.id, o, msg)
	if b := ch.c.b; b.mu.cutAfter > 0 {
		if b.mu.cutAfter--; b.mu.cutAfter == 0 {
			b.cutLocked()
		}
	}
	return true
}

func (ch *channel) deliverLocked(q *queue, c *consumer, msg *message) {
	ch.tag++
	if !c.noAck {
		ch.unacked = append(ch.unacked, unacked{ch.tag, q, msg})
	}
	ch.c.content(ch.id, begin(m(60, 60)).text(c.tag).quad(ch.tag).flag(msg.redelivered).text(msg.exchange).text(msg.key), msg)
}

// answerLocked takes what a client says of deliveries.
func (ch *channel) answerLocked(id method, tag uint64, bits byte) bool {
	multiple, requeue := bits&1 != 0 && id != m(60, 90), false
	switch id {
	case m(60, 90):
		requeue = bits&1 != 0
	case m(60, 120):
		requeue = bits&2 != 0
	}
	n := ch.settleLocked(func(u unacked) bool { return u.tag == tag || multiple && (tag == 0 || u.tag < tag) }, requeue)
	if n == 0 && !multiple {
		return ch.fail(406, "PRECONDITION_FAILED - unknown delivery tag")
	}
	if id == m(60, 80) {
		ch.c.b.mu.acked += n
	}
	for _, q := range ch.c.b.mu.queues {
		ch.c.b.pumpLocked(q)
	}
	return true
}

// settleLocked takes deliveries back, into their queues or for good.
func (ch *channel) settleLocked(which func(u unacked) bool, requeue bool) (n int) {
	back := map[*queue][]*message{}
	ch.unacked = slices.DeleteFunc(ch.unacked, func(u unacked) bool {
		if !which(u) {
			return false
		}
		if n++; requeue {
			u.msg.redelivered = true
			back[u.q] = append(back[u.q], u.msg)
		}
		return true
	})
	for q, all := range back {
		q.ready = append(all, q.ready...)
	}
	for q := range back {
		ch.c.b.pumpLocked(q)
	}
	return n
}

// contentLocked takes in the header or a piece of the body of what is published.
func (ch *channel) contentLocked(f frame) bool {
	msg := ch.publishing
	if f.kind == frameHeader {
		if len(f.payload) < 14 {
			return false
		}
		msg.header, ch.left = f.payload, binary.BigEndian.Uint64(f.payload[4:])
	} else {
		msg.body = append(msg.body, f.payload...)
		ch.left -= min(ch.left, uint64(len(f.payload)))
	}
	if ch.left > 0 {
		return true
	}
	ch.publishing = nil
	return ch.publishedLocked(msg)
}

func (ch *channel) publishedLocked(msg *message) bool {
	b := ch.c.b
	if msg.exchange != "" && b.mu.exchanges[msg.exchange] == nil {
		return ch.fail(404, "NOT_FOUND - no exchange '"+msg.exchange+"'")
	}
	ch.seq++
	refused := ch.confirms && b.mu.refuse
	if !refused {
		b.mu.published++
		if !b.routeLocked(msg) && ch.mandatory {
			ch.c.content(ch.id, begin(m(60, 50)).short(312).text("NO_ROUTE").text(msg.exchange).text(msg.key), msg)
		}
	}
	switch {
	case !ch.confirms || b.mu.held:
		return true
	case refused:
		return ch.send(begin(m(60, 120)).quad(ch.seq).octet(0))
	default:
		return ch.send(begin(m(60, 80)).quad(ch.seq).octet(0))
	}
}
