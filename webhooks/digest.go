package webhooks

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sum signs bytes with a key and writes the result as a header has it.
type sum func(key string, signed ...[]byte) string

func sha256Hex(key string, signed ...[]byte) string {
	return hex.EncodeToString(mac(sha256.New, []byte(key), signed...))
}

func sha256Base64(key string, signed ...[]byte) string {
	return base64.StdEncoding.EncodeToString(mac(sha256.New, []byte(key), signed...))
}

func sha1Hex(key string, signed ...[]byte) string {
	return hex.EncodeToString(mac(sha1.New, []byte(key), signed...))
}

func sha1Base64(key string, signed ...[]byte) string {
	return base64.StdEncoding.EncodeToString(mac(sha1.New, []byte(key), signed...))
}

func mac(h func() hash.Hash, key []byte, signed ...[]byte) []byte {
	m := hmac.New(h, key)
	for _, part := range signed {
		m.Write(part)
	}
	return m.Sum(nil)
}

// digest is one header with the HMAC of the body, and nothing against old
// messages that are sent again but the id.
type digest struct {
	header, prefix, id string
	sum                sum
}

// Sign implements Scheme.
func (d digest) Sign(m *Message, keys Keys) (http.Header, error) {
	if err := usable(keys); err != nil {
		return nil, err
	}
	h := http.Header{d.header: {d.prefix + d.sum(keys[0], m.Body)}}
	if m.ID != "" {
		h.Set(d.id, m.ID)
	}
	return h, nil
}

// Verify implements Scheme.
func (d digest) Verify(m *Message, keys Keys, _ time.Time) error {
	if err := usable(keys); err != nil {
		return err
	}
	given, err := single(m.Header, d.header)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if equal(given, d.prefix+d.sum(k, m.Body)) {
			return nil
		}
	}
	return refused("%s does not fit the body and any secret", d.header)
}

// ID implements Scheme.
func (d digest) ID(m *Message) string { return m.Header.Get(d.id) }

// stripe signs time and body; its header holds the time and a signature for
// each live secret.
type stripe struct{}

const stripeHeader = "Stripe-Signature"

// Sign implements Scheme.
func (stripe) Sign(m *Message, keys Keys) (http.Header, error) {
	if err := usable(keys); err != nil {
		return nil, err
	}
	t := strconv.FormatInt(m.Time.Unix(), 10)
	value := "t=" + t
	for _, k := range keys {
		value += ",v1=" + sha256Hex(k, []byte(t+"."), m.Body)
	}
	return http.Header{stripeHeader: {value}}, nil
}

// Verify implements Scheme.
func (stripe) Verify(m *Message, keys Keys, now time.Time) error {
	if err := usable(keys); err != nil {
		return err
	}
	given, err := single(m.Header, stripeHeader)
	if err != nil {
		return err
	}
	t, sigs, err := readStripe(given)
	if err != nil {
		return err
	}
	if err := fresh(t, now); err != nil {
		return err
	}
	return anyOf(sigs, keys, func(k string) string { return sha256Hex(k, []byte(t+"."), m.Body) })
}

// readStripe takes a header apart: its time, and its signatures.
func readStripe(given string) (t string, sigs []string, err error) {
	for part := range strings.SplitSeq(given, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); {
		case name == "t" && t != "":
			return "", nil, refused("%s has two times", stripeHeader)
		case name == "t":
			t = value
		case name == "v1":
			sigs = append(sigs, value)
		}
	}
	return t, sigs, nil
}

// ID implements Scheme: it stands in the body.
func (stripe) ID(*Message) string { return "" }

// Known implements Unnamed.
func (stripe) Known(m *Message) string {
	t, _, _ := readStripe(m.Header.Get(stripeHeader)) // it was verified
	return signedAt(t, m.Body)
}

// signedAt names a body by the time at which it was signed.
func signedAt(t string, body []byte) string { return "signed:" + sha256Hex("", []byte(t+"."), body) }

// most is how many signatures of one message are looked at.
const most = 20

// anyOf tells whether one of the signatures is what one of the keys makes.
func anyOf(sigs []string, keys Keys, sign func(key string) string) error {
	for _, k := range keys {
		want := sign(k)
		for _, s := range sigs[:min(len(sigs), most)] {
			if equal(s, want) {
				return nil
			}
		}
	}
	return refused("none of its %d signatures fits the body and any secret", len(sigs))
}

// slack signs a version, the time and the body.
type slack struct{}

const slackHeader, slackTime = "X-Slack-Signature", "X-Slack-Request-Timestamp"

func slackSum(key, t string, body []byte) string {
	return "v0=" + sha256Hex(key, []byte("v0:"+t+":"), body)
}

// Sign implements Scheme.
func (slack) Sign(m *Message, keys Keys) (http.Header, error) {
	if err := usable(keys); err != nil {
		return nil, err
	}
	t := strconv.FormatInt(m.Time.Unix(), 10)
	return http.Header{slackTime: {t}, slackHeader: {slackSum(keys[0], t, m.Body)}}, nil
}

// Verify implements Scheme.
func (slack) Verify(m *Message, keys Keys, now time.Time) error {
	if err := usable(keys); err != nil {
		return err
	}
	given, err := single(m.Header, slackHeader)
	if err != nil {
		return err
	}
	t, err := single(m.Header, slackTime)
	if err != nil {
		return err
	}
	if err := fresh(t, now); err != nil {
		return err
	}
	return anyOf([]string{given}, keys, func(k string) string { return slackSum(k, t, m.Body) })
}

// ID implements Scheme: it stands in the body.
func (slack) ID(*Message) string { return "" }

// Known implements Unnamed.
func (slack) Known(m *Message) string { return signedAt(m.Header.Get(slackTime), m.Body) }
