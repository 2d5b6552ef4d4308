package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// secret is what callers sign with.
const secret = "an-example-secret-that-protects-nothing"

// load is the requests of a round, made beforehand so that making them costs
// the round nothing. Paths are of the connection that sends them.
type load struct {
	bodies []byte
	ends   []int
	signs  []string
	person int // connections
}

// makeLoad makes orders of about 1 KB that nobody has seen before.
func makeLoad(o options, round int) *load {
	l := &load{person: o.connections}
	for i := range o.requests {
		start := len(l.bodies)
		l.bodies = appendOrder(l.bodies, round, i)
		l.ends = append(l.ends, len(l.bodies))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(l.bodies[start:])
		l.signs = append(l.signs, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return l
}

func appendOrder(dst []byte, round, i int) []byte {
	dst = fmt.Appendf(dst, `{"_id":"evt-%d-%d","eventType":"order.paid","order":{"id":%d,"number":"SO-%07d","currency":"EUR","total":"%d.%02d","customer":{"id":"c%d","name":"Customer %d of the shop","email":"c%d@shop.example"},"lines":[`,
		round, i, i, i, i%900, i%100, i%5000, i%5000, i%5000)
	for line := range 6 {
		if line > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, `{"sku":"SKU-%05d","title":"A thing that is sold by the piece","quantity":%d,"price":%d.25,"taxable":true}`, (i*7+line)%90000, 1+line, line*3)
	}
	return append(dst, `]},"createdAt":"2025-03-01T12:00:00Z","attempt":1,"source":"web"}`...)
}

func (l *load) body(i int) []byte {
	start := 0
	if i > 0 {
		start = l.ends[i-1]
	}
	return l.bodies[start:l.ends[i]]
}

// result is what a round came to.
type result struct {
	rate       float64 // requests a second
	p50, p99   time.Duration
	downstream int // entities that had come through all pipes when the last request was answered
	requests   int
	cpu        time.Duration // a request, the caller's included
	flushes    int64
	flush      time.Duration // that one took, on average
}

// run sends all requests over the connections, each of which waits for an
// answer before it sends the next.
func (l *load) run(ctx context.Context, address, path string) (result, error) {
	conns := make([]net.Conn, l.person)
	for i := range conns {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return result{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	times := make([]time.Duration, len(l.ends))
	errs := make([]error, len(conns))
	var all sync.WaitGroup
	cpu, start := cpuTime(), time.Now()
	for i, c := range conns {
		all.Go(func() { errs[i] = l.send(ctx, c, path, i, times) })
	}
	all.Wait()
	took := time.Since(start)
	cpu = cpuTime() - cpu
	for _, err := range errs {
		if err != nil {
			return result{}, err
		}
	}
	slices.Sort(times)
	return result{rate: float64(len(times)) / took.Seconds(), p50: times[len(times)/2], p99: times[len(times)*99/100],
		requests: len(times), cpu: cpu / time.Duration(len(times))}, nil
}

func (l *load) send(ctx context.Context, c net.Conn, path string, nth int, times []time.Duration) error {
	in := bufio.NewReaderSize(c, 4096)
	head := "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nUser-Agent: shop\r\n"
	var buf []byte
	for i := nth; i < len(l.ends); i += l.person {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		body := l.body(i)
		buf = append(buf[:0], head...)
		buf = append(buf, "X-Shop-Signature: "...)
		buf = append(buf, l.signs[i]...)
		buf = append(buf, "\r\nContent-Length: "...)
		buf = strconv.AppendInt(buf, int64(len(body)), 10)
		buf = append(buf, "\r\n\r\n"...)
		buf = append(buf, body...)
		start := time.Now()
		if _, err := c.Write(buf); err != nil {
			return err
		}
		if err := answer(in); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		times[i] = time.Since(start)
	}
	return nil
}

// answer reads an answer, which must be a 200.
func answer(in *bufio.Reader) error {
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok, said := bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")), string(status)
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return err
			}
		}
	}
	if ok {
		_, err := in.Discard(length)
		return err
	}
	rest := make([]byte, length)
	in.Read(rest)
	return fmt.Errorf("%s%s", said, rest)
}

// cpuTime is the time this process has used all cores.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
