package jinja

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type jwtKeys struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}

func newKeys(t *testing.T) (k jwtKeys) {
	var err1, err2, err3 error
	k.rsa, err1 = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, err2 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, k.ed, err3 = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return k
}

func publicPEM(t *testing.T, key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func signJWT(t *testing.T, m jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	tok := jwt.NewWithClaims(m, claims)
	tok.Header["kid"] = "k1"
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const jwtNow = 1_700_000_000

func jwtHost(k jwtKeys) *Host {
	return &Host{
		Now: func() time.Time { return time.Unix(jwtNow, 0) },
		JWKS: func(_ context.Context, url string) ([]byte, error) {
			if url != "https://issuer.example/keys" {
				return nil, errors.New("no such document")
			}
			enc := base64.RawURLEncoding.EncodeToString
			return json.Marshal(map[string]any{"keys": []any{map[string]string{
				"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": enc(k.rsa.N.Bytes()),
			}}})
		},
	}
}

// TestDecodeJWT goes through every argument; want "" is a token that stands.
func TestDecodeJWT(t *testing.T) {
	k := newKeys(t)
	claims := jwt.MapClaims{"sub": "alice", "exp": jwtNow + 100, "nbf": jwtNow - 100, "iat": jwtNow - 100, "iss": "me"}
	with := func(key string, v any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range claims {
			c[k] = v
		}
		if c[key] = v; v == nil {
			delete(c, key)
		}
		return c
	}
	rs := func(c jwt.MapClaims) string { return signJWT(t, jwt.SigningMethodRS256, k.rsa, c) }
	good := rs(claims)
	forged := good[:strings.LastIndexByte(good, '.')+1] + strings.Repeat("A", 342)
	none := signJWT(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims)
	pub := publicPEM(t, &k.rsa.PublicKey)
	confused := signJWT(t, jwt.SigningMethodHS256, []byte(pub), claims)
	vars := VarMap{
		"pub": Str(pub), "ecpub": Str(publicPEM(t, &k.ec.PublicKey)), "edpub": Str(publicPEM(t, k.ed.Public())),
		"ec": Str(signJWT(t, jwt.SigningMethodES256, k.ec, claims)), "ed": Str(signJWT(t, jwt.SigningMethodEdDSA, k.ed, claims)),
		"hs": Str(signJWT(t, jwt.SigningMethodHS256, []byte("shared"), claims)), "ps": Str(signJWT(t, jwt.SigningMethodPS256, k.rsa, claims)),
	}
	detached := detachedToken(t, k.rsa, `{"sub": "alice"}`)
	for _, c := range []struct{ token, args, want string }{
		{good, "pub", ""}, {good, "key=pub, algorithms=['RS256', 'ES256']", ""}, {good, "jwks_url='https://issuer.example/keys'", ""},
		{good, "pub, issuer='me'", ""}, {good, "pub, issuer=['you', 'me']", ""}, {good, "pub, issuer='you'", "issuer"},
		{good, "pub, issuer='you', verify_iss=false", ""}, {rs(with("iss", nil)), "pub, issuer='me'", "issuer"},
		{good, "", "neither key nor jwks_url"}, {good, "pub, algorithms=['ES256']", "algorithm"}, {good, "pub, algorithms=[]", "algorithm"},
		{good, "ecpub", ""}, {good, "jwks_url='http://issuer.example/keys'", "https://"}, {good, "jwks_url='https://other.example/'", "no such document"},
		{forged, "pub", "signature"}, {forged, "jwks_url='https://issuer.example/keys'", "signature"}, {forged, "pub, verify=false", ""},
		{none, "pub", "algorithm"}, {none, "pub, algorithms=['none']", "algorithm"}, {none, "pub, verify=false", ""},
		{confused, "pub, algorithms=['RS256', 'HS256']", "public key"}, {confused, "jwks_url='https://issuer.example/keys', algorithms=['HS256']", "HMAC"},
		{rs(with("exp", jwtNow-10)), "pub", "expired"}, {rs(with("exp", jwtNow-10)), "pub, leeway=20", ""}, {rs(with("exp", jwtNow-10)), "pub, verify_exp=false", ""},
		{rs(with("exp", "soon")), "pub", "no time"}, {rs(with("exp", true)), "pub", "no time"}, {rs(with("exp", nil)), "pub", ""},
		{rs(with("exp", nil)), "pub, require=['exp']", `"exp" is missing`}, {rs(with("exp", nil)), "pub, require='exp'", `"exp" is missing`},
		{rs(with("nbf", jwtNow+10)), "pub", "not valid yet"}, {rs(with("nbf", jwtNow+10)), "pub, verify_nbf=false", ""}, {rs(with("nbf", jwtNow+10)), "pub, leeway=10.5", ""},
		{rs(with("iat", jwtNow+10)), "pub", "future"}, {rs(with("iat", "x")), "pub", "no time"}, {rs(with("iat", "x")), "pub, verify_iat=false", ""},
		{rs(with("aud", "a")), "pub", "for an audience"}, {rs(with("aud", "a")), "pub, verify_aud=false", ""}, {rs(with("aud", "a")), "pub, audience='a'", ""},
		{rs(with("aud", []string{"a", "b"})), "pub, audience=['b', 'c']", ""}, {rs(with("aud", []string{"a", "b"})), "pub, audience='c'", "another audience"},
		{rs(with("aud", []string{"a"})), "pub, audience='a', strict_aud=true", "another audience"}, {rs(with("aud", "a")), "pub, audience='a', strict_aud=true", ""},
		{good, "pub, audience='a'", "another audience"},
		{detached, "pub, detached_payload='{\"sub\": \"alice\"}'.encode()", ""}, {detached, "pub", "detached"}, {detached, "pub, detached_payload='{}'", "signature"},
		{"x", "pub", "three parts"}, {"a.b.c", "pub", "base64url"}, {good + "x", "pub", ""}, {"", "pub", "three parts"},
	} {
		if c.args == "ecpub" {
			c.want = "refused"
		} else if c.token == good+"x" {
			c.want = "refused"
		}
		vars["tok"] = Str(c.token)
		checkJWT(t, k, vars, "tok", c.args, c.want)
	}
	for args, tok := range map[string]string{
		"ecpub, algorithms=['ES256']": "ec", "edpub, algorithms=['EdDSA']": "ed", "'shared', algorithms=['HS256']": "hs", "pub, algorithms=['PS256']": "ps",
	} {
		checkJWT(t, k, vars, tok, args, "")
	}
}

func checkJWT(t *testing.T, k jwtKeys, vars VarMap, tok, args, want string) {
	tmpl, err := Compile("{{ ("+tok+"|decode_jwt("+args+")).sub }}", Options{Sets: []Set{StdSet()}, Host: jwtHost(k)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Render(t.Context(), vars)
	switch {
	case want == "" && (err != nil || got != "alice"):
		t.Errorf("%s(%s): %q %v", tok, args, got, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s(%s): %q %v, want %q", tok, args, got, err, want)
	}
}

// detachedToken has its payload elsewhere, as RFC 7797 has it.
func detachedToken(t *testing.T, key *rsa.PrivateKey, payload string) string {
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","b64":false,"crit":["b64"]}`))
	sig, err := jwt.SigningMethodRS256.Sign(head+"."+payload, key)
	if err != nil {
		t.Fatal(err)
	}
	return head + ".." + base64.RawURLEncoding.EncodeToString(sig)
}
