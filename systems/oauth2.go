package systems

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

type oauth2Config struct {
	spec.Base
	ClientID      string        `spec:"client_id,required" doc:"Id the provider knows the client by; use $SECRET(name)."`
	ClientSecret  string        `spec:"client_secret,required" doc:"Secret of the client; use $SECRET(name)."`
	TokenURL      string        `spec:"token_url,required" doc:"Address that gives tokens."`
	AccessToken   string        `spec:"access_token" doc:"Token to begin with; it is used until the service refuses it."`
	RefreshToken  string        `spec:"refresh_token" doc:"Token that further ones are asked for with. Without it the client's own credentials are used."`
	Scope         *jsonpos.Node `spec:"scope" kind:"string|array" doc:"Scopes to ask for: a text, or a list of them."`
	RefreshWindow int           `spec:"refresh_window" default:"30" min:"0" doc:"Seconds before its end at which a token is replaced."`
	Extra         *jsonpos.Node `spec:"extra" kind:"object" doc:"Further parameters of the request for a token."`
	Audience      string        `spec:"audience" doc:"Accepted for compatibility and not used; put it into extra."`
	GrantType     string        `spec:"grant_type" doc:"Accepted for compatibility and not used: it follows from refresh_token."`
}

// TokenStore keeps the refresh tokens of providers that replace them with
// every use, so that a restart does not begin with one that is spent. What it
// is given is secret.
type TokenStore interface {
	// LoadToken returns what was saved for a system, "" if nothing was.
	LoadToken(ctx context.Context, system string) (string, error)
	SaveToken(ctx context.Context, system, token string) error
}

// oauth2 fetches and keeps the access token of one system.
type oauth2 struct {
	r    *REST
	cfg  *oauth2Config
	lock chan struct{} // holds one value; taking it is interruptible
	now  token
}

type token struct {
	access  string
	refresh string    // "" if the configuration's holds
	expires time.Time // zero if unknown
	header  bool      // the client is named in a header instead of the body
	loaded  bool      // what was saved has been looked at
	initial bool      // the configuration's access token has been tried
}

// compileOAuth2 reads `oauth2`; nil if there is none.
func (r *REST) compileOAuth2(n *jsonpos.Node, c *compiler) {
	if n == nil || n.Kind != jsonpos.Object {
		return
	}
	cfg := &oauth2Config{}
	c.diags.Add(spec.Decode(n, cfg)...)
	if r.auth.kind == "jwt" || r.auth.token != "" {
		c.diags.Add(diag.Finding{Rule: "system/authentication", Severity: diag.Error, Span: n.Span,
			Message: "oauth2 and jwt_token cannot be used together"})
	}
	if strings.HasPrefix(strings.ToLower(cfg.TokenURL), "http://") {
		c.diags.Add(diag.Finding{Rule: "system/plain-token-url", Severity: diag.Warning, Span: at(n, "token_url"),
			Message: "token_url is not https: anyone on the way can read the client's secret"})
	}
	r.oauth = &oauth2{r: r, cfg: cfg, lock: make(chan struct{}, 1)}
}

// token returns the access token to use. stale is one that the service has
// just refused, "" if none was.
func (o *oauth2) token(ctx context.Context, k *keyring, stale string) (string, error) {
	select {
	case o.lock <- struct{}{}:
		defer func() { <-o.lock }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if err := o.begin(ctx, k); err != nil {
		return "", err
	}
	if o.now.access == "" || o.now.access == stale || o.due() {
		if err := o.fetch(ctx, k); err != nil {
			return "", fmt.Errorf("oauth2: %w", err)
		}
	}
	k.hide(o.now.access)
	return o.now.access, nil
}

// due tells whether the token ends within the refresh window.
func (o *oauth2) due() bool {
	window := time.Duration(o.cfg.RefreshWindow) * time.Second
	return !o.now.expires.IsZero() && !o.r.now().Add(window).Before(o.now.expires)
}

// begin takes up what the configuration and an earlier run know.
func (o *oauth2) begin(ctx context.Context, k *keyring) error {
	if s := o.r.env.Tokens; s != nil && !o.now.loaded {
		saved, err := s.LoadToken(ctx, o.r.env.ID)
		if err != nil {
			return fmt.Errorf("oauth2: the saved token cannot be read: %w", err)
		}
		o.now.refresh = saved
		o.now.initial = saved != "" // the configuration's access token is older than that
	}
	o.now.loaded = true
	if o.now.initial || o.cfg.AccessToken == "" {
		return nil
	}
	o.now.initial = true
	access, err := k.expand(o.cfg.AccessToken)
	o.now.access = access
	return err
}

// fetch asks for a new token. Providers want the client's credentials in the
// body or in a header, and refuse the other with 401.
func (o *oauth2) fetch(ctx context.Context, k *keyring) error {
	form, user, err := o.form(k)
	if err != nil {
		return err
	}
	res, err := o.ask(ctx, k, form, user, o.now.header)
	if err == nil && res.status == http.StatusUnauthorized {
		o.now.header = !o.now.header
		res, err = o.ask(ctx, k, form, user, o.now.header)
	}
	if err != nil {
		return err
	}
	if res.status < 200 || res.status > 299 {
		return fmt.Errorf("the token address answered %d: %s", res.status, snippet(k, res.body))
	}
	return o.accept(ctx, k, res.body)
}

// form makes the parameters of the request without the client's credentials,
// which are returned apart.
func (o *oauth2) form(k *keyring) (form url.Values, user [2]string, err error) {
	form = url.Values{"grant_type": {"client_credentials"}}
	refresh := o.now.refresh
	if refresh == "" {
		if refresh, err = k.expand(o.cfg.RefreshToken); err != nil {
			return nil, user, err
		}
	}
	if refresh != "" {
		k.hide(refresh)
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", refresh)
	}
	if scope := scopeText(o.cfg.Scope); scope != "" {
		form.Set("scope", scope)
	}
	if err := o.extra(k, form); err != nil {
		return nil, user, err
	}
	if user[0], err = k.expand(o.cfg.ClientID); err != nil {
		return nil, user, err
	}
	user[1], err = k.expand(o.cfg.ClientSecret)
	return form, user, err
}

func (o *oauth2) extra(k *keyring, form url.Values) error {
	if o.cfg.Extra == nil {
		return nil
	}
	v, err := expandNode(o.cfg.Extra, k)
	if err != nil {
		return err
	}
	for _, m := range v.Object().Members() {
		form[m.Key] = paramValues(m.Value)
	}
	return nil
}

func scopeText(n *jsonpos.Node) string {
	if s, ok := n.Str(); ok {
		return s
	}
	var all []string
	if n != nil {
		for _, e := range n.Elems {
			all = append(all, e.Text)
		}
	}
	return strings.Join(all, " ")
}

func (o *oauth2) ask(ctx context.Context, k *keyring, form url.Values, user [2]string, inHeader bool) (*response, error) {
	address, err := k.expand(o.cfg.TokenURL)
	if err != nil {
		return nil, err
	}
	q := &request{method: http.MethodPost, url: address, header: http.Header{
		"Content-Type": {formType}, "Accept": {"application/json"}, "User-Agent": {"sluice"},
	}}
	body := url.Values{}
	for name, values := range form {
		body[name] = values
	}
	if inHeader {
		basicAuth(q.header, k, url.QueryEscape(user[0]), url.QueryEscape(user[1]))
	} else {
		body.Set("client_id", user[0])
		body.Set("client_secret", user[1])
	}
	q.body = []byte(body.Encode())
	res, err := o.r.once(ctx, k, q)
	if err != nil {
		return nil, fmt.Errorf("POST %s: %w", k.redactURL(address), err)
	}
	return res, nil
}

// accept reads a response with a token and saves a new refresh token before
// anything is done with it: the one before may be spent.
func (o *oauth2) accept(ctx context.Context, k *keyring, body []byte) error {
	v, err := decodePlain(Unmarked(body))
	if err != nil {
		return errors.New("the token address did not answer with JSON")
	}
	access, _ := v.Get("access_token")
	if access.Text() == "" {
		return errors.New("the answer of the token address has no access_token")
	}
	o.now.access = access.Text()
	o.now.expires = time.Time{}
	if seconds, ok := lifetime(v); ok {
		o.now.expires = o.r.now().Add(time.Duration(seconds) * time.Second)
	}
	refresh, _ := v.Get("refresh_token")
	if refresh.Text() == "" || refresh.Text() == o.now.refresh {
		return nil
	}
	o.now.refresh = refresh.Text()
	k.hide(o.now.refresh)
	if s := o.r.env.Tokens; s != nil {
		if err := s.SaveToken(ctx, o.r.env.ID, o.now.refresh); err != nil {
			return fmt.Errorf("the new refresh token cannot be saved: %w", err)
		}
	}
	return nil
}

// lifetime reads expires_in, which some providers write as text.
func lifetime(v entity.Value) (int64, bool) {
	in, ok := v.Get("expires_in")
	if n, whole := in.Int64(); whole {
		return n, ok
	}
	n, err := strconv.ParseInt(in.Text(), 10, 64)
	return n, err == nil
}
