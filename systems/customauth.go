package systems

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/jinja"
)

type customAuthConfig struct {
	spec.Base
	GetToken         string        `spec:"get_token_operation,required" doc:"Operation whose response becomes the variable token. It runs after get_refresh_token_operation."`
	ExpiresAt        string        `spec:"expires_at_expression" doc:"Template of the time at which the token ends; goes before expires_in_expression if it gives a time."`
	ExpiresIn        string        `spec:"expires_in_expression" doc:"Template of the seconds after which the token ends."`
	RefreshWindow    int           `spec:"refresh_window" default:"30" min:"0" doc:"Seconds before its end at which a token is replaced."`
	Initial          *jsonpos.Node `spec:"initial_refresh_token" kind:"object" doc:"What token holds before the first fetch; use $SECRET(name)."`
	GetRefresh       string        `spec:"get_refresh_token_operation" doc:"Operation that runs first; its response is added to token, too."`
	RefreshExpiresAt string        `spec:"refresh_token_expires_at_expression" doc:"Template of the time at which the first operation is due again."`
	RefreshExpiresIn string        `spec:"refresh_token_expires_in_expression" doc:"Template of the seconds after which the first operation is due again."`
	AccessProperty   string        `spec:"access_token_property" doc:"Older way: the property of token to know as access_token."`
	RefreshProperty  string        `spec:"refresh_token_property" doc:"Older way: the property of token to know as refresh_token."`
}

// customAuth fetches tokens by operations of the system itself.
type customAuth struct {
	r                         *REST
	cfg                       *customAuthConfig
	at, in, refreshAt, refrIn *Template
	lock                      chan struct{} // holds one value; taking it is interruptible
	tok                       entity.Value  // Dict; null before the first use
	version                   int           // of tok, by fetches
	expires, refreshExpires   time.Time
}

func (r *REST) compileCustomAuth(n *jsonpos.Node, c *compiler) {
	if n == nil || n.Kind != jsonpos.Object {
		return
	}
	cfg := &customAuthConfig{}
	c.diags.Add(spec.Decode(n, cfg)...)
	a := &customAuth{r: r, cfg: cfg, lock: make(chan struct{}, 1)}
	a.at, a.in = c.text(n.Get("expires_at_expression")), c.text(n.Get("expires_in_expression"))
	a.refreshAt = c.text(n.Get("refresh_token_expires_at_expression"))
	a.refrIn = c.text(n.Get("refresh_token_expires_in_expression"))
	missing := func(what string) {
		c.diags.Add(diag.Finding{Rule: "system/custom-auth", Severity: diag.Error, Span: n.Span,
			Message: "one of " + what + " is needed, to know when a new token is due"})
	}
	if cfg.ExpiresAt == "" && cfg.ExpiresIn == "" {
		missing("expires_at_expression and expires_in_expression")
	}
	if cfg.GetRefresh != "" && cfg.RefreshExpiresAt == "" && cfg.RefreshExpiresIn == "" {
		missing("refresh_token_expires_at_expression and refresh_token_expires_in_expression")
	}
	r.checkOperation(n, "get_token_operation", cfg.GetToken, c)
	r.checkOperation(n, "get_refresh_token_operation", cfg.GetRefresh, c)
	r.custom = a
}

func (r *REST) checkOperation(n *jsonpos.Node, key, name string, c *compiler) {
	if name == "" {
		return
	}
	if _, err := r.find(&Pipe{}, name); err != nil {
		c.diags.Add(diag.Finding{Rule: "rest/operation", Severity: diag.Error, Span: at(n, key), Message: err.Error()})
	}
}

// token returns the variables with the token to use, and its version. stale is
// the version of one that the service has just refused, "" if none was.
func (a *customAuth) token(ctx context.Context, k *keyring, stale string) (jinja.VarMap, string, error) {
	select {
	case a.lock <- struct{}{}:
		defer func() { <-a.lock }()
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	if err := a.begin(ctx, k); err != nil {
		return nil, "", fmt.Errorf("custom_auth: %w", err)
	}
	if a.version == 0 || a.due(a.expires) || stale == strconv.Itoa(a.version) {
		if err := a.fetch(ctx, k); err != nil {
			return nil, "", fmt.Errorf("custom_auth: %w", err)
		}
	}
	a.hide(k, a.tok)
	return a.vars(), strconv.Itoa(a.version), nil
}

func (a *customAuth) due(at time.Time) bool {
	return !a.r.now().Add(time.Duration(a.cfg.RefreshWindow) * time.Second).Before(at)
}

// begin takes up what an earlier run saved, else the initial token.
func (a *customAuth) begin(ctx context.Context, k *keyring) (err error) {
	if !a.tok.IsNull() {
		return nil
	}
	saved := ""
	if s := a.r.env.Tokens; s != nil && a.cfg.Initial != nil {
		if saved, err = s.LoadToken(ctx, a.r.env.ID); err != nil {
			return fmt.Errorf("the saved token cannot be read: %w", err)
		}
	}
	tok := entity.NewDict()
	if a.cfg.Initial != nil {
		tok, err = expandNode(a.cfg.Initial, k)
	}
	if saved != "" && err == nil {
		tok, err = decodePlain([]byte(saved))
	}
	if err == nil {
		a.tok = tok
	}
	return err
}

// fetch runs the operations that are due.
func (a *customAuth) fetch(ctx context.Context, k *keyring) (err error) {
	if a.cfg.GetRefresh != "" && a.due(a.refreshExpires) {
		if err := a.run(ctx, k, a.cfg.GetRefresh); err != nil {
			return err
		}
		if a.refreshExpires, err = a.end(ctx, k, a.refreshAt, a.refrIn); err != nil {
			return err
		}
		a.note("refresh_token_", a.refreshExpires)
	}
	if err := a.run(ctx, k, a.cfg.GetToken); err != nil {
		return err
	}
	if a.expires, err = a.end(ctx, k, a.at, a.in); err != nil {
		return err
	}
	a.note("", a.expires)
	a.version++
	if s := a.r.env.Tokens; s != nil && a.cfg.Initial != nil {
		return s.SaveToken(ctx, a.r.env.ID, string(appendPlain(nil, a.tok)))
	}
	return nil
}

// run adds the response of an operation to the token.
func (a *customAuth) run(ctx context.Context, k *keyring, operation string) error {
	s, err := a.r.session(Call{Pipe: &Pipe{operation: operation}, OnePage: true, Raw: true})
	if err != nil {
		return err
	}
	s.bare, s.keys, s.host = true, k, a.r.hostOf(k)
	for name, v := range a.vars() {
		s.base[name] = v
	}
	p, _, err := s.step(ctx)
	if err != nil {
		return s.explain(err)
	}
	if p.Result.Kind() != entity.Dict {
		return fmt.Errorf("operation %q gives no dict", operation)
	}
	a.tok = With(a.tok, p.Result.Object().Members()...)
	a.hide(k, a.tok)
	return nil
}

// end works out when what was fetched ends.
func (a *customAuth) end(ctx context.Context, k *keyring, at, in *Template) (time.Time, error) {
	if text, ok := a.eval(ctx, k, at); ok {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateTime, time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				return t, nil
			}
		}
	}
	if text, ok := a.eval(ctx, k, in); ok {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e9 {
			return a.r.now().Add(time.Duration(seconds * float64(time.Second))), nil
		}
	}
	return time.Time{}, errors.New("the expressions give no time at which the token ends")
}

func (a *customAuth) eval(ctx context.Context, k *keyring, t *Template) (string, bool) {
	if t == nil {
		return "", false
	}
	s, err := t.render(ctx, a.vars(), a.r.hostOf(k))
	return strings.TrimSpace(s), err == nil
}

// note adds the end to the token, for templates.
func (a *customAuth) note(prefix string, end time.Time) {
	a.tok = With(a.tok,
		entity.Member{Key: prefix + "expires_at", Value: entity.NewInt(end.Unix())},
		entity.Member{Key: prefix + "expiry_date", Value: entity.NewString(end.UTC().Format(time.RFC3339))})
}

func (a *customAuth) vars() jinja.VarMap {
	v := jinja.VarMap{"token": jinja.FromEntity(a.tok)}
	for name, property := range map[string]string{"access_token": a.cfg.AccessProperty, "refresh_token": a.cfg.RefreshProperty} {
		if x, ok := a.tok.Get(property); ok && property != "" {
			v[name] = jinja.FromEntity(x)
		}
	}
	return v
}

// hide keeps the texts of a token out of errors; short ones are words like
// "bearer" rather than secrets.
func (a *customAuth) hide(k *keyring, v entity.Value) {
	const shortest = 16
	if text := v.Text(); len(text) >= shortest {
		k.hide(text)
	}
	for _, e := range v.Elems() {
		a.hide(k, e)
	}
	for _, m := range v.Object().Members() {
		a.hide(k, m.Value)
	}
}

// withoutToken leaves out of a tree of headers those that need a token, for
// the operations that fetch it.
func withoutToken(t *tree) *tree {
	if t == nil {
		return nil
	}
	c := *t
	c.members = slices.DeleteFunc(slices.Clone(t.members), func(m treeMember) bool {
		names := []string{"token", "access_token", "refresh_token"}
		return m.key.uses(names...) || m.value.uses(names...)
	})
	return &c
}
