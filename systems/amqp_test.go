package systems_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/amqptest"
	"github.com/sluiceio/sluice/systems/vendortest"
)

// certificate makes one that vouches for itself, for 127.0.0.1.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func broker(t *testing.T, config map[string]any, guard systems.GuardOptions) (*systems.AMQP, string) {
	t.Helper()
	config["_id"], config["type"] = "rabbit", "system:amqp"
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	n, wrong := jsonpos.Parse("c.json", data)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	s, finds := systems.NewSet(systems.Standard()...).Build(systems.Env{ID: "rabbit", Node: n, Transport: systems.NewTransport(guard), Now: time.Now,
		Secret: func(name string) (string, bool) {
			return map[string]string{"pw": "s3cr3t-of-tests"}[name], name == "pw"
		}})
	if s == nil {
		return nil, vendortest.Findings(finds)
	}
	return s.(*systems.AMQP), vendortest.Findings(finds)
}

// Who may connect, and to whom: addresses are guarded, certificates verified,
// and no password is told.
func TestAMQPDial(t *testing.T) {
	cert, chain := certificate(t)
	plain, secure := amqptest.New(t, nil), amqptest.New(t, &tls.Config{Certificates: []tls.Certificate{cert}})
	plain.Password, secure.Password = "s3cr3t-of-tests", "s3cr3t-of-tests"
	local := systems.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	cases := []struct {
		config map[string]any
		guard  systems.GuardOptions
		want   string
	}{
		{map[string]any{"url": "amqp://" + plain.Address(), "password": "$SECRET(pw)"}, local, ""},
		{map[string]any{"url": "amqp://" + plain.Address(), "password": "$SECRET(pw)"}, systems.GuardOptions{}, "is an internal address"},
		{map[string]any{"url": "amqp://" + plain.Address(), "password": "$SECRET(other)"}, local, "password: "},
		{map[string]any{"url": "amqp://" + plain.Address()}, local, "ACCESS_REFUSED"},
		{map[string]any{"url": "amqps://" + secure.Address(), "password": "$SECRET(pw)"}, local, "certificate"},
		{map[string]any{"url": "amqps://" + secure.Address(), "password": "$SECRET(pw)", "custom_ca_pem_chain": chain}, local, ""},
		{map[string]any{"url": "amqps://" + secure.Address(), "password": "$SECRET(pw)", "verify_ssl": false}, local, ""},
	}
	for _, c := range cases {
		a, _ := broker(t, c.config, c.guard)
		conn, err := a.Dial(t.Context())
		if err == nil {
			_ = conn.Close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.config, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v tells the password", err)
		}
	}
}

// What could never work, or would be shown, is found before.
func TestAMQPFindings(t *testing.T) {
	_, got := broker(t, map[string]any{"url": "amqp://me:pass@host", "password": "pass", "verify_ssl": false, "custom_ca_pem_chain": "x"}, systems.GuardOptions{})
	for _, want := range []string{"url holds a user or password", "password stands in the configuration", "any certificate is accepted", "holds no certificate"} {
		if !strings.Contains(got, want) {
			t.Errorf("not found: %s in\n%s", want, got)
		}
	}
	if _, got := broker(t, map[string]any{"url": "http://host"}, systems.GuardOptions{}); !strings.Contains(got, "url is no address of amqp") {
		t.Error(got)
	}
}

// A broker that is away is not asked again and again; one that is back is found.
func TestAMQPBackoff(t *testing.T) {
	now := time.Unix(0, 0)
	b := systems.Backoff{Now: func() time.Time { return now }}
	down := errors.New("down")
	for i, most := range []time.Duration{2, 3, 5, 10, 20, 39, 73, 73} {
		wait := b.Note(down)
		if wait > most*time.Second || wait < most*time.Second/3 {
			t.Errorf("after failure %d it waits %s", i+1, wait)
		}
		if err := b.Ready(); !errors.Is(err, down) {
			t.Errorf("at once: %v", err)
		}
		if now = now.Add(wait); b.Ready() != nil {
			t.Errorf("after %s: %v", wait, b.Ready())
		}
	}
	if b.Note(nil); b.Note(down) > 2*time.Second {
		t.Error("a success was forgotten")
	}
	broker, _ := broker(t, map[string]any{"url": "amqp://127.0.0.1:1"}, systems.GuardOptions{AllowInternal: true})
	_, first := broker.Channel(t.Context())
	_, second := broker.Channel(t.Context())
	if first == nil || second == nil || !strings.Contains(second.Error(), "it is tried again in") || strings.Contains(first.Error(), "tried again") {
		t.Errorf("%v; %v", first, second)
	}
}
