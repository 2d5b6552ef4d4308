package webhooks

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// standard is Standard Webhooks 1.0: id, time and body are signed, with HMAC
// (v1, secrets that begin with whsec_) or Ed25519 (v1a, whsk_ to sign and
// whpk_ to verify).
type standard struct{}

// Headers of Standard Webhooks.
const (
	standardID        = "Webhook-Id"
	standardTime      = "Webhook-Timestamp"
	standardSignature = "Webhook-Signature"
)

// standardKey is one secret, read.
type standardKey struct {
	secret  []byte
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

var errStandardKey = errors.New("a secret of this scheme begins with whsec_, whsk_ or whpk_ and goes on in base64")

// readStandardKey reads a secret; its error does not show it.
func readStandardKey(s string) (k standardKey, err error) {
	kind, text, _ := strings.Cut(s, "_")
	b, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil || len(b) == 0:
		return k, errStandardKey
	case kind == "whsec":
		k.secret = b
	case kind == "whsk" && (len(b) == ed25519.SeedSize || len(b) == ed25519.PrivateKeySize):
		k.private = ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])
		k.public, _ = k.private.Public().(ed25519.PublicKey)
	case kind == "whpk" && len(b) == ed25519.PublicKeySize:
		k.public = b
	default:
		return k, errStandardKey
	}
	return k, nil
}

func readStandardKeys(keys Keys) ([]standardKey, error) {
	if err := usable(keys); err != nil {
		return nil, err
	}
	read := make([]standardKey, len(keys))
	for i, s := range keys {
		var err error
		if read[i], err = readStandardKey(s); err != nil {
			return nil, err
		}
	}
	return read, nil
}

// content is what is signed.
func content(id, t string, body []byte) []byte {
	return append([]byte(id+"."+t+"."), body...)
}

func (k standardKey) mac(content []byte) string {
	return base64.StdEncoding.EncodeToString(mac(sha256.New, k.secret, content))
}

// Sign implements Scheme. Every secret signs, so that a receiver may be told
// the new one at leisure.
func (standard) Sign(m *Message, keys Keys) (http.Header, error) {
	read, err := readStandardKeys(keys)
	if err != nil {
		return nil, err
	}
	if m.ID == "" || strings.ContainsAny(m.ID, ".\r\n") {
		return nil, errors.New("the id of a message is some text without dots and line ends")
	}
	t := strconv.FormatInt(m.Time.Unix(), 10)
	signed := content(m.ID, t, m.Body)
	var sigs []string
	for _, k := range read {
		switch {
		case k.secret != nil:
			sigs = append(sigs, "v1,"+k.mac(signed))
		case k.private != nil:
			sigs = append(sigs, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, signed)))
		default:
			return nil, errors.New("a public key (whpk_) cannot sign")
		}
	}
	return http.Header{standardID: {m.ID}, standardTime: {t}, standardSignature: {strings.Join(sigs, " ")}}, nil
}

// Verify implements Scheme.
func (standard) Verify(m *Message, keys Keys, now time.Time) error {
	read, err := readStandardKeys(keys)
	if err != nil {
		return err
	}
	var h [3]string
	for i, name := range [...]string{standardID, standardTime, standardSignature} {
		if h[i], err = single(m.Header, name); err != nil {
			return err
		}
	}
	if strings.Contains(h[0], ".") {
		return refused("its id has a dot")
	}
	if err := fresh(h[1], now); err != nil {
		return err
	}
	signed := content(h[0], h[1], m.Body)
	sigs := strings.Fields(h[2])
	for _, s := range sigs[:min(len(sigs), most)] {
		version, sig, _ := strings.Cut(s, ",")
		for _, k := range read {
			if k.made(version, sig, signed) {
				return nil
			}
		}
	}
	return refused("none of its %d signatures fits the body and any secret", len(sigs))
}

// made tells whether a signature of a version is the key's.
func (k standardKey) made(version, sig string, signed []byte) bool {
	switch {
	case version == "v1" && k.secret != nil:
		return equal(sig, k.mac(signed))
	case version == "v1a" && k.public != nil:
		b, err := base64.StdEncoding.DecodeString(sig)
		return err == nil && ed25519.Verify(k.public, signed, b)
	}
	return false
}

// ID implements Scheme.
func (standard) ID(m *Message) string { return m.Header.Get(standardID) }
