package jinja

import (
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const jwtParams = "key? jwks_url? algorithms? verify? require? detached_payload? verify_aud? verify_iss? " +
	"verify_exp? verify_iat? verify_nbf? strict_aud? audience? issuer? leeway?"

// The places of jwtParams.
const (
	jwtKey = iota
	jwtURL
	jwtAlgorithms
	jwtVerify
	jwtRequire
	jwtDetached
	jwtVerifyAud
	jwtVerifyIss
	jwtVerifyExp
	jwtVerifyIat
	jwtVerifyNbf
	jwtStrictAud
	jwtAudience
	jwtIssuer
	jwtLeeway
)

// webToken is a JWT taken apart.
type webToken struct {
	header  *dict
	payload []byte
	signed  string // what the signature covers
	sig     []byte
}

// filterJWT is decode_jwt: the claims of a token that stands every check.
func filterJWT(c *Call) Value {
	raw := c.operand()
	if !c.st.room(2*len(raw)) || c.st.err != nil {
		return Value{}
	}
	t, err := c.parseToken(raw)
	if err == nil && c.BoolOr(jwtVerify, true) {
		err = c.verifyToken(t)
	}
	if err != nil || c.st.err != nil {
		return c.notJWT(err)
	}
	claims, err := parseJSON(t.payload, false)
	if err != nil || claims.k != kDict {
		return c.notJWT(errors.New("its payload is no JSON object"))
	}
	if err := c.checkClaims(claims); err != nil {
		return c.notJWT(err)
	}
	return claims
}

func (c *Call) notJWT(err error) Value {
	if err == nil {
		return Value{}
	}
	return c.st.fail(CodeCall, "the JWT is refused: %v", err)
}

func (c *Call) parseToken(raw string) (*webToken, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("it does not have three parts")
	}
	var dec [3][]byte
	for i, p := range parts {
		var err error
		if dec[i], err = base64.RawURLEncoding.DecodeString(strings.TrimRight(p, "=")); err != nil {
			return nil, errors.New("a part is no base64url")
		}
	}
	h, err := parseJSON(dec[0], false)
	header, ok := h.o.(*dict)
	if err != nil || !ok {
		return nil, errors.New("its header is no JSON object")
	}
	t := &webToken{header, dec[1], parts[0] + "." + parts[1], dec[2]}
	return t, c.detach(t, parts[0])
}

// detach puts the payload that came another way in place (RFC 7797), and
// refuses extensions it does not know.
func (c *Call) detach(t *webToken, head string) error {
	if crit, ok := t.get("crit"); ok {
		for _, e := range crit.items() {
			if e.s != "b64" {
				return errors.New("it needs an unknown extension")
			}
		}
	}
	b64, ok := t.get("b64")
	if !ok || b64.k == kBool && b64.n == 1 {
		return nil
	}
	if !c.Has(jwtDetached) {
		return errors.New("its payload is detached, and detached_payload is not given")
	}
	t.payload = []byte(c.Text(jwtDetached))
	t.signed = head + "." + string(t.payload)
	return nil
}

func (t *webToken) get(key string) (Value, bool) {
	i := t.header.find(dictKey{k: kStr, s: key})
	if i < 0 {
		return Value{}, false
	}
	return t.header.vals[i], true
}

func (c *Call) verifyToken(t *webToken) error {
	alg, _ := t.get("alg")
	allowed := []string{"RS256"}
	if c.Has(jwtAlgorithms) && !c.Arg(jwtAlgorithms).IsNone() {
		allowed = c.texts(c.Arg(jwtAlgorithms))
	}
	method := jwt.GetSigningMethod(alg.s)
	if method == nil || alg.s == "none" || !slices.Contains(allowed, alg.s) {
		return errors.New("its algorithm is not among the allowed ones")
	}
	keys, err := c.verifyKeys(t, method)
	if err != nil {
		return err
	}
	c.st.work(20_000) // public-key arithmetic is the dearest thing a template can ask for
	for _, k := range keys {
		if e, ok := method.(*jwt.SigningMethodECDSA); ok {
			if pub, ok := k.(*ecdsa.PublicKey); !ok || pub.Curve.Params().BitSize != e.CurveBits {
				continue
			}
		}
		if method.Verify(t.signed, t.sig, k) == nil {
			return nil
		}
	}
	return errors.New("its signature is wrong")
}

// texts reads one text or a list of them.
func (c *Call) texts(v Value) []string {
	if v.k == kStr {
		return []string{v.s}
	}
	var out []string
	for _, e := range c.st.iterate(v) {
		if e.k != kStr {
			c.badType("the argument of "+c.name, "text or a list of texts", e)
		}
		out = append(out, e.s)
	}
	return out
}

func (c *Call) verifyKeys(t *webToken, method jwt.SigningMethod) ([]any, error) {
	if url := c.TextOr(jwtURL, ""); url != "" {
		return c.remoteKeys(t, url, method)
	}
	key := c.TextOr(jwtKey, "")
	if key == "" {
		return nil, errors.New("there is neither key nor jwks_url to verify it with")
	}
	k, err := parseKey(key, method)
	return []any{k}, err
}

func parseKey(key string, method jwt.SigningMethod) (any, error) {
	switch method.(type) {
	case *jwt.SigningMethodHMAC:
		if strings.Contains(key, "-----BEGIN") {
			return nil, errors.New("a public key cannot be the secret of an HMAC")
		}
		return []byte(key), nil
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		return jwt.ParseRSAPublicKeyFromPEM([]byte(key))
	case *jwt.SigningMethodECDSA:
		return jwt.ParseECPublicKeyFromPEM([]byte(key))
	case *jwt.SigningMethodEd25519:
		return jwt.ParseEdPublicKeyFromPEM([]byte(key))
	}
	return nil, errors.New("its algorithm is unknown")
}

func (c *Call) remoteKeys(t *webToken, url string, method jwt.SigningMethod) ([]any, error) {
	h := c.Host()
	if h == nil || h.JWKS == nil {
		return nil, errors.New("key sets cannot be fetched here")
	}
	if !strings.HasPrefix(url, "https://") {
		return nil, errors.New("jwks_url must begin with https://")
	}
	if _, ok := method.(*jwt.SigningMethodHMAC); ok {
		return nil, errors.New("a public key set cannot hold the secret of an HMAC")
	}
	doc, err := h.JWKS(c.Context(), url)
	if err != nil {
		return nil, err
	}
	set, err := keyfunc.NewJWKSetJSON(doc)
	if err != nil {
		return nil, errors.New("the answer of jwks_url is no key set")
	}
	header := map[string]any{"alg": method.Alg()}
	if kid, ok := t.get("kid"); ok {
		header["kid"] = kid.s
	}
	found, err := set.KeyfuncCtx(c.Context())(&jwt.Token{Header: header, Method: method})
	if err != nil {
		return nil, errors.New("the key set has no key for it")
	}
	if many, ok := found.(jwt.VerificationKeySet); ok {
		keys := make([]any, len(many.Keys))
		for i, k := range many.Keys {
			keys[i] = k
		}
		return keys, nil
	}
	return []any{found}, nil
}
