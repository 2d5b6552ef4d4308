package webhooks

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// plain is a header that holds the secret itself.
type plain struct{ header, prefix string }

func newPlain(header string) (Scheme, error) {
	if !httpguts.ValidHeaderFieldName(header) {
		return nil, errors.New(`the scheme "header" needs the name of a header`)
	}
	return plain{header: http.CanonicalHeaderKey(header)}, nil
}

// Sign implements Scheme.
func (p plain) Sign(_ *Message, keys Keys) (http.Header, error) {
	if err := usable(keys); err != nil {
		return nil, err
	}
	if !httpguts.ValidHeaderFieldValue(keys[0]) {
		return nil, errors.New("the secret has characters that no header can hold")
	}
	return http.Header{p.header: {p.prefix + keys[0]}}, nil
}

// Verify implements Scheme.
func (p plain) Verify(m *Message, keys Keys, _ time.Time) error {
	if err := usable(keys); err != nil {
		return err
	}
	given, err := single(m.Header, p.header)
	if err != nil {
		return err
	}
	if n := len(p.prefix); len(given) >= n && strings.EqualFold(given[:n], p.prefix) {
		given = p.prefix + given[n:] // names of schemes have no case
	}
	return anyOf([]string{given}, keys, func(k string) string { return p.prefix + k })
}

// ID implements Scheme.
func (plain) ID(*Message) string { return "" }

// basic is basic authentication; a secret is "user:password".
type basic struct{}

var basicPlain = plain{header: "Authorization", prefix: "Basic "}

func encoded(keys Keys) (Keys, error) {
	coded := make(Keys, len(keys))
	for i, k := range keys {
		if !strings.Contains(k, ":") {
			return nil, errors.New(`a secret of basic authentication is "user:password"`)
		}
		coded[i] = base64.StdEncoding.EncodeToString([]byte(k))
	}
	return coded, nil
}

// Sign implements Scheme.
func (basic) Sign(m *Message, keys Keys) (http.Header, error) {
	coded, err := encoded(keys)
	if err != nil {
		return nil, err
	}
	return basicPlain.Sign(m, coded)
}

// Verify implements Scheme.
func (basic) Verify(m *Message, keys Keys, now time.Time) error {
	coded, err := encoded(keys)
	if err != nil {
		return err
	}
	return basicPlain.Verify(m, coded, now)
}

// ID implements Scheme.
func (basic) ID(*Message) string { return "" }
