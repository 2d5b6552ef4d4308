package jinja_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/jinja"
)

// BenchmarkValidation asks what receivers usually ask, of a body of 1 KB; "hmac" is
// what of it cannot be saved.
func BenchmarkValidation(b *testing.B) {
	body := []byte(strings.Repeat("0123456789abcdef", 64))
	m := hmac.New(sha256.New, []byte("a secret"))
	m.Write(body)
	sum := m.Sum(nil)
	r := jinja.Request{Body: body, Headers: http.Header{"Content-Type": {"application/json"},
		"X-Base64": {base64.StdEncoding.EncodeToString(sum)}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(sum)}}}
	secret := func(context.Context, string) (string, error) { return "a secret", nil }
	b.Run("hmac", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Reset()
			m.Write(body)
			sum = m.Sum(sum[:0])
		}
	})
	for name, expression := range map[string]string{
		"base64": `{% if request_headers['X-Base64'] == b64encode(hmacsha256digest(secret('s'), request_body)) %}{% else %}FAIL!{% endif %}`,
		"github": `{% if request_headers['X-Hub-Signature-256'] != 'sha256=' ~ hexencode(hmacsha256digest(secret('s'), request_body)) %}FAIL!{% endif %}`,
	} {
		v, err := jinja.CompileValidation(expression, jinja.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, text, err := v.Check(b.Context(), r, secret); !ok {
					b.Fatal(text, err)
				}
			}
		})
	}
}
