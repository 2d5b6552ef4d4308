package jinja

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/textdist"
)

// Host is what templates may ask of the outside. A nil field is an ability
// that is not there; a template that uses it fails.
type Host struct {
	// Secret returns a secret. The system's come before the node's.
	Secret func(ctx context.Context, name string) (string, error)
	// Env returns an environment variable of the node.
	Env func(name string) (Value, error)
	// Now returns the present; nil is the system's clock.
	Now func() time.Time
	// JWKS returns the JSON Web Key Set behind an https URL; it is expected
	// to bound size and time, and to cache.
	JWKS func(ctx context.Context, url string) ([]byte, error)
}

func (h *Host) now() time.Time {
	if h == nil || h.Now == nil {
		return time.Now().UTC()
	}
	return h.Now().UTC()
}

// StdSet is the set of functions and filters of the manual, and of those that
// check webhook signatures. Names that take a request look at the variables
// request_headers and request_body.
func StdSet() Set {
	return Set{
		Funcs: map[string]*Func{
			"now":              NewFunc("", func(c *Call) Value { return Time(c.Host().now()) }),
			"timedelta":        NewFunc("days? seconds? microseconds? milliseconds? minutes? hours? weeks?", newDelta),
			"secret":           NewFunc("name", callSecret),
			"env":              NewFunc("name", callEnv),
			"hmacsha1digest":   reading("key body *", func(c *Call) Value { return c.hmac(sha1.New) }),
			"hmacsha256digest": reading("key body *", func(c *Call) Value { return c.hmac(sha256.New) }),
			"hmacsha512digest": reading("key body *", func(c *Call) Value { return c.hmac(sha512.New) }),
			"hexencode":        NewFunc("data", func(c *Call) Value { return c.coded(c.Text(0), hex.AppendEncode) }),
			"b64encode":        NewFunc("data", func(c *Call) Value { return c.coded(c.Text(0), base64.StdEncoding.AppendEncode) }),
			"b64decode":        NewFunc("data", func(c *Call) Value { return c.unbase64(c.Text(0)) }),
			"ed25519_verify":   reading("key signature message *", callEd25519),
			"standard_webhook": NewFunc("secret tolerance?", callStandardWebhook),
			"stripe_signature": NewFunc("secret tolerance?", callStripe),
			"timestamp_within": NewFunc("value seconds", callWithin),
		},
		Filters: map[string]*Func{
			"bytes":           NewFunc("encoding?", filterBytes),
			"tobytes":         NewFunc("encoding?", filterBytes),
			"b64encode":       NewFunc("", func(c *Call) Value { return c.asBytes(c.coded(c.operand(), base64.StdEncoding.AppendEncode)) }),
			"b64decode":       NewFunc("", func(c *Call) Value { return c.unbase64(c.operand()) }),
			"hexencode":       NewFunc("", func(c *Call) Value { return c.coded(c.operand(), hex.AppendEncode) }),
			"base64_encode":   NewFunc("", func(c *Call) Value { return c.coded(c.operand(), base64.StdEncoding.AppendEncode) }),
			"base64_decode":   NewFunc("", func(c *Call) Value { return c.unbase64(c.operand()) }),
			"datetime":        NewFunc("", filterDatetime),
			"datetime_format": NewFunc("format?", filterDatetimeFormat),
			"decode_jwt":      NewFunc(jwtParams, filterJWT),
		},
	}
}

func callSecret(c *Call) Value {
	h, name := c.Host(), c.Text(0)
	if c.st.err != nil {
		return Value{}
	}
	if h == nil || h.Secret == nil {
		return c.Failf("secrets cannot be used here")
	}
	s, err := h.Secret(c.Context(), name)
	if err != nil {
		return c.Fail(err)
	}
	if c.st.t.opt.guard && strings.TrimSpace(s) == "" { // it would match a header that is empty
		return c.Fail(errors.New("the secret \"" + clip(name) + "\" is empty"))
	}
	if s != "" {
		c.st.secrets = append(c.st.secrets, s)
	}
	return Secret(s)
}

func callEnv(c *Call) Value {
	h, name := c.Host(), c.Text(0)
	if c.st.err != nil {
		return Value{}
	}
	if h == nil || h.Env == nil {
		return c.Failf("environment variables cannot be used here")
	}
	v, err := h.Env(name)
	if err != nil {
		return c.Fail(err)
	}
	return v
}

// hmac signs all arguments after the key as one message; with a secret key the
// result is marked secret, too, since a right signature shown to the caller is
// as good as the key. An empty key is refused: anybody has it.
func (c *Call) hmac(h func() hash.Hash) Value {
	key, body := c.Text(0), c.Text(1)
	if c.st.err != nil {
		return Value{}
	}
	if key == "" {
		return c.Failf("%s needs a key that is not empty", c.name)
	}
	m := c.st.keyed(c.name, key, h)
	c.st.digest(m, body)
	for _, part := range c.rest {
		if !part.isText() {
			c.badType("a part of the message", "str or bytes", part)
			return Value{}
		}
		c.st.digest(m, part.s)
	}
	return Bytes(m.Sum(c.st.mac.sum[:0]))
}

// mac is the last HMAC of a template, for the next time it is asked for with the
// same key: making one costs as much as digesting a quarter of a kilobyte.
type mac struct {
	name, key string
	hash.Hash
	sum [sha512.Size]byte
}

// keyed returns the HMAC of a function with a key, with nothing digested yet.
func (st *state) keyed(name, key string, h func() hash.Hash) hash.Hash {
	if st.mac == nil {
		st.mac = &mac{}
	}
	if m := st.mac; m.Hash == nil || m.name != name || m.key != key {
		m.name, m.key, m.Hash = name, strings.Clone(key), hmac.New(h, []byte(key))
	} else {
		m.Reset()
	}
	return st.mac.Hash
}

// digest digests a text without a copy of it: hashes only read what they are given.
func (st *state) digest(m hash.Hash, text string) {
	st.work(len(text))
	m.Write(entity.BytesIn(text))
}

// operand is what the filter is applied to, which must be text or bytes.
func (c *Call) operand() string {
	if !c.Recv.isText() {
		c.badType("the operand of "+c.name, "str or bytes", c.Recv)
	}
	return c.Recv.s
}

func (c *Call) coded(s string, code func(dst, src []byte) []byte) Value {
	if !c.st.room(2 * len(s)) {
		return Value{}
	}
	c.st.coded = code(c.st.coded[:0], entity.BytesIn(s))
	return Str(string(c.st.coded))
}

func (c *Call) asBytes(v Value) Value {
	v.k = kBytes
	return v
}

func (c *Call) unbase64(s string) Value {
	if !c.st.room(len(s)) {
		return Value{}
	}
	b, ok := decode64(s)
	if !ok {
		return c.Failf("the text is no base64")
	}
	return Bytes(b)
}

// oneAlphabet makes base64 of any kind that of one alphabet.
var oneAlphabet = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "")

// decode64 takes either alphabet, with or without padding.
func decode64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "-_\n\r ") {
		s = oneAlphabet.Replace(s)
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return b, err == nil
}

func filterBytes(c *Call) Value {
	if c.Recv.k == kBytes {
		return c.Recv
	}
	c.operand()
	if c.st.err != nil {
		return Value{}
	}
	return strEncode(c)
}

// filterDatetime takes nanoseconds since the epoch or ISO 8601 text.
func filterDatetime(c *Call) Value {
	switch v := c.Recv; {
	case v.k == kTime:
		return v
	case v.k == kDate:
		return Time(v.time())
	case v.isSmall() && v.k == kInt:
		return Time(time.Unix(0, v.n).UTC())
	case v.k == kFloat:
		return Time(time.Unix(0, int64(v.float())).UTC())
	case v.k == kStr:
		if t, ok := parseTime(v.s); ok {
			return Time(t)
		}
		return c.Failf("the text is no datetime such as 2025-02-05T11:50:40Z")
	}
	c.badType("the operand of datetime", "an int of nanoseconds or text", c.Recv)
	return Value{}
}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func filterDatetimeFormat(c *Call) Value {
	if c.Recv.k != kTime && c.Recv.k != kDate {
		c.badType("the operand of datetime_format", "a datetime", c.Recv)
		return Value{}
	}
	return c.strftime(c.TextOr(0, "%Y-%m-%dT%H:%M:%SZ"))
}

// unknownSecret is the error a Host may return for a name it does not have.
type unknownSecret struct{ name, near string }

// UnknownSecret returns the error for a secret that is not there, with the
// name among known that was probably meant.
func UnknownSecret(name string, known []string) error {
	return unknownSecret{name, textdist.Nearest(name, known)}
}

func (u unknownSecret) Error() string {
	s := "there is no secret \"" + clip(u.name) + "\""
	if u.near != "" {
		s += ", did you mean \"" + u.near + "\"?"
	}
	return s
}
