package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/server"
	"github.com/sluiceio/sluice/store/local"
)

// caller is a connection in memory that says the same number of requests as there
// are answers, one after the other.
type caller struct {
	said     [][]byte
	answered int
	bad      string
	ended    chan struct{}
}

func (c *caller) Read(b []byte) (int, error) {
	if c.answered == len(c.said) {
		return 0, io.EOF
	}
	return copy(b, c.said[c.answered]), nil
}

func (c *caller) Write(b []byte) (int, error) {
	if !strings.HasPrefix(string(b[:min(len(b), 16)]), "HTTP/1.1 200 OK") {
		c.bad = string(b)
	}
	c.answered++
	return len(b), nil
}

func (c *caller) Close() error                     { close(c.ended); return nil }
func (c *caller) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *caller) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *caller) SetDeadline(time.Time) error      { return nil }
func (c *caller) SetReadDeadline(time.Time) error  { return nil }
func (c *caller) SetWriteDeadline(time.Time) error { return nil }

// events counts the rounds, so that no event is known.
var events int

// event is a whole request of about 1 KB, signed.
func event(i int) []byte {
	body := fmt.Appendf(nil, `{"_id":"evt-%d","eventType":"order.paid","order":{"id":%d,"number":"SO-%07d","currency":"EUR","total":"%d.%02d","lines":[`, i, i, i, i%900, i%100)
	for line := range 8 {
		if line > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"sku":"SKU-%05d","title":"A thing that is sold by the piece","quantity":%d,"price":%d.25,"taxable":true}`, (i*7+line)%90000, 1+line, line*3)
	}
	body = append(body, `]},"createdAt":"2025-03-01T12:00:00Z","attempt":1,"source":"web"}`...)
	mac := hmac.New(sha256.New, []byte("a secret"))
	mac.Write(body)
	return fmt.Appendf(nil, "POST /api/receivers/shop/entities HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: %d\r\nContent-Type: application/json\r\nX-Shop-Signature: %s\r\nAccept-Encoding: gzip\r\n\r\n%s",
		len(body), base64.StdEncoding.EncodeToString(mac.Sum(nil)), body)
}

// waiting is how many callers wait for the disk at once.
const waiting = 64

// BenchmarkReceive takes in signed webhooks, from the bytes of their connection to
// those of the answer, into a store in memory; cpu-ns is the processor time of all
// that takes part.
func BenchmarkReceive(b *testing.B) {
	st, err := local.Open("mem", local.Options{InMemory: true})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	sets, err := engine.Standard()
	if err != nil {
		b.Fatal(err)
	}
	c, _ := config.Parse("conf.json", []byte(`[{"_id": "shop", "type": "pipe", "source": {"type": "http_endpoint",
		"validation_expression": "{% if request_headers['X-Shop-Signature'] == b64encode(hmacsha256digest(secret('webhook_secret'), request_body)) %}{% else %}FAIL!{% endif %}"}}]`),
		config.Options{Environ: []string{"SLUICE_SECRET_webhook_secret=a secret"}})
	e, err := engine.Open(b.Context(), engine.Options{Config: c, Store: st, Sets: sets})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	b.Run("one", func(b *testing.B) { benchmarkDoor(b, server.New(e, server.Options{}), 1) })
	b.Run("many", func(b *testing.B) { benchmarkDoor(b, server.New(e, server.Options{}), waiting) })
}

// BenchmarkDoor is the door alone.
func BenchmarkDoor(b *testing.B) {
	body := make([]byte, 2<<10)
	benchmarkDoor(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for n := 0; ; {
			more, err := r.Body.Read(body[n:])
			if n += more; err != nil {
				break
			}
		}
		w.Write(body[:2])
	}), 1)
}

func benchmarkDoor(b *testing.B, h http.Handler, callers int) {
	ln, d := make(pipes), server.HTTP(h)
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ln) }()
	all := make([]*caller, callers)
	for i := range all {
		all[i] = &caller{ended: make(chan struct{})}
	}
	events++
	for i := range b.N {
		c := all[i%callers]
		c.said = append(c.said, event(events<<32|i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	begun := processorTime()
	for _, c := range all {
		ln <- c
	}
	for _, c := range all {
		<-c.ended
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-begun)/float64(b.N), "cpu-ns/op")
	for _, c := range all {
		if c.bad != "" {
			b.Error(c.bad)
		}
	}
	if err := d.Close(); err != nil {
		b.Error(err)
	}
	<-ended
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
