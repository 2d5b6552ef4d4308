package jinja

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
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
