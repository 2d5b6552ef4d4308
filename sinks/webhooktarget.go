package sinks

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/webhooks"
)

// webhookTarget is the part of a webhook that may be secret.
type webhookTarget struct {
	cfg    *webhookConfig
	secret systems.SecretFunc
	header map[string]string
	scheme webhooks.Scheme // nil: unsigned
	beside webhooks.Scheme // nil: no other
	names  webhooks.Rotation
}

func (t *webhookTarget) fault(finds *diag.List, key, help, format string, args ...any) {
	finds.Add(diag.Finding{Rule: "webhook/" + strings.ReplaceAll(key, "_", "-"), Severity: diag.Error, Span: t.cfg.At(key),
		Message: fmt.Sprintf(format, args...), Help: help})
}

// check compiles it and finds what could never work.
func (t *webhookTarget) check() (finds diag.List) {
	if !systems.HasSecret(t.cfg.URL) {
		if u, err := url.Parse(t.cfg.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			t.fault(&finds, "url", "for example https://example.com/hooks", "url is no address of http or https")
		} else if u.User != nil {
			t.fault(&finds, "url", `give them by "signature": "basic" and a secret`, "url holds a user or password, which would be shown")
		}
	}
	if !httpguts.ValidHeaderFieldValue(t.cfg.ContentType) {
		t.fault(&finds, "content_type", "", "content_type has characters that no header can hold")
	}
	if t.cfg.Origin != "" && (!httpguts.ValidHeaderFieldValue(t.cfg.Origin) || strings.ContainsAny(t.cfg.Origin, " /")) {
		t.fault(&finds, "handshake_origin", "for example events.example.com", "handshake_origin is no name of a host")
	}
	t.checkSecrets(&finds)
	t.checkOlder(&finds)
	t.checkBasic(&finds)
	t.checkScheme(&finds)
	t.checkHeaders(&finds)
	return finds
}

// checkSecrets has secrets stand where secrets are kept.
func (t *webhookTarget) checkSecrets(finds *diag.List) {
	for _, key := range []string{"secret", "previous_secret", "password"} {
		if v, ok := t.cfg.Node.Get(key).Str(); ok && !systems.OnlySecret(v) {
			t.fault(finds, key, "store it among the node's secrets and write $SECRET(name)", "%s stands in the configuration, where anybody can read it", key)
		}
	}
	switch {
	case t.cfg.Previous != "" && t.cfg.Secret == "":
		t.fault(finds, "previous_secret", "", `"previous_secret" needs "secret"`)
	case t.cfg.PreviousUntil != "":
		var err error
		if t.names.Until, err = time.Parse(time.RFC3339, t.cfg.PreviousUntil); err != nil {
			t.fault(finds, "previous_secret_until", "for example 2027-01-31T12:00:00Z", "previous_secret_until is no time")
		}
	}
}

// checkOlder reads the secrets that were replaced longer ago.
func (t *webhookTarget) checkOlder(finds *diag.List) {
	const most = 10
	if t.cfg.PreviousMore == nil {
		return
	}
	for i, n := range t.cfg.PreviousMore.Elems {
		secret, _ := n.Get("secret").Str()
		until, err := time.Time{}, error(nil)
		if text, given := n.Get("until").Str(); given {
			until, err = time.Parse(time.RFC3339, text)
		}
		if !systems.OnlySecret(secret) || err != nil || i >= most {
			t.fault(finds, "previous_secrets", "", `previous_secrets holds at most %d of {"secret": "$SECRET(name)", "until": "2027-01-31T12:00:00Z"}`, most)
			return
		}
		t.names.Older = append(t.names.Older, webhooks.Rotated{Secret: secret, Until: until})
	}
	if len(t.names.Older) > 0 && t.cfg.Secret == "" {
		t.fault(finds, "previous_secrets", "", `"previous_secrets" needs "secret"`)
	}
}

// checkBasic looks at user and password.
func (t *webhookTarget) checkBasic(finds *diag.List) {
	switch {
	case t.cfg.Username == "" && t.cfg.Password != "":
		t.fault(finds, "password", "", `"password" needs "username"`)
	case strings.Contains(t.cfg.Username, ":"):
		t.fault(finds, "username", "", "a user of basic authentication has no colon")
	case t.cfg.Username != "" && (t.cfg.Signature == "basic" || t.cfg.Signature == "bearer"):
		t.fault(finds, "username", "leave one of them out", `"signature": %q makes the header Authorization itself`, t.cfg.Signature)
	}
	for _, h := range [][2]string{{"event_id_header", t.cfg.IDHeader}, {"attempt_header", t.cfg.AttemptHeader}} {
		if name := h[1]; name != "" && (!httpguts.ValidHeaderFieldName(name) || webhooks.Reserved(name) && name != "Webhook-Id") {
			t.fault(finds, h[0], "", "%q is no header that can be set", name)
		}
	}
}

func (t *webhookTarget) checkScheme(finds *diag.List) {
	name := t.cfg.Signature
	if name == "" && t.cfg.Secret != "" {
		name = "standard"
	}
	switch {
	case name == "" && t.cfg.Header != "":
		t.fault(finds, "signature_header", "", `"signature_header" needs "signature": "header"`)
	case name != "" && t.cfg.Secret == "":
		t.fault(finds, "signature", "", `"signature" needs "secret"`)
	case name != "" && t.cfg.Method == http.MethodGet && !slices.Contains([]string{"basic", "bearer", "header"}, name):
		t.fault(finds, "signature", "requests of GET have no body to sign: basic, bearer or header tell who sent them", "a request of GET cannot be signed by %q", name)
	case t.cfg.Standard && (t.cfg.Secret == "" || name == "standard"):
		t.fault(finds, "standard_webhooks", "", `"standard_webhooks" needs "secret", and another "signature" beside it`)
	case name != "" && !strings.Contains(name, "$"):
		var err error
		if t.scheme, err = webhooks.New(name, t.cfg.Header); err != nil {
			t.fault(finds, "signature", "", "%s", err)
		}
		if t.cfg.Standard {
			t.beside, _ = webhooks.New("standard", "") // it is there
		}
	}
}

// checkHeaders refuses headers that the sender must decide on.
func (t *webhookTarget) checkHeaders(finds *diag.List) {
	header, more := systems.HeaderMap(t.cfg.Headers)
	finds.Add(more...)
	t.header = header
	for _, name := range slices.Sorted(maps.Keys(header)) {
		switch {
		case webhooks.Reserved(name), strings.HasPrefix(name, "X-Etl-Webhook-"):
			t.fault(finds, "headers", "", "the header %s cannot be set: the sender decides on it", name)
		case name == "Authorization" && (t.cfg.Signature == "basic" || t.cfg.Signature == "bearer"):
			t.fault(finds, "headers", "leave one of them out", `"signature": %q makes the header Authorization itself`, t.cfg.Signature)
		case name == "Authorization" && t.cfg.Username != "":
			t.fault(finds, "headers", "leave one of them out", `"username" makes the header Authorization itself`)
		case t.cfg.Signature == "header" && strings.EqualFold(name, t.cfg.Header):
			t.fault(finds, "headers", "leave one of them out", "the header %s carries the secret", name)
		}
	}
}

// resolve looks up all secrets as they are now.
func (t *webhookTarget) resolve(now time.Time) (*webhooks.Target, error) {
	s := systems.NewSecrets(t.secret)
	out := &webhooks.Target{Header: http.Header{}, Redact: s.Redact, Address: s.Address}
	var err error
	if out.URL, err = s.Expand(t.cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	for name, value := range t.header {
		text, err := s.Expand(value)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		if !httpguts.ValidHeaderFieldValue(text) {
			return nil, fmt.Errorf("header %s: its secret has characters that no header can hold", name)
		}
		if out.Header.Set(name, text); systems.HasSecret(value) {
			out.Masked = append(out.Masked, name)
		}
	}
	return out, errors.Join(t.basic(s, out), t.keys(s, out, now))
}

// basic adds user and password, if there are any.
func (t *webhookTarget) basic(s *systems.Secrets, out *webhooks.Target) error {
	if t.cfg.Username == "" {
		return nil
	}
	password, err := s.Expand(t.cfg.Password)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	proof := base64.StdEncoding.EncodeToString([]byte(t.cfg.Username + ":" + password))
	s.Hide(proof)
	out.Header.Set("Authorization", "Basic "+proof)
	return nil
}

// keys resolves the secrets that sign. How they look on the wire is as secret.
func (t *webhookTarget) keys(s *systems.Secrets, out *webhooks.Target, now time.Time) error {
	if t.scheme == nil {
		return nil
	}
	for _, text := range t.names.Live(now) {
		key, err := s.Expand(text)
		if err != nil {
			return err
		}
		if key == "" {
			return errors.New("the secret is empty")
		}
		s.Hide(base64.StdEncoding.EncodeToString([]byte(key)))
		out.Keys = append(out.Keys, key)
		out.BesideKeys = append(out.BesideKeys, webhooks.StandardKey(key))
	}
	if t.cfg.Signature == "header" {
		out.Masked = append(out.Masked, http.CanonicalHeaderKey(t.cfg.Header))
	}
	return nil
}
