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
	"time"

	"github.com/sluiceio/sluice/jinja"
)

func signed(text string, code func([]byte) string) string {
	m := hmac.New(sha256.New, []byte("a secret"))
	m.Write([]byte(text))
	return code(m.Sum(nil))
}

// BenchmarkValidation asks what receivers usually ask, of a body of 1 KB; "hmac" is
// what of it cannot be saved.
func BenchmarkValidation(b *testing.B) {
	body := []byte(strings.Repeat("0123456789abcdef", 64))
	m := hmac.New(sha256.New, []byte("a secret"))
	m.Write(body)
	sum := m.Sum(nil)
	r := jinja.Request{Body: body, Headers: http.Header{"Content-Type": {"application/json"},
		"Stripe-Signature": {"t=1735689600,v1=" + signed("1735689600."+string(body), hex.EncodeToString)},
		"Webhook-Id":       {"msg_1"}, "Webhook-Timestamp": {"1735689600"},
		"Webhook-Signature": {"v1," + signed("msg_1.1735689600."+string(body), base64.StdEncoding.EncodeToString)},
		"X-Base64":          {base64.StdEncoding.EncodeToString(sum)}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(sum)}}}
	now := func() time.Time { return time.Unix(1735689600, 0) }
	secret := func(_ context.Context, name string) (string, error) {
		if name == "w" {
			return "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret")), nil
		}
		return "a secret", nil
	}
	b.Run("hmac", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Reset()
			m.Write(body)
			sum = m.Sum(sum[:0])
		}
	})
	for name, expression := range map[string]string{
		"base64":   `{% if request_headers['X-Base64'] == b64encode(hmacsha256digest(secret('s'), request_body)) %}{% else %}FAIL!{% endif %}`,
		"github":   `{% if request_headers['X-Hub-Signature-256'] != 'sha256=' ~ hexencode(hmacsha256digest(secret('s'), request_body)) %}FAIL!{% endif %}`,
		"stripe":   `{% if not stripe_signature(secret('s')) %}FAIL!{% endif %}`,
		"standard": `{% if not standard_webhook(secret('w')) %}FAIL!{% endif %}`,
	} {
		v, err := jinja.CompileValidation(expression, jinja.Options{Host: &jinja.Host{Now: now}})
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
