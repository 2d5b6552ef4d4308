package systems

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// GuardOptions say which internal addresses calls may reach. The zero value
// allows the public internet only.
type GuardOptions struct {
	// AllowInternal opens every address.
	AllowInternal bool
	// Allow opens single networks, 127.0.0.0/8 for example.
	Allow []netip.Prefix
}

// Connection is what one system asks of its connections.
type Connection struct {
	ConnectTimeout time.Duration  // 0 means 60 s
	ReadTimeout    time.Duration  // until the response's headers; 0 means no limit
	SkipVerify     bool           // accept any certificate
	Roots          *x509.CertPool // nil means the machine's
}

// BlockedError is the refusal to call an internal address.
type BlockedError struct{ Addr netip.Addr }

// Error names the address and what would open it.
func (e *BlockedError) Error() string {
	return fmt.Sprintf("%s is an internal address, which systems may not call unless the node allows it", e.Addr)
}

// Blocked tells that the call was never made, for those who ask for no more.
func (e *BlockedError) Blocked() bool { return true }

// Transport carries HTTP calls to public addresses and refuses internal ones.
// The check is made on the address dialled, after the name was resolved, so a
// name that changes its mind gains nothing. Proxies of the environment are not
// used, because behind a proxy no address can be checked.
type Transport struct {
	opt  GuardOptions
	base *http.Transport
}

// NewTransport returns a transport with its own pool of connections.
func NewTransport(o GuardOptions) *Transport {
	t := &Transport{opt: o}
	t.base = t.build(Connection{})
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.base.RoundTrip(r) }

// CloseIdleConnections closes the connections nobody uses.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// With returns a transport under the same guard with other settings.
func (t *Transport) With(c Connection) http.RoundTripper {
	if c == (Connection{}) {
		return t
	}
	return &Transport{opt: t.opt, base: t.build(c)}
}

// mostIdle is how many connections are kept for what comes next. All may be to one
// host: a webhook has up to so many requests under way, and each connection that is
// closed between two of them is dialled again.
const mostIdle = 100

func (t *Transport) build(c Connection) *http.Transport {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 60 * time.Second
	}
	d := &net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: 30 * time.Second, ControlContext: t.control}
	return &http.Transport{
		DialContext:            d.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           mostIdle,
		MaxIdleConnsPerHost:    mostIdle,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    c.ConnectTimeout,
		ResponseHeaderTimeout:  c.ReadTimeout,
		MaxResponseHeaderBytes: 1 << 20,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipVerify, RootCAs: c.Roots,
		},
	}
}

// Dialer is the ability of transports to open connections for protocols other
// than HTTP, under the same guard.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// DialContext implements Dialer.
func (t *Transport) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 60 * time.Second, KeepAlive: 30 * time.Second, ControlContext: t.control}
	return d.DialContext(ctx, network, address)
}

func (t *Transport) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("cannot tell the address %q: %w", address, err)
	}
	if addr := ap.Addr().Unmap().WithZone(""); !t.opt.Permits(addr) {
		return &BlockedError{addr}
	}
	return nil
}

// Permits tells whether the address may be called.
func (o GuardOptions) Permits(a netip.Addr) bool {
	a = a.Unmap()
	if o.AllowInternal {
		return true
	}
	for _, p := range o.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return isPublic(a)
}

// reserved lists what the address methods of the standard library leave out.
func reserved() []string {
	return []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20",
	}
}

// allocated is what the public internet has of IPv6 so far; whatever else there
// is means something to a network of its own.
const allocated = "2000::/3"

func isPublic(a netip.Addr) bool {
	if inner, ok := embedded(a); ok {
		return isPublic(inner)
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !netip.MustParsePrefix(allocated).Contains(a) {
		return false
	}
	for _, p := range reserved() {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}

// embedded finds the IPv4 address that a translating network would reach
// through an IPv6 one: NAT64 and 6to4.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return a, false
	}
	b := a.As16()
	if netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	if netip.MustParsePrefix("2002::/16").Contains(a) {
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return a, false
}
