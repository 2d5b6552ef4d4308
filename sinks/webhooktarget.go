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
	t.checkSecrets(&finds)
	t.checkScheme(&finds)
	t.checkHeaders(&finds)
	return finds
}

// checkSecrets has secrets stand where secrets are kept.
func (t *webhookTarget) checkSecrets(finds *diag.List) {
	for _, key := range []string{"secret", "previous_secret"} {
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
	case name != "" && !strings.Contains(name, "$"):
		var err error
		if t.scheme, err = webhooks.New(name, t.cfg.Header); err != nil {
			t.fault(finds, "signature", "", "%s", err)
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
		case slices.Contains([]string{"Host", "Content-Length", "Content-Type", "Connection", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Keep-Alive"}, name),
			strings.HasPrefix(name, "Webhook-"), strings.HasPrefix(name, "X-Etl-Webhook-"):
			t.fault(finds, "headers", "", "the header %s cannot be set: the sender decides on it", name)
		case name == "Authorization" && (t.cfg.Signature == "basic" || t.cfg.Signature == "bearer"):
			t.fault(finds, "headers", "leave one of them out", `"signature": %q makes the header Authorization itself`, t.cfg.Signature)
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
	return out, t.keys(s, out, now)
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
	}
	if t.cfg.Signature == "header" {
		out.Masked = append(out.Masked, http.CanonicalHeaderKey(t.cfg.Header))
	}
	return nil
}
