package jinja

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plainSecret makes up a secret; all are of one length, and hold common
// letters and digits, so that a test for the length or a part is noticed.
func plainSecret(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "x1a0e-" + hex.EncodeToString(sum[:10]) + "-7Qm2ZkvR9tYwLp4s"
}

// whsecSecret makes up a secret in the form of the Standard Webhooks.
func whsecSecret(name string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(plainSecret(name)))
}

// forgedValues are what an attacker tries without knowing a secret: nothing,
// the usual shapes, the present, tokens nobody signed, whatever the expression
// itself mentions, and a few letters of the secret, which can be guessed.
func forgedValues(words []string, secret string, now time.Time) []string {
	unix := now.Unix()
	values := []string{
		"probe7k", "", "x", "0", "1", "-1", "9999999999", "true", "True", "false", "None", "null", "[]", "{}", " ", ".", ",", "=",
		"Bearer probe7k", "Bearer ", "Bearer", "Basic cHJvYmU6cHJvYmU=", "Token probe7k", "sha256=probe7k", "sha1=probe7k",
		"v1,probe7k", "t=" + strconv.FormatInt(unix, 10) + ",v1=probe7k", "probe7k.probe7k.probe7k", "a b c d", "a,b,c,d", "a:b:c",
		strconv.FormatInt(unix, 10), strconv.FormatInt(unix*1000, 10), now.Format(time.RFC3339), now.Format("2006-01-02"), "9999-12-31",
		"application/json", "https://node.example/x", "127.0.0.1", strings.Repeat("k", len(secret)), strings.Repeat("7", 64), strings.Repeat("z", 300),
		unsignedToken("none", nil), unsignedToken("RS256", nil), unsignedToken("HS256", nil),
	}
	for n := 1; n <= 4 && n < len(secret); n++ {
		values = append(values, secret[:n], secret[len(secret)-n:])
	}
	words = slices.Compact(slices.Sorted(slices.Values(words)))
	for _, w := range words[:min(len(words), 24)] {
		values = append(values, w, w+"probe7k", "Bearer "+w, unsignedToken("RS256", map[string]string{"iss": w, "aud": w, "sub": w, "scope": w}))
	}
	values = append(values, strings.Join(words, " "), strings.Join(words, ","))
	slices.Sort(values[1:])
	return slices.Compact(values)
}

// unsignedToken is a JWT with a signature that is none.
func unsignedToken(alg string, claims map[string]string) string {
	enc := base64.RawURLEncoding.EncodeToString
	body := `{"exp":9999999999,"admin":true`
	for _, k := range slices.Sorted(maps.Keys(claims)) {
		body += fmt.Sprintf(",%q:%q", k, claims[k])
	}
	sig := ""
	if alg != "none" {
		sig = enc([]byte("no signature at all"))
	}
	return enc([]byte(`{"alg":"`+alg+`","typ":"JWT"}`)) + "." + enc([]byte(body+"}")) + "." + sig
}

// describe says what the request looks like.
func (f forgery) describe() string {
	if len(f) == 0 {
		return "a request with nothing but the usual headers"
	}
	var parts []string
	for at, s := range f {
		what := strings.TrimSpace(at.in + " " + at.name)
		parts = append(parts, what+" "+strconv.Quote(clip(s)))
	}
	slices.Sort(parts)
	return "a request with " + strings.Join(parts, ", ")
}
