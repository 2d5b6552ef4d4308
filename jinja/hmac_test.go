package jinja

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"testing"
)

// TestHMACAgain asks one template for digests with keys and bodies that change and
// come again.
func TestHMACAgain(t *testing.T) {
	tmpl, err := Compile(`{{ hexencode(hmacsha256digest(a, body)) }} {{ hexencode(hmacsha256digest(b, body, a)) }} {{ hexencode(hmacsha1digest(b, body)) }} {{ hexencode(hmacsha256digest(a, hmacsha256digest(b, body))) }}`,
		Options{Sets: []Set{StdSet()}})
	if err != nil {
		t.Fatal(err)
	}
	digest := func(h func() hash.Hash, key string, parts ...string) string {
		m := hmac.New(h, []byte(key))
		m.Write([]byte(strings.Join(parts, "")))
		return string(m.Sum(nil))
	}
	for n, body := range []string{"", "short", strings.Repeat("long ", 1000), "short", strings.Repeat("x", 512)} {
		for _, keys := range [][2]string{{"k", "k"}, {"k", "other"}, {"other", "k"}, {strings.Repeat("key", 50), "k"}} {
			a, b := keys[0], keys[1]
			got, err := tmpl.Render(t.Context(), VarMap{"a": Str(a), "b": Str(b), "body": Str(body)})
			want := fmt.Sprintf("%s %s %s %s", hexOf(digest(sha256.New, a, body)), hexOf(digest(sha256.New, b, body, a)),
				hexOf(digest(sha1.New, b, body)), hexOf(digest(sha256.New, a, digest(sha256.New, b, body))))
			if err != nil || got != want {
				t.Errorf("body %d, keys %q: got %s, %v; want %s", n, keys, got, err, want)
			}
		}
	}
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

// TestBodyMemoryIsUsedAgain judges bodies that come one after the other in the same
// memory, by a key that is the body itself, and by a message.
func TestBodyMemoryIsUsedAgain(t *testing.T) {
	for name, expression := range map[string]string{
		"key":     `{{ '' if request_headers['x'] == hexencode(hmacsha256digest(request_body, 'text', secret('s'))) else 'no' }}`,
		"message": `{{ '' if request_headers['x'] == hexencode(hmacsha256digest('key', request_body, secret('s'))) else 'no' }}`,
		"both":    `{{ '' if request_headers['x'] == hexencode(hmacsha256digest(request_body, request_body | string, secret('s'))) else 'no' }}`,
	} {
		v, err := CompileValidation(expression, Options{})
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 4)
		sign := func() string {
			key, message := string(body), "text"
			switch name {
			case "message":
				key, message = "key", string(body)
			case "both":
				message = "b'" + string(body) + "'"
			}
			m := hmac.New(sha256.New, []byte(key))
			m.Write([]byte(message + "secret"))
			return hex.EncodeToString(m.Sum(nil))
		}
		check := func(sign string) (bool, string, error) {
			return v.Check(t.Context(), Request{Headers: http.Header{"X": {sign}}, Body: body}, func(context.Context, string) (string, error) { return "secret", nil })
		}
		last := ""
		for _, said := range []string{"aaaa", "bbbb", "aaaa", "cccc"} {
			copy(body, said)
			if ok, text, err := check(last); ok || text != "no" || err != nil {
				t.Errorf("%s: %s is let in by another one's signature: %q, %v", name, said, text, err)
			}
			last = sign()
			if ok, text, err := check(last); !ok {
				t.Errorf("%s: %s is refused: %q, %v", name, said, text, err)
			}
		}
	}
}
