package systems

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/jinja"
)

// REST is a system reached by HTTP: `system:rest`, or `system:url` without
// operations of its own. It may be used by many goroutines at once.
type REST struct {
	env            Env
	address        address
	headers        *tree
	auth           auth
	oauth          *oauth2     // nil without
	custom         *customAuth // nil without
	ops            map[string]*Operation
	set            settings
	strategy       *Strategy // nil without
	contentTypes   []string
	transport      http.RoundTripper
	connectTimeout time.Duration
	readTimeout    time.Duration
	maxResponse    int64
	slots          chan struct{}
}

// auth is how requests identify themselves; the texts may refer to secrets.
type auth struct{ kind, username, password, token string }

// ID implements System.
func (r *REST) ID() string { return r.env.ID }

// Secret returns a secret of the system, else of the node.
func (r *REST) Secret(name string) (string, bool) {
	if r.env.Secret == nil {
		return "", false
	}
	return r.env.Secret(name)
}

func restType() Type {
	return Type{
		Name:   "system:rest",
		Doc:    "A service with an HTTP interface: its address, how to prove who one is, and the operations it offers.",
		Config: func() any { return new(restConfig) },
		Build: func(cfg any, env Env) (System, diag.List) {
			c := cfg.(*restConfig)
			r, diags := build(&c.urlConfig, env)
			co := &compiler{secrets: true}
			r.ops = compileOperations(env.Node.Get("operations"), co)
			r.set.retries = given(env.Node, "rate_limiting_retries", c.Retries)
			r.set.delay = &c.Delay
			r.contentTypes = c.ContentTypes
			r.compileCustomAuth(c.CustomAuth, co)
			diags.Add(co.diags...)
			return r, diags
		},
	}
}

func urlType() Type {
	return Type{
		Name:   "system:url",
		Doc:    "A service with an HTTP interface, called by address.",
		Config: func() any { return new(urlConfig) },
		Build: func(cfg any, env Env) (System, diag.List) {
			r, diags := build(cfg.(*urlConfig), env)
			return r, diags
		},
	}
}

// Workers implements Workers.
func (r *REST) Workers() int { return cap(r.slots) }

func build(cfg *urlConfig, env Env) (*REST, diag.List) {
	co := &compiler{secrets: true}
	if env.Unverified && !Has(env.Node, "verify_ssl") {
		cfg.VerifySSL = false
	}
	r := &REST{
		env:            env,
		address:        address{cfg.URLPattern, cfg.BaseURL},
		headers:        co.tree(env.Node.Get("headers")),
		auth:           authOf(cfg, env.Node),
		connectTimeout: time.Duration(cfg.ConnectTimeout) * time.Second,
		readTimeout:    time.Duration(cfg.ReadTimeout) * time.Second,
		maxResponse:    env.MaxResponse,
		slots:          make(chan struct{}, max(cfg.WorkerThreads, 1)),
	}
	if r.maxResponse == 0 {
		r.maxResponse = defaultMaxResponse
	}
	if r.env.Sleep == nil {
		r.env.Sleep = Sleep
	}
	r.set.sinceName, r.set.sinceLocation = "since", "query"
	roots := r.check(cfg, co)
	r.compileOAuth2(cfg.OAuth2, co)
	var more diag.List
	r.strategy, more = compileStrategy(cfg.RetryStrategy)
	co.diags.Add(more...)
	r.transport = connect(env.Transport, Connection{r.connectTimeout, r.readTimeout, !cfg.VerifySSL, roots})
	return r, co.diags
}

// connect gives the system's settings to a transport that can take them.
func connect(t http.RoundTripper, c Connection) http.RoundTripper {
	if w, ok := t.(interface {
		With(c Connection) http.RoundTripper
	}); ok {
		return w.With(c)
	}
	return t
}

func authOf(cfg *urlConfig, n *jsonpos.Node) auth {
	a := auth{kind: cfg.Authentication}
	a.username, _ = n.Get("username").Str()
	a.password, _ = n.Get("password").Str()
	a.token, _ = n.Get("jwt_token").Str()
	return a
}

// check reports what cannot work and returns the certificates to trust.
func (r *REST) check(cfg *urlConfig, c *compiler) *x509.CertPool {
	n := r.env.Node
	if (cfg.URLPattern == "") == (cfg.BaseURL == "") {
		c.diags.Add(diag.Finding{
			Rule: "system/address", Severity: diag.Error, Span: n.Span, Pipe: r.env.ID,
			Message: "exactly one of url_pattern and base_url must be given",
		})
	}
	c.diags.Add(checkAuth(r.auth, n)...)
	c.diags.Add(unsupportedURL(cfg, n)...)
	if !cfg.VerifySSL {
		what := "verify_ssl is"
		if !Has(n, "verify_ssl") {
			what = "verify_ssl of the node's global_defaults is"
		}
		c.diags.Add(diag.Finding{
			Rule: "system/tls-unverified", Severity: diag.Warning, Span: at(n, "verify_ssl"),
			Message: what + " false: anyone on the way can read and change what is sent, secrets included",
			Help:    "remove it, or name the server's certificate in custom_ca_pem_chain",
		})
	}
	return r.roots(cfg, c)
}

func (r *REST) roots(cfg *urlConfig, c *compiler) *x509.CertPool {
	if cfg.CustomCA == "" {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(cfg.CustomCA)) {
		c.diags.Add(diag.Finding{
			Rule: "system/certificate", Severity: diag.Error, Span: at(r.env.Node, "custom_ca_pem_chain"),
			Message: "custom_ca_pem_chain holds no certificate in PEM form",
		})
	}
	return pool
}

func checkAuth(a auth, n *jsonpos.Node) diag.List {
	var l diag.List
	missing := func(key string) {
		l.Add(diag.Finding{
			Rule: "system/authentication", Severity: diag.Error, Span: at(n, "authentication"),
			Message: "authentication " + a.kind + " needs " + key,
		})
	}
	switch {
	case a.kind == "basic" && a.username == "":
		missing("username")
	case a.kind == "jwt" && a.token == "":
		missing("jwt_token")
	case a.kind == "" && (a.username != "" || a.token != ""):
		l.Add(diag.Finding{
			Rule: "system/authentication", Severity: diag.Warning, Span: n.Span,
			Message: "username, password and jwt_token have no effect without authentication",
			Help:    `add "authentication": "basic" or "jwt"`,
		})
	}
	return l
}

const ruleUnsupported = "system/unsupported"

// unsupportedURL reports what Sluice does not do yet: as an error where doing
// without it would be wrong, as a warning where it only costs comfort.
func unsupportedURL(cfg *urlConfig, n *jsonpos.Node) diag.List {
	var l diag.List
	switch cfg.Authentication {
	case "digest", "ntlm", "tripletex":
		l.Add(diag.Finding{Rule: ruleUnsupported, Severity: diag.Error, Span: at(n, "authentication"),
			Message: "authentication " + cfg.Authentication + " is not supported yet"})
	}
	l.Add(Unsupported(n, ruleUnsupported, "proxies", diag.Error)...)
	if cfg.Authentication != "tripletex" {
		l.Add(Unsupported(n, ruleUnsupported, "tripletex", diag.Error)...)
	}
	l.Add(Unsupported(n, ruleUnsupported, "ignore_invalid_content_length_response_header", diag.Warning)...)
	return l
}

// now is the time by the environment's clock.
func (r *REST) now() time.Time {
	if r.env.Now == nil {
		return time.Now()
	}
	return r.env.Now()
}

// Sleep waits on the wall clock, or ends early with the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hostOf is what templates reach outside themselves.
func (r *REST) hostOf(k *keyring) *jinja.Host {
	return &jinja.Host{Now: r.env.Now, Secret: func(_ context.Context, name string) (string, error) {
		if v, ok := k.get(name); ok {
			return v, nil
		}
		return "", jinja.UnknownSecret(name, nil)
	}}
}
