package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluiceio/sluice/server"
)

// tellAll answers all that a handler sees of a request.
func tellAll(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
	switch r.URL.Query().Get("say") {
	case "nothing":
		w.WriteHeader(http.StatusNoContent)
		return
	case "bye":
		w.Header().Set("Connection", "close")
	case "late":
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-Late", "1")
	case "json":
		w.Header()["Content-Type"] = []string{"application/json"}
	}
	w.Header().Add("X-Twice", "1")
	w.Header().Add("X-Twice", "2")
	fmt.Fprintf(w, "%s %s %s %s host %q length %d encoding %q close %v error %v\n", r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.TransferEncoding, r.Close, err)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.Header {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(w, "%s: %.200q\n", name, r.Header[name])
	}
	if _, _, err := net.SplitHostPort(r.RemoteAddr); err != nil {
		fmt.Fprintln(w, err)
	}
	fmt.Fprintf(w, "%d bytes: %.100q\n", len(body), body)
}

// post is a plain post with more headers.
func post(body string, headers ...string) string {
	head := append([]string{"POST /api/receivers/shop/entities HTTP/1.1", "Host: localhost", fmt.Sprintf("Content-Length: %d", len(body))}, headers...)
	return strings.Join(head, "\r\n") + "\r\n\r\n" + body
}

// conversations are what comes on a connection. The door must answer each as
// net/http's server does alone.
var conversations = map[string]string{
	"one":                    post("hello"),
	"several at once":        post("one") + post("two") + post("three"),
	"empty":                  post(""),
	"no length":              "POST /api/receivers/shop/entities HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"query":                  strings.Replace(post("x"), "entities", "entities?say=json&a=%20b", 1),
	"escaped pipe":           strings.Replace(post("x"), "shop", "a%2Fb", 1),
	"dots":                   strings.Replace(post("x"), "shop", "..", 1),
	"header twice":           post("x", "X-A: 1", "x-a: 2", "Cookie: a", "Cookie: b"),
	"header of many bytes":   post("x", "X-A: "+strings.Repeat("a", 20_000)),
	"too many header bytes":  post("x", "X-A: "+strings.Repeat("a", 200_000)),
	"latin header":           post("x", "X-A: \xe4"),
	"control in header":      post("x", "X-A: a\x01b"),
	"no header name":         post("x", ": a"),
	"space before colon":     post("x", "X-A : a"),
	"folded header":          post("x", "X-A: a\r\n b"),
	"lone line feeds":        strings.ReplaceAll(post("x"), "\r\n", "\n") + post("y"),
	"mixed line ends":        "POST /api/receivers/shop/entities HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc\r\n\r\n" + post("y"),
	"blank lines between":    post("x") + "\r\n" + post("y"),
	"blank lines before":     "\r\n" + post("y"),
	"two lengths":            post("x", "Content-Length: 2"),
	"same length twice":      post("x", "Content-Length: 1"),
	"negative length":        post("x", "Content-Length: -1"),
	"length with a plus":     "POST /api/receivers/shop/entities HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\nx",
	"chunked":                "POST /api/receivers/shop/entities HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + post("y"),
	"chunked and length":     post("3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked") + post("y"),
	"chunked in disguise":    post("3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: x, chunked") + post("y"),
	"expects":                post("x", "Expect: 100-continue") + post("y"),
	"expects else":           post("x", "Expect: a miracle"),
	"upgrade":                post("x", "Connection: Upgrade", "Upgrade: h2c"),
	"close":                  post("x", "Connection: close") + post("y"),
	"keep alive":             post("x", "Connection: keep-alive") + post("y"),
	"HTTP/1.0":               strings.Replace(post("x"), "HTTP/1.1", "HTTP/1.0", 1) + post("y"),
	"HTTP/1.0 kept":          strings.Replace(post("x", "Connection: keep-alive"), "HTTP/1.1", "HTTP/1.0", 1) + post("y"),
	"HTTP/1.2":               strings.Replace(post("x"), "HTTP/1.1", "HTTP/1.2", 1),
	"HTTP/2":                 strings.Replace(post("x"), "HTTP/1.1", "HTTP/2.0", 1),
	"no host":                strings.Replace(post("x"), "Host: localhost\r\n", "", 1),
	"empty host":             strings.Replace(post("x"), "Host: localhost", "Host:", 1),
	"strange host":           strings.Replace(post("x"), "Host: localhost", "Host: a b", 1),
	"two hosts":              post("x", "Host: other"),
	"absolute address":       strings.Replace(post("x"), "/api", "http://other/api", 1),
	"other path":             strings.Replace(post("x"), "receivers", "pipes", 1),
	"longer path":            strings.Replace(post("x"), "entities", "entities/more", 1),
	"get":                    "GET /api/receivers/shop/entities HTTP/1.1\r\nHost: localhost\r\n\r\n" + post("y"),
	"options":                "OPTIONS /api/receivers/shop/entities HTTP/1.1\r\nHost: localhost\r\n\r\n" + post("y"),
	"put":                    strings.Replace(post("x"), "POST", "PUT", 1),
	"lower case":             strings.Replace(post("x"), "POST", "post", 1),
	"back and forth":         post("1") + "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + post("2") + "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + post("3"),
	"rubbish":                "rubbish",
	"rubbish behind":         post("x") + "rubbish\r\n\r\n",
	"next to nothing behind": post("x") + "x",
	"a little behind":        post("x") + "POST",
	"bad query":              strings.Replace(post("x"), "entities", "entities?a=%zz;b", 1),
	"space in address":       strings.Replace(post("x"), "entities", "entities?a b", 1),
	"cut head":               post("x")[:60],
	"cut body":               post("hello")[:len(post("hello"))-2],
	"large body":             post(strings.Repeat("a", 300_000)),
	"larger body":            post(strings.Repeat("a", 1_500_000)) + post("y"),
	"no body answered":       strings.Replace(post("x"), "entities", "entities?say=nothing", 1) + post("y"),
	"closed by the handler":  strings.Replace(post("x"), "entities", "entities?say=bye", 1) + post("y"),
	"late header":            strings.Replace(post("x"), "entities", "entities?say=late", 1) + post("y"),
}

func TestDoorAnswersAsNetHTTP(t *testing.T) {
	ours, theirs := openDoor(t, http.HandlerFunc(tellAll)), openNetHTTP(t)
	for name, said := range conversations {
		t.Run(name, func(t *testing.T) {
			want := converse(t, theirs, []byte(said))
			if diff := cmp.Diff(want, converse(t, ours, []byte(said))); diff != "" {
				t.Errorf("net/http -, ours +:\n%s", diff)
			}
			if strings.HasPrefix(said, post("")[:20]) && len(want) == 0 && !strings.HasPrefix(name, "cut") {
				t.Error("nothing was answered")
			}
		})
	}
}

// FuzzDoor looks for requests that the two take differently.
func FuzzDoor(f *testing.F) {
	for _, said := range conversations {
		if len(said) < 1000 {
			f.Add([]byte(said))
		}
	}
	ours, theirs := openDoor(f, http.HandlerFunc(tellAll)), openNetHTTP(f)
	f.Fuzz(func(t *testing.T, said []byte) {
		want := converse(t, theirs, said)
		if diff := cmp.Diff(want, converse(t, ours, said)); diff != "" {
			t.Errorf("net/http -, ours +:\n%s", diff)
		}
	})
}

func openNetHTTP(t testing.TB) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(tellAll))
	s.Config.MaxHeaderBytes = 64 << 10
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func openDoor(t testing.TB, h http.Handler) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d, ended := server.HTTP(h), make(chan error, 1)
	go func() { ended <- d.Serve(ln) }()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// converse sends bytes and returns the answers, without what differs by nature.
func converse(t testing.TB, address string, said []byte) (answers []string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { // whoever is refused early is answered before all is sent
		c.Write(said)
		c.(*net.TCPConn).CloseWrite()
	}()
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return answers
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode >= 200 && resp.Header.Get("Date") == "" && !resp.Close {
			t.Error("an answer has no date")
		}
		resp.Header.Del("Date")
		answers = append(answers, fmt.Sprintf("%s %s close %v length %d error %v\n%v\n%s", resp.Proto, resp.Status, resp.Close, resp.ContentLength, err, resp.Header, body))
	}
}

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	near, far := net.Pipe()
	p <- far
	return near
}

// TestDoorTimes has callers who fall silent.
func TestDoorTimes(t *testing.T) {
	tests := map[string]struct {
		said     string
		min, max time.Duration
		status   int // of the last answer
	}{
		"nothing":      {"", 10 * time.Second, 10 * time.Second, 0},
		"half a head":  {"POST /api/receivers/shop/entities HT", 10 * time.Second, 20 * time.Second, 400},
		"half a body":  {post("hello")[:len(post("hello"))-2], 5 * time.Minute, 5 * time.Minute, 400},
		"one request":  {post("hello"), 4 * time.Minute, 5 * time.Minute, 200},
		"two requests": {post("hello") + post("hello"), 4 * time.Minute, 5 * time.Minute, 200},
		"another":      {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 5 * time.Minute, 5 * time.Minute, 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := make(pipes)
				d := server.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err != nil {
						w.WriteHeader(http.StatusBadRequest)
					}
				}))
				go d.Serve(ln)
				c, begun := ln.dial(), time.Now()
				go io.WriteString(c, test.said)
				status := 0
				for in := bufio.NewReader(c); ; {
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						break
					}
					status = resp.StatusCode
				}
				if took := time.Since(begun); took < test.min || took > test.max || status != test.status {
					t.Errorf("closed after %v, status %d", took, status)
				}
				d.Close()
			})
		})
	}
}

func TestDoorShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, release := make(pipes), make(chan bool)
		d := server.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
		served, down := make(chan error), make(chan error)
		go func() { served <- d.Serve(ln) }()
		resting, plain, other := ln.dial(), ln.dial(), ln.dial()
		go io.WriteString(plain, post("x"))
		go io.WriteString(other, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		synctest.Wait()
		go func() { down <- d.Shutdown(t.Context()) }()
		synctest.Wait()
		if _, err := resting.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a connection without a request: %v", err)
		}
		close(release)
		for _, c := range []net.Conn{plain, other} {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 200 || !resp.Close {
				t.Errorf("%v, %v", resp, err)
			}
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

func TestDoorShutdownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, release := make(pipes), make(chan bool)
		d := server.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
		go d.Serve(ln)
		c := ln.dial()
		go io.WriteString(c, post("x"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Shutdown(ctx); err == nil {
			t.Error("no error although a request is under way")
		}
		close(release)
		go io.Copy(io.Discard, c)
		d.Close()
	})
}

func TestDoorOutlivesPanics(t *testing.T) {
	address := openDoor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Panic") != "" {
			_ = []int{}[len(r.Header)]
		}
	}))
	if got := converse(t, address, []byte(post("x", "X-Panic: 1")+post("y"))); len(got) != 0 {
		t.Errorf("answered %q", got)
	}
	if got := converse(t, address, bytes.Repeat([]byte(post("y")), 3)); len(got) != 3 {
		t.Errorf("answered %q", got)
	}
}
