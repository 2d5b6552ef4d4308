package vendorsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// SignatureHeader carries the base64 HMAC-SHA256 of a delivery's body.
const SignatureHeader = "X-Cloverleaf-Signature"

// Event is what a delivery tells: which order, and what happened to it, but
// not what it looks like now.
type Event struct {
	ID   string `json:"_id"`
	Type string `json:"eventType"`
	// Number makes two events about the same order different, which a dataset
	// would take for one. Deliver gives one where it is empty.
	Number string `json:"eventId"`
}

// Sign returns the signature of a body.
func Sign(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Deliver posts an event to a registered address, signed with the secret of
// that webhook, again as often as Options say. It returns the status of the
// last answer; if there was none, the error.
func (v *Vendor) Deliver(ctx context.Context, address string, e Event) (int, error) {
	secret, err := v.number(address, &e)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	head := http.Header{SignatureHeader: {Sign(secret, body)}}
	for attempt := 1; ; attempt++ {
		status, err := Post(ctx, address, body, head)
		passing := err != nil || status >= 500
		if !passing || attempt >= v.o.Attempts || ctx.Err() != nil {
			return status, err
		}
		if v.o.Wait != nil {
			if err := v.o.Wait(ctx, attempt); err != nil {
				return 0, err
			}
		}
	}
}

// number gives an event its number and returns the secret of its receiver.
func (v *Vendor) number(address string, e *Event) (secret string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.IndexFunc(v.mu.webhooks, func(h Webhook) bool { return h.Address == address })
	if i < 0 {
		return "", fmt.Errorf("no webhook is registered for %q", address)
	}
	if e.Number == "" {
		v.mu.events++
		e.Number = fmt.Sprintf("event-%d", v.mu.events)
	}
	return v.mu.webhooks[i].secret, nil
}

// Post posts a body once, with the headers given as they are written, and
// returns the status of the answer.
func Post(ctx context.Context, address string, body []byte, h http.Header) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if h != nil {
		r.Header = h.Clone()
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// Forgery is a way of signing that must not get in.
type Forgery struct {
	Name   string
	Header http.Header
}

// Forgeries returns ways of signing a body without the secret, from what a
// stranger knows: the body, and another body's true signature.
func Forgeries(body []byte, other string) []Forgery {
	own := Sign("a secret of somebody else", body)
	raw, _ := base64.StdEncoding.DecodeString(own)
	with := func(name string, values ...string) Forgery {
		return Forgery{name, http.Header{SignatureHeader: values}}
	}
	return []Forgery{
		{"no signature", nil},
		with("an empty signature", ""),
		with("a signature with another secret", own),
		with("a signature with no secret", Sign("", body)),
		with("the signature of another body", other),
		with("two signatures", own, other),
		with("a signature in hex", hex.EncodeToString(raw)),
		with("half a signature", own[:len(own)/2]),
		with("no base64", "%%%"),
		with("the word None", "None"),
		{"a signature under another name", http.Header{"X-Hub-Signature": {own}}},
	}
}
