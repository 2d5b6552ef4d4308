package server

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const usualHead = "POST /api/receivers/shop/entities HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: shop\r\nContent-Length: 5\r\nX-Signature: abc=\r\nConnection: keep-alive\r\n\r\n"

// unusual are what a line is replaced by so that net/http has to read the head.
var unusual = map[string][2]string{
	"no host":            {"Host: localhost:8080\r\n", ""},
	"empty host":         {"localhost:8080", ""},
	"strange host":       {"localhost:8080", "a b"},
	"two hosts":          {"User-Agent: shop", "Host: localhost:8080"},
	"two lengths":        {"User-Agent: shop", "content-length: 5"},
	"signed length":      {"Length: 5", "Length: +5"},
	"length by zeros":    {"Length: 5", "Length: 05"},
	"long length":        {"Length: 5", "Length: 1048577"},
	"very long length":   {"Length: 5", "Length: 99999999999999999999"},
	"hexadecimal length": {"Length: 5", "Length: 0x5"},
	"no length":          {"Length: 5", "Length: "},
	"lengths in one":     {"Length: 5", "Length: 5, 5"},
	"chunks":             {"User-Agent: shop", "Transfer-Encoding: chunked"},
	"no chunks":          {"User-Agent: shop", "Transfer-Encoding: identity"},
	"chunks by a tab":    {"User-Agent: shop", "Transfer-Encoding:\tchunked"},
	"expects":            {"User-Agent: shop", "Expect: 100-continue"},
	"trailer":            {"User-Agent: shop", "Trailer: X-A"},
	"upgrade":            {"User-Agent: shop", "Upgrade: h2c"},
	"closes":             {"keep-alive", "close"},
	"keeps and closes":   {"keep-alive", "keep-alive, close"},
	"no cache":           {"User-Agent: shop", "Pragma: no-cache"},
	"space in a name":    {"User-Agent:", "User-Agent :"},
	"no name":            {"User-Agent:", ":"},
	"no colon":           {"User-Agent: shop", "User-Agent"},
	"folded":             {"shop\r\n", "shop\r\n more\r\n"},
	"folded by a tab":    {"shop\r\n", "shop\r\n\tmore\r\n"},
	"folded at once":     {"HTTP/1.1\r\n", "HTTP/1.1\r\n "},
	"lone line feed":     {"shop\r\n", "shop\n"},
	"two returns":        {"shop\r\n", "shop\r\r\n"},
	"return within":      {"shop\r\n", "sh\rop\r\n"},
	"zero within":        {"shop\r\n", "sh\x00op\r\n"},
	"letter of no name":  {"User-Agent", "User\xffAgent"},
	"same twice":         {"X-Signature", "User-agent"},
	"HTTP/1.0":           {"HTTP/1.1", "HTTP/1.0"},
	"http/1.1":           {"HTTP/1.1", "http/1.1"},
	"space at the end":   {"HTTP/1.1", "HTTP/1.1 "},
	"two spaces":         {" HTTP/1.1", "  HTTP/1.1"},
	"space in a query":   {"entities", "entities?a b"},
	"bad escape":         {"shop/", "%zz/"},
	"absolute":           {"/api", "http://localhost/api"},
	"another method":     {"POST", "PUT"},
	"another address":    {"entities", "entities/more"},
	"no end":             {"alive\r\n\r\n", "alive\r\n"},
}

func TestHead(t *testing.T) {
	for name, change := range unusual {
		for _, before := range []string{"", usualHead} {
			h, said := new(head), strings.Replace(usualHead, change[0], change[1], 1)
			if said == usualHead {
				t.Fatalf("%s: %q is not there", name, change[0])
			}
			h.read([]byte(before))
			if r, _ := h.read([]byte(said)); r != nil {
				t.Errorf("%s: taken for %v", name, r)
			}
		}
	}
	h := new(head)
	for _, said := range []string{usualHead, usualHead, strings.Replace(usualHead, "abc", "def", 1), strings.Replace(usualHead, "User-Agent: shop\r\n", "", 1), usualHead,
		strings.Replace(usualHead, "shop/", "a%2Fb/", 1), strings.Replace(usualHead, "entities", "entities?a=%20&b", 1), strings.Replace(usualHead, "Content-Length: 5\r\n", "", 1)} {
		if r, _ := h.read([]byte(said)); r == nil {
			t.Errorf("not taken: %q", said)
		}
		agree(t, h, []byte(said))
	}
}

// TestHeadForgets sends heads of which each has another long line.
func TestHeadForgets(t *testing.T) {
	h := new(head)
	for n := range mostLines - 1 {
		said := strings.Replace(usualHead, "Host:", short(n)+"X-Long: "+strings.Repeat("a", 4000)+"\r\nHost:", 1)
		h.read([]byte(said))
	}
	kept := 0
	for _, l := range h.lines[:cap(h.lines)] {
		if l != nil {
			kept += len(l.raw)
		}
	}
	if kept > plainHead {
		t.Errorf("%d bytes are kept of one connection", kept)
	}
}

func short(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("X-" + strings.Repeat("a", i+1) + ": 1\r\n")
	}
	return b.String()
}

// BenchmarkHead reads the first head of a connection, and those that follow.
func BenchmarkHead(b *testing.B) {
	said := []byte(usualHead)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			new(head).read(said)
		}
	})
	b.Run("next", func(b *testing.B) {
		b.ReportAllocs()
		for h := new(head); b.Loop(); {
			h.read(said)
		}
	})
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		in, from := bufio.NewReaderSize(nil, plainHead), bytes.NewReader(said)
		for b.Loop() {
			from.Reset(said)
			in.Reset(from)
			if r, err := http.ReadRequest(in); err != nil || !isPlain(r) {
				b.Fatal(err)
			}
		}
	})
}

// FuzzHead looks for heads that net/http does not take for what ours are taken for,
// with what is remembered of those before.
func FuzzHead(f *testing.F) {
	f.Add([]byte(usualHead), []byte(usualHead))
	for _, change := range unusual {
		f.Add([]byte(usualHead), []byte(strings.Replace(usualHead, change[0], change[1], 1)))
		f.Add([]byte(strings.Replace(usualHead, change[0], change[1], 1)), []byte(usualHead))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		h := new(head)
		for _, said := range [][]byte{one, other, one, append(bytes.Clone(one), other...)} {
			agree(t, h, said)
		}
	})
}

// agree has both read a head. Net/http may take what ours does not; and ours must take
// it for the same again without anything remembered.
func agree(t *testing.T, h *head, said []byte) {
	t.Helper()
	got, n := h.read(said)
	if got == nil {
		return
	}
	from := bytes.NewReader(said)
	in := bufio.NewReaderSize(from, len(said)+16)
	want, err := http.ReadRequest(in)
	if err != nil || !isPlain(want) {
		t.Fatalf("%q is taken for %v, but net/http says %v, %v", said, got, want, err)
	}
	if rest := in.Buffered() + from.Len(); len(said)-n != rest {
		t.Errorf("%q: %d bytes follow, but %d by net/http", said, len(said)-n, rest)
	}
	ignore := cmp.Options{cmpopts.IgnoreUnexported(http.Request{}), cmpopts.IgnoreFields(http.Request{}, "Body")}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("%q: net/http -, ours +:\n%s", said, diff)
	}
	if fresh, _ := new(head).read(said); fresh == nil {
		t.Errorf("%q is taken only because of what came before", said)
	}
}
