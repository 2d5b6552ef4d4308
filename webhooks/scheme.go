// Package webhooks is what every webhook needs, whichever way it goes: proofs
// of who sent it, and that it is not an old one sent again.
package webhooks

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is a request as its signature sees it.
type Message struct {
	// ID names the event; a repeated delivery has the same one.
	ID string
	// Time is when the delivery was signed, to the second.
	Time time.Time
	// Header are the headers as received; Sign does not read them.
	Header http.Header
	// Body is exactly what stands on the wire.
	Body []byte
}

// Keys are the secrets two parties share. The first signs; with the others,
// which it has replaced, messages are still accepted, and signed too where a
// scheme has room for several signatures.
type Keys []string

// Rotation names the secrets of a configuration: the one there is, and the one
// before it, "" if there is none, which lives until a time; zero is for good.
type Rotation struct {
	Secret, Previous string
	Until            time.Time
	// Older are others that still live, the newest first.
	Older []Rotated
}

// Rotated names a secret that was replaced, which lives until a time; zero is
// for good.
type Rotated struct {
	Secret string
	Until  time.Time
}

// Live are the names of the secrets that count, the newest first.
func (r Rotation) Live(now time.Time) []string {
	var live []string
	if r.Secret != "" {
		live = append(live, r.Secret)
	}
	if r.Previous != "" && (r.Until.IsZero() || now.Before(r.Until)) {
		live = append(live, r.Previous)
	}
	for _, o := range r.Older {
		if o.Until.IsZero() || now.Before(o.Until) {
			live = append(live, o.Secret)
		}
	}
	return live
}

// Scheme proves who sent a message. Schemes are immutable.
type Scheme interface {
	// Sign returns the headers that prove a message.
	Sign(m *Message, keys Keys) (http.Header, error)
	// Verify returns nil if the headers of m prove that its sender has one of
	// keys and, where the scheme signs a time, that it was signed within
	// Tolerance of now. Any other outcome is an error, ErrRefused if the proof
	// is at fault. It never tells a secret.
	Verify(m *Message, keys Keys, now time.Time) error
	// ID returns the id by which repeated deliveries of m are known; "" if the
	// scheme has none.
	ID(m *Message) string
}

// Unnamed is the ability of schemes that sign a time and no id: a message that comes
// again as it was is known by what was signed, in which nobody can change anything.
type Unnamed interface {
	// Known is by what it is known. It is asked of messages that are verified.
	Known(m *Message) string
}

// Tolerance is how far from now, before or after, a signed time may lie.
const Tolerance = 5 * time.Minute

// ErrRefused is a message without valid proof.
var ErrRefused = errors.New("the message is not proven")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

// New returns the scheme of a name. header names the header of the scheme
// "header", and is empty for others. An unknown name is an error, so that a
// misspelt one never accepts everything.
func New(name, header string) (Scheme, error) {
	if name == "header" {
		return newPlain(header)
	}
	s, ok := schemes()[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no signature scheme %q; there are %s, and header", name, strings.Join(slices.Sorted(maps.Keys(schemes())), ", "))
	case header != "":
		return nil, fmt.Errorf("the scheme %q has its own headers", name)
	}
	return s, nil
}

func schemes() map[string]Scheme {
	return map[string]Scheme{
		"standard":        standard{},
		"github":          digest{header: "X-Hub-Signature-256", prefix: "sha256=", id: "X-Github-Delivery", sum: sha256Hex},
		"shopify":         digest{header: "X-Shopify-Hmac-Sha256", id: "X-Shopify-Webhook-Id", sum: sha256Base64},
		"etlworks":        digest{header: "X-Etl-Webhook-Signature", id: "X-Etl-Webhook-Event-Id", sum: sha1Hex},
		"etlworks-base64": digest{header: "X-Etl-Webhook-Signature", id: "X-Etl-Webhook-Event-Id", sum: sha1Base64},
		"stripe":          stripe{},
		"slack":           slack{},
		"basic":           basic{},
		"bearer":          plain{header: "Authorization", prefix: "Bearer "},
	}
}

// usable refuses what would accept everybody.
func usable(keys Keys) error {
	if len(keys) == 0 || slices.Contains(keys, "") {
		return errors.New("a signature needs a secret, and none of them may be empty")
	}
	return nil
}

// single returns the header if it stands exactly once: of several it is not
// known which one others have looked at.
func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", refused("the header %s stands %d times", name, len(values))
	}
	return values[0], nil
}

// equal compares without telling by its time where two texts differ.
func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// fresh reads a Unix time and refuses one too far from now.
func fresh(seconds string, now time.Time) error {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != seconds {
		return refused("its time is no whole number of seconds")
	}
	if d := now.Sub(time.Unix(n, 0)); d > Tolerance || d < -Tolerance {
		return refused("its time is more than %s from now", Tolerance)
	}
	return nil
}
