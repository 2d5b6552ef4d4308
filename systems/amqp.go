package systems

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// amqpConfig is what `system:amqp` says.
type amqpConfig struct {
	spec.Base
	ID             string        `spec:"_id,required" doc:"Id of the system, unique in the configuration; it may not contain a slash."`
	Type           string        `spec:"type,required" doc:"system:amqp"`
	Name           string        `spec:"name" doc:"Name shown to people."`
	Description    *jsonpos.Node `spec:"description" kind:"string|array" doc:"What the system is for: a text, or a list of lines."`
	Comment        *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Metadata       *jsonpos.Node `spec:"metadata" kind:"object" doc:"Free properties for tools, $config-group among them."`
	Permissions    *jsonpos.Node `spec:"permissions" kind:"array" doc:"Who may read and change the system."`
	WorkerThreads  int           `spec:"worker_threads" default:"10" min:"1" doc:"How many pipes may use the system at once."`
	URL            string        `spec:"url,required" doc:"Address of the broker, such as amqp://broker:5672/vhost, or amqps:// with TLS."`
	Username       string        `spec:"username" default:"guest" doc:"User that the node is to the broker."`
	Password       string        `spec:"password" doc:"Its password: $SECRET(name). Unless given guest."`
	Heartbeat      int           `spec:"heartbeat" default:"10" min:"1" max:"3600" doc:"Seconds between signs of life; a connection that is silent for longer is given up."`
	ConnectTimeout int           `spec:"connect_timeout" default:"30" min:"1" max:"3600" doc:"Seconds to wait for a connection."`
	VerifySSL      bool          `spec:"verify_ssl" default:"true" doc:"Whether the broker must show a valid certificate. False accepts any, which lets anyone on the way read and change the traffic."`
	CustomCA       string        `spec:"custom_ca_pem_chain" doc:"Certificates in PEM form that vouch for the broker, instead of those of the machine."`
}

func amqpType() Type {
	return Type{
		Name:   "system:amqp",
		Doc:    "A message broker that speaks AMQP 0-9-1, RabbitMQ for example.",
		Config: func() any { return new(amqpConfig) },
		Build:  buildAMQP,
	}
}

// AMQP is a broker.
type AMQP struct {
	cfg   *amqpConfig
	env   Env
	uri   amqp.URI
	roots *x509.CertPool
	mu    struct {
		sync.Mutex
		closed bool
		conn   *Link             // shared by those who publish; nil if there is none
		free   []*PublishChannel // of it
		wait   Backoff
	}
}

// FindAMQP is the broker that a pipe names, found among the node's systems.
func FindAMQP(system func(id string) System, id string) (*AMQP, error) {
	broker, ok := system(id).(*AMQP)
	if !ok {
		return nil, fmt.Errorf("there is no system %q of type system:amqp", id)
	}
	return broker, nil
}

// Link is a connection to a broker. Brokers may read nothing for hours, and live:
// what waits for one is bounded here, since the library waits for ever.
type Link struct {
	*amqp.Connection
	raw      net.Conn
	patience time.Duration
}

// Within breaks the connection off if what is done on it takes longer than it may
// take to connect. Whatever waits for the broker has an error then.
func (l *Link) Within(do func() error) error { return l.within(l.patience, do) }

func (l *Link) within(most time.Duration, do func() error) error {
	timer := time.AfterFunc(most, l.abort)
	defer timer.Stop()
	return do()
}

func (l *Link) abort() { _ = l.raw.Close() } // it serves no more, whatever it says

// End closes the connection; a broker that does not answer is not waited for.
func (l *Link) End() error { return l.within(3*time.Second, l.Close) }

// PublishChannel is a channel in confirm mode.
type PublishChannel struct {
	*amqp.Channel
	link   *Link
	back   <-chan amqp.Return
	closed <-chan *amqp.Error
}

// Until breaks the connection off if ctx ends before stop is called: nothing else
// ends a message that the broker does not take.
func (c *PublishChannel) Until(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, c.link.abort)
}

// Why is why the broker closed the channel; nil if it said nothing.
func (c *PublishChannel) Why() error {
	select {
	case err := <-c.closed:
		if err != nil {
			return err
		}
	default:
	}
	return nil
}

// MostUnconfirmed is how many messages may be published on a channel before
// Returned is asked: so many may have come back.
const MostUnconfirmed = 1000

// Returned are the messages that came back because no queue took them. A message
// comes back before it is confirmed.
func (c *PublishChannel) Returned() (all []amqp.Return) {
	for {
		select {
		case r, ok := <-c.back:
			if !ok {
				return all
			}
			all = append(all, r)
		default:
			return all
		}
	}
}

func buildAMQP(c any, env Env) (System, diag.List) {
	cfg := c.(*amqpConfig)
	a := &AMQP{cfg: cfg, env: env}
	var finds diag.List
	fault := func(key, help, format string, args ...any) {
		finds.Add(diag.Finding{Rule: "amqp/" + key, Severity: diag.Error, Span: cfg.At(key), Message: fmt.Sprintf(format, args...), Help: help})
	}
	var err error
	switch a.uri, err = amqp.ParseURI(cfg.URL); {
	case err != nil || !strings.Contains(cfg.URL, "://"):
		fault("url", "for example amqps://broker.example.com/vhost", "url is no address of amqp or amqps")
	case strings.Contains(strings.SplitN(cfg.URL, "://", 2)[1], "@"):
		fault("url", `give them by "username" and "password"`, "url holds a user or password, which would be shown")
	}
	if v, ok := cfg.Node.Get("password").Str(); ok && !OnlySecret(v) {
		fault("password", "store it among the node's secrets and write $SECRET(name)", "password stands in the configuration, where anybody can read it")
	}
	if !cfg.VerifySSL {
		finds.Add(diag.Finding{Rule: "amqp/verify_ssl", Severity: diag.Warning, Span: cfg.At("verify_ssl"),
			Message: "any certificate is accepted", Help: "give the broker's own in custom_ca_pem_chain"})
	}
	if cfg.CustomCA != "" {
		a.roots = x509.NewCertPool()
		if !a.roots.AppendCertsFromPEM([]byte(cfg.CustomCA)) {
			fault("custom_ca_pem_chain", "", "custom_ca_pem_chain holds no certificate in PEM form")
		}
	}
	a.mu.wait = Backoff{Now: env.Now}
	return a, finds
}

// ID implements System.
func (a *AMQP) ID() string { return a.cfg.ID }

// Workers implements Workers.
func (a *AMQP) Workers() int { return a.cfg.WorkerThreads }

// Dial opens a connection, which the caller closes. Addresses are guarded like
// those of HTTP.
func (a *AMQP) Dial(ctx context.Context) (*Link, error) {
	dialer, ok := a.env.Transport.(Dialer)
	if !ok {
		return nil, errors.New("this node opens no connections but those of HTTP")
	}
	keys := NewSecrets(a.env.Secret)
	password := "guest"
	if a.cfg.Password != "" {
		var err error
		if password, err = keys.Expand(a.cfg.Password); err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
	}
	timeout := time.Duration(a.cfg.ConnectTimeout) * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	link := &Link{patience: timeout}
	conn, err := amqp.DialConfig(a.cfg.URL, amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: a.cfg.Username, Password: password}},
		Vhost: a.uri.Vhost, Heartbeat: time.Duration(a.cfg.Heartbeat) * time.Second, Locale: "en_US",
		Properties:      amqp.Table{"product": "sluice", "connection_name": "sluice " + a.cfg.ID},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.uri.Host, RootCAs: a.roots, InsecureSkipVerify: !a.cfg.VerifySSL},
		Dial: func(network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The library takes the deadline away once the connection is open.
			link.raw = c
			end, _ := ctx.Deadline()
			return c, c.SetDeadline(end)
		},
	})
	if err != nil {
		return nil, &BrokerError{System: a.cfg.ID, Text: keys.Redact(err.Error()), cause: err}
	}
	link.Connection = conn
	return link, nil
}

// BrokerError is a broker that cannot be reached, or refuses.
type BrokerError struct {
	System, Text string
	cause        error
}

// Error names the system.
func (e *BrokerError) Error() string { return fmt.Sprintf("broker %q: %s", e.System, e.Text) }

// Unwrap returns the cause.
func (e *BrokerError) Unwrap() error { return e.cause }

// mostFree is how many channels are kept for the next to publish.
const mostFree = 4

// Channel returns a channel to publish on, of a connection that all share who
// publish. Give it back by Release.
func (a *AMQP) Channel(ctx context.Context) (*PublishChannel, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := len(a.mu.free); n > 0; n = len(a.mu.free) {
		ch := a.mu.free[n-1]
		a.mu.free = a.mu.free[:n-1]
		if !ch.IsClosed() {
			return ch, nil
		}
	}
	if err := a.connectLocked(ctx); err != nil {
		return nil, err
	}
	var ch *amqp.Channel
	err := a.mu.conn.Within(func() (err error) {
		if ch, err = a.mu.conn.Channel(); err == nil {
			err = ch.Confirm(false)
		}
		return err
	})
	if err != nil {
		return nil, &BrokerError{System: a.cfg.ID, Text: err.Error(), cause: err}
	}
	return &PublishChannel{ch, a.mu.conn, ch.NotifyReturn(make(chan amqp.Return, MostUnconfirmed)), ch.NotifyClose(make(chan *amqp.Error, 1))}, nil
}

// connectLocked sees that there is a connection.
func (a *AMQP) connectLocked(ctx context.Context) error {
	switch {
	case a.mu.closed:
		return errors.New("the node is closing")
	case a.mu.conn != nil && !a.mu.conn.IsClosed():
		return nil
	}
	if err := a.mu.wait.Ready(); err != nil {
		return err
	}
	conn, err := a.Dial(ctx)
	a.mu.wait.Note(err)
	if err == nil {
		a.mu.conn, a.mu.free = conn, nil
	}
	return err
}

// Release gives a channel back; one that failed is closed.
func (a *AMQP) Release(ch *PublishChannel, failed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if failed || ch.IsClosed() || a.mu.closed || len(a.mu.free) >= mostFree {
		_ = ch.link.within(3*time.Second, ch.Close)
		return
	}
	a.mu.free = append(a.mu.free, ch)
}

// Close ends the shared connection, for good.
func (a *AMQP) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.closed, a.mu.free = true, nil
	if a.mu.conn == nil || a.mu.conn.IsClosed() {
		return nil
	}
	return a.mu.conn.End()
}
