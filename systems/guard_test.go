package systems

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestGuardPermits(t *testing.T) {
	cases := map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "172.32.0.1": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"0.0.0.0": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false,
		"::": false, "::1": false, "fe80::1": false, "fd00::1": false, "fec0::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
		"2001:0:7f00:1::": false, "2001:db8::1": false, "192.0.2.1": false, "240.0.0.1": false,
		"::ffff:0:127.0.0.1": false, "64:ff9b:1::7f00:1": false, "100::1": false, "3fff::1": false, "5f00::1": false, "4000::1": false,
		"2002:808:808::": true, "2a00:1450:4001::1": true, "2001:4860:4860::8888": true,
	}
	for addr, want := range cases {
		if got := (GuardOptions{}).Permits(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: permitted %v, want %v", addr, got, want)
		}
	}
}

func TestGuardOptions(t *testing.T) {
	loop := netip.MustParsePrefix("127.0.0.0/8")
	some := GuardOptions{Allow: []netip.Prefix{loop}}
	if !some.Permits(netip.MustParseAddr("::ffff:127.0.0.1")) || some.Permits(netip.MustParseAddr("10.0.0.1")) {
		t.Error("an allowed network opens itself and nothing else")
	}
	if !(GuardOptions{AllowInternal: true}).Permits(netip.MustParseAddr("10.0.0.1")) {
		t.Error("AllowInternal opens everything")
	}
}

func TestTransportRefusesInternal(t *testing.T) {
	called := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer s.Close()
	tr := NewTransport(GuardOptions{})
	for _, rt := range []http.RoundTripper{tr, tr.With(Connection{SkipVerify: true})} {
		q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = rt.RoundTrip(q)
		var blocked *BlockedError
		if !errors.As(err, &blocked) || called {
			t.Errorf("got %v, want a BlockedError", err)
		}
	}
}

func TestTransportAllowed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer s.Close()
	tr := NewTransport(GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	defer tr.CloseIdleConnections()
	q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := tr.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != 204 {
		t.Errorf("status %d", res.StatusCode)
	}
}
