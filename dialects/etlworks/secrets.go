package etlworks

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/sluiceio/sluice/dialects"
	"github.com/sluiceio/sluice/store"
)

// AdminSecret is the node's secret that signs the tokens of the API, and that
// seals the secrets of webhooks in the store. PreviousSecret is the one before
// it: its tokens count still, and what it sealed can be read.
const (
	AdminSecret    = "etlworks_admin"
	PreviousSecret = "etlworks_admin_previous"
)

// shortest is how many bytes the secret must have: those of the hash.
const shortest = 32

// keys are the node's secrets of this dialect, the newest first.
func keys(find dialects.FindSecret) []string {
	var all []string
	for _, name := range []string{AdminSecret, PreviousSecret} {
		if v, ok := find(name); ok && len(v) >= shortest {
			all = append(all, v)
		} else if name == AdminSecret {
			return nil // without the first one there is none
		}
	}
	return all
}

var errNoKey = errors.New("the node's secret " + AdminSecret + " is not set")

// sealer makes the cipher of a key.
func sealer(key string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, []byte(key), nil, "sluice etlworks webhook secrets", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal returns the state that keeps a secret under a name.
func seal(keys []string, name, secret string) (store.StateWrite, error) {
	if len(keys) == 0 {
		return store.StateWrite{}, errNoKey
	}
	c, err := sealer(keys[0])
	if err != nil {
		return store.StateWrite{}, err
	}
	nonce := make([]byte, c.NonceSize())
	rand.Read(nonce) // it never fails
	return store.StateWrite{Key: secretPrefix + name, Value: c.Seal(nonce, nonce, []byte(secret), []byte(name)), IfRev: store.AnyRev}, nil
}

// unseal reads what seal has written.
func unseal(keys []string, name string, sealed []byte) (string, bool) {
	for _, key := range keys {
		c, err := sealer(key)
		if err != nil || len(sealed) < c.NonceSize() {
			return "", false
		}
		n := c.NonceSize()
		if text, err := c.Open(nil, sealed[:n], sealed[n:], []byte(name)); err == nil {
			return string(text), true
		}
	}
	return "", false
}

// findSecrets finds the secrets of webhooks in the store.
func findSecrets(ctx context.Context, st store.Store, known dialects.FindSecret) dialects.FindSecret {
	return func(name string) (string, bool) {
		short, ok := strings.CutPrefix(name, secretPrefix)
		if !ok {
			return "", false
		}
		sealed, _, err := st.State(ctx, name)
		if err != nil || sealed == nil {
			return "", false
		}
		return unseal(keys(known), short, sealed)
	}
}
