package jinja

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// callEd25519 verifies; all arguments after the signature are the message.
func callEd25519(c *Call) Value {
	key, sig, msg := c.Text(0), c.Text(1), c.Text(2)
	for _, part := range c.rest {
		if !part.isText() {
			c.badType("a part of the message", "str or bytes", part)
		}
		c.st.room(len(part.s))
		msg += part.s
	}
	if c.st.err != nil {
		return Value{}
	}
	pub, ok := publicKey(key)
	if !ok {
		return c.Failf("the key is no Ed25519 public key: 32 bytes as hex, base64, whpk_… or PEM")
	}
	raw, ok := octets(sig, ed25519.SignatureSize)
	return Bool(ok && ed25519.Verify(pub, []byte(msg), raw))
}

// publicKey reads an Ed25519 public key in the forms services show it in.
func publicKey(s string) (ed25519.PublicKey, bool) {
	if block, _ := pem.Decode([]byte(s)); block != nil {
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		pub, ok := k.(ed25519.PublicKey)
		return pub, ok && err == nil
	}
	b, ok := octets(strings.TrimPrefix(s, "whpk_"), ed25519.PublicKeySize)
	return b, ok
}

// octets reads n bytes that are raw, hexadecimal or base64.
func octets(s string, n int) ([]byte, bool) {
	if len(s) == n {
		return []byte(s), true
	}
	if b, err := hex.DecodeString(s); err == nil && len(b) == n {
		return b, true
	}
	b, ok := decode64(s)
	return b, ok && len(b) == n
}

// header is a header of the request that is being judged, or "".
func (c *Call) header(name string) string {
	v, ok := c.variable("request_headers")
	if !ok || !v.isDict() {
		return ""
	}
	h, ok := c.st.lookup(v, Str(name))
	if !ok || h.k != kStr {
		return ""
	}
	return h.s
}

func (c *Call) variable(name string) (Value, bool) {
	if c.st.vars == nil {
		return Value{}, false
	}
	return c.st.vars.Lookup(name)
}

// secrets are the one or several live secrets given as first argument.
func (c *Call) secrets() []string {
	list := []Value{c.Arg(0)}
	if c.Arg(0).isSeq() {
		list = c.Arg(0).items()
	}
	var keys []string
	for _, v := range list {
		if !v.isText() || v.s == "" {
			c.badType("the secret of "+c.name, "text that is not empty", v)
			return nil
		}
		keys = append(keys, v.s)
	}
	if len(keys) == 0 {
		c.Failf("%s needs a secret", c.name)
	}
	return keys
}

// fresh tells whether Unix seconds are within the tolerance, both ways.
func (c *Call) fresh(seconds string, tolerance int) bool {
	at, err := strconv.ParseInt(seconds, 10, 64)
	return err == nil && c.within(time.Unix(at, 0), time.Duration(tolerance)*time.Second)
}

func (c *Call) within(t time.Time, d time.Duration) bool {
	age := c.Host().now().Sub(t)
	return age <= d && age >= -d
}

// signedText is what both schemes sign: what stands before the body, and the body.
type signedText struct{ head, body string }

// signedParts joins them with dots. The body is only looked at.
func (c *Call) signedParts(parts ...string) (s signedText, ok bool) {
	c.st.lends(true)
	body, ok := c.variable("request_body")
	c.st.lends(false)
	if !ok || !body.isText() {
		return s, false
	}
	for _, p := range parts {
		if p == "" || strings.IndexByte(p, '.') >= 0 {
			return s, false
		}
		s.head += p + "."
	}
	s.body = body.s
	return s, c.st.room(len(s.head) + len(s.body))
}

func (s signedText) len() int { return len(s.head) + len(s.body) }

// sum256 is the HMAC of what was signed, until the next one is made.
func (c *Call) sum256(key string, s signedText) []byte {
	m := c.st.keyed(c.name, key, sha256.New)
	c.st.digest(m, s.head)
	c.st.digest(m, s.body)
	return m.Sum(c.st.mac.sum[:0])
}

// callStandardWebhook checks a request as the Standard Webhooks say.
func callStandardWebhook(c *Call) Value {
	keys, tolerance := c.secrets(), c.IntOr(1, 300)
	id, at, sigs := c.header("webhook-id"), c.header("webhook-timestamp"), c.header("webhook-signature")
	if id == "" && at == "" && sigs == "" {
		id, at, sigs = c.header("svix-id"), c.header("svix-timestamp"), c.header("svix-signature")
	}
	msg, ok := c.signedParts(id, at)
	if !ok || c.st.err != nil || !c.fresh(at, tolerance) {
		return Bool(false)
	}
	right := false
	for _, key := range keys {
		for _, sig := range strings.Fields(sigs) {
			if !c.st.work(64 + msg.len()) {
				return Bool(false)
			}
			right = c.standardSignature(key, sig, msg) || right
		}
	}
	return Bool(right)
}

func (c *Call) standardSignature(key, sig string, msg signedText) bool {
	version, encoded, _ := strings.Cut(sig, ",")
	if strings.HasPrefix(key, "whpk_") {
		pub, ok := publicKey(key)
		raw, err := base64.StdEncoding.DecodeString(encoded)
		return version == "v1a" && ok && err == nil && len(raw) == ed25519.SignatureSize && ed25519.Verify(pub, []byte(msg.head+msg.body), raw)
	}
	raw, ok := decode64(strings.TrimPrefix(key, "whsec_"))
	if version != "v1" || !ok || len(raw) == 0 {
		return false
	}
	return constantTimeEqual(encoded, base64.StdEncoding.EncodeToString(c.sum256(string(raw), msg)))
}

// callStripe checks the header Stripe-Signature.
func callStripe(c *Call) Value {
	keys, tolerance := c.secrets(), c.IntOr(1, 300)
	at := ""
	var sigs []string
	for _, part := range strings.Split(c.header("Stripe-Signature"), ",") {
		switch k, v, _ := strings.Cut(strings.TrimSpace(part), "="); k {
		case "t":
			at = v
		case "v1":
			sigs = append(sigs, v)
		}
	}
	msg, ok := c.signedParts(at)
	if !ok || c.st.err != nil || !c.fresh(at, tolerance) {
		return Bool(false)
	}
	right := false
	for _, key := range keys {
		want := hex.EncodeToString(c.sum256(key, msg))
		for _, sig := range sigs {
			if !c.st.work(64 + msg.len()) {
				return Bool(false)
			}
			right = constantTimeEqual(sig, want) || right
		}
	}
	return Bool(right)
}

// callWithin tells whether a time is near the present, both ways.
func callWithin(c *Call) Value {
	t, ok := instant(c.Arg(0))
	if !ok {
		c.badType("the time of timestamp_within", "Unix seconds, a datetime or its text", c.Arg(0))
		return Value{}
	}
	return Bool(c.within(t, time.Duration(c.Int(1))*time.Second))
}

// instant reads a point in time as services send it: Unix seconds or, where
// the number is too large for them, milliseconds; ISO 8601; an HTTP date.
func instant(v Value) (time.Time, bool) {
	switch {
	case v.k == kTime || v.k == kDate:
		return v.time(), true
	case v.isText():
		if t, ok := parseTime(v.s); ok {
			return t, true
		}
		if t, err := http.ParseTime(v.s); err == nil {
			return t, true
		}
		f, ok := parseFloat(v.s)
		if !ok {
			return time.Time{}, false
		}
		v = Float(f)
	case !v.isNum() || v.k == kBool:
		return time.Time{}, false
	}
	f := v.float()
	if f > 1e11 {
		f /= 1000
	}
	if !(f >= 0 && f < 1e11) {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(f * 1e6)), true
}
