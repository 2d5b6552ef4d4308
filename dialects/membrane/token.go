package membrane

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"math/big"
	"time"

	"github.com/sluiceio/sluice/store"
)

const (
	// graceUnlessTold is how long a token counts after another took its place;
	// longestGrace is how long it may.
	graceUnlessTold = 24 * time.Hour
	longestGrace    = 7 * 24 * time.Hour
	// mostTokens is how many old ones count at most.
	mostTokens = 10
)

// tokens are what stands at the end of a webhook's address: who knows one may
// send.
type tokens struct {
	Token   string     `json:"token"`
	Created time.Time  `json:"created"`
	Old     []oldToken `json:"old,omitempty"`
	rev     uint64
}

type oldToken struct {
	Token string    `json:"token"`
	Until time.Time `json:"until"`
}

func tokenKey(integration, key string) string { return "membrane/webhook/" + integration + "/" + key }

// newToken is 128 random bits in base 62.
func newToken() (string, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return "", err
	}
	text := n.Text(62)
	for len(text) < 22 {
		text = "0" + text
	}
	return text, nil
}

func loadTokens(ctx context.Context, st store.Store, integration, key string) (*tokens, error) {
	data, rev, err := st.State(ctx, tokenKey(integration, key))
	if err != nil || data == nil {
		return nil, err
	}
	t := &tokens{rev: rev}
	return t, json.Unmarshal(data, t)
}

func (t *tokens) save(ctx context.Context, st store.Store, integration, key string) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	p, err := st.Append(ctx, &store.Batch{State: []store.StateWrite{{Key: tokenKey(integration, key), Value: data, IfRev: t.rev}}})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

// ensureTokens returns a webhook's tokens, and makes the first one.
func ensureTokens(ctx context.Context, st store.Store, integration, key string, now time.Time) (*tokens, error) {
	t, err := loadTokens(ctx, st, integration, key)
	if err != nil || t != nil {
		return t, err
	}
	t = &tokens{Created: now}
	if t.Token, err = newToken(); err != nil {
		return nil, err
	}
	return t, t.save(ctx, st, integration, key)
}

// rotate puts another token in the place of the one that counts.
func rotate(ctx context.Context, st store.Store, integration, key string, now time.Time, grace time.Duration) (*tokens, error) {
	if _, err := ensureTokens(ctx, st, integration, key, now); err != nil {
		return nil, err
	}
	t, err := loadTokens(ctx, st, integration, key)
	if err != nil {
		return nil, err
	}
	live := []oldToken{{t.Token, now.Add(grace)}}
	for _, o := range t.Old {
		if now.Before(o.Until) && len(live) < mostTokens {
			live = append(live, o)
		}
	}
	if grace == 0 {
		live = nil
	}
	t.Old, t.Created = live, now
	if t.Token, err = newToken(); err != nil {
		return nil, err
	}
	return t, t.save(ctx, st, integration, key)
}

// accepts tells whether a token counts, in a time that does not tell how much of
// it is right.
func (t *tokens) accepts(token string, now time.Time) bool {
	if t == nil {
		subtle.ConstantTimeCompare([]byte(token), make([]byte, 22))
		return false
	}
	ok := subtle.ConstantTimeCompare([]byte(t.Token), []byte(token))
	for _, o := range t.Old {
		if now.Before(o.Until) {
			ok |= subtle.ConstantTimeCompare([]byte(o.Token), []byte(token))
		}
	}
	return ok == 1
}
