package etlworks_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sluiceio/sluice/systems"
)

// nameServer answers every question for an address, at first with a public one,
// then with this machine's own.
type nameServer struct {
	conn  net.PacketConn
	moved atomic.Bool  // to this machine
	asked atomic.Int64 // since then
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Authoritative, m.Additionals = true, true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			a := [4]byte{203, 0, 114, 1} // public, and nobody answers there
			if s.moved.Load() {
				s.asked.Add(1)
				a = [4]byte{127, 0, 0, 1}
			}
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0}, Body: &dnsmessage.AResource{A: a}}}
		}
		if out, err := m.Pack(); err == nil {
			_, _ = s.conn.WriteTo(out, from)
		}
	}
}

// E-11: what leads inward is refused before anybody is called, also by a name that
// was public a moment ago, and the log says so.
func TestBlocked(t *testing.T) {
	var reached atomic.Int64
	inward := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inward.Close()
	_, port, _ := net.SplitHostPort(inward.Listener.Addr().String())
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := &nameServer{conn: conn}
	defer conn.Close()
	go names.serve()
	before := net.DefaultResolver
	defer func() { net.DefaultResolver = before }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	if addrs, err := net.DefaultResolver.LookupHost(t.Context(), "rebinding.example"); err != nil || addrs[0] != "203.0.114.1" {
		t.Fatal(addrs, err)
	}
	names.moved.Store(true)
	n := newNode(t, conf(orders), systems.NewTransport(systems.GuardOptions{}))
	defer n.close()
	for _, host := range []string{"169.254.169.254", "localhost:" + port, "rebinding.example:" + port, "[::ffff:127.0.0.1]:" + port, "127.0.0.1:" + port} {
		text := n.must(201, "POST", "/rest/v1/webhooks", `{"name": "a", "url": "http://`+host+`/hook", "events": ["Flow.Executed"], "retry": "none"}`)
		if !strings.Contains(text, host) {
			t.Error(text)
		}
	}
	if err := n.StartPump("orders", false); err != nil {
		t.Fatal(err)
	}
	for id := range int64(5) {
		tried := n.view(id + 1)
		for end := time.Now().Add(time.Minute); (len(tried) == 0 || len(tried[0].Attempts) == 0) && time.Now().Before(end); tried = n.view(id + 1) {
			<-time.After(5 * time.Millisecond)
		}
		if len(tried) != 1 || len(tried[0].Attempts) != 1 || !tried[0].Attempts[0].Blocked || tried[0].Attempts[0].RemoteIP != "" || !strings.Contains(tried[0].Attempts[0].Error, "internal address") {
			t.Errorf("%d: %+v", id+1, tried)
		}
	}
	if reached.Load() > 0 || names.asked.Load() == 0 {
		t.Errorf("%d requests came through, %d names were asked for", reached.Load(), names.asked.Load())
	}
}
