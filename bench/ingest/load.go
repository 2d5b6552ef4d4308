package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
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
	raw    bool
}

// makeLoad makes orders of about 1 KB that nobody has seen before.
func makeLoad(o options, round int) *load {
	l := &load{person: o.connections, raw: o.raw}
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
	whole      float64 // the same until the last one had come through all pipes
	p50, p99   time.Duration
	downstream int // entities that had come through all pipes when the last request was answered
	requests   int
	cpu        time.Duration // a request, the caller's included
	wholeCPU   time.Duration // the same until the last one had come through all pipes
	flushes    int64
	flush      time.Duration // that one took, on average
}

// caller sends a request and reads the answer, which must be a 200.
type caller func(body []byte, sign string) error

// run sends all requests over the connections, each of which waits for an
// answer before it sends the next.
func (l *load) run(ctx context.Context, address, path string) (result, error) {
	callers, closeAll, err := l.connect(ctx, address, path)
	if err != nil {
		return result{}, err
	}
	defer closeAll()
	times := make([]time.Duration, len(l.ends))
	errs := make([]error, len(callers))
	var all sync.WaitGroup
	cpu, start := measure.CPUTime(), time.Now()
	for i, call := range callers {
		all.Go(func() { errs[i] = l.send(ctx, call, i, times) })
	}
	all.Wait()
	took := time.Since(start)
	cpu = measure.CPUTime() - cpu
	if err := errors.Join(errs...); err != nil {
		return result{}, err
	}
	slices.Sort(times)
	return result{rate: float64(len(times)) / took.Seconds(), p50: times[len(times)/2], p99: times[len(times)*99/100],
		requests: len(times), cpu: cpu / time.Duration(len(times))}, nil
}

func (l *load) send(ctx context.Context, call caller, nth int, times []time.Duration) error {
	for i := nth; i < len(l.ends); i += l.person {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		start := time.Now()
		if err := call(l.body(i), l.signs[i]); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		times[i] = time.Since(start)
	}
	return nil
}

// connect makes the callers: net/http's client, as most that call a node in Go
// are, or connections that write prepared bytes and cost next to nothing.
func (l *load) connect(ctx context.Context, address, path string) ([]caller, func(), error) {
	if !l.raw {
		call, end := client(ctx, "http://"+address+path, l.person)
		return slices.Repeat([]caller{call}, l.person), end, nil
	}
	var conns []net.Conn
	end := func() {
		for _, c := range conns {
			c.Close()
		}
	}
	callers := make([]caller, l.person)
	for i := range callers {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			end()
			return nil, nil, err
		}
		conns = append(conns, c)
		callers[i] = rawCaller(c, path)
	}
	return callers, end, nil
}

func client(ctx context.Context, url string, connections int) (caller, func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	c := &http.Client{Transport: transport}
	return func(body []byte, sign string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Shop-Signature", sign)
		return measure.Do(c, req)
	}, transport.CloseIdleConnections
}

func rawCaller(c net.Conn, path string) caller {
	in := bufio.NewReaderSize(c, 4096)
	head := "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nUser-Agent: shop\r\n"
	var buf []byte
	return func(body []byte, sign string) error {
		buf = append(append(buf[:0], head...), "X-Shop-Signature: "...)
		buf = append(append(buf, sign...), "\r\nContent-Length: "...)
		buf = strconv.AppendInt(buf, int64(len(body)), 10)
		buf = append(append(buf, "\r\n\r\n"...), body...)
		if _, err := c.Write(buf); err != nil {
			return err
		}
		return answer(in)
	}
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
	n, err := io.ReadFull(in, rest)
	return errors.Join(fmt.Errorf("%s%s", said, rest[:n]), err)
}
