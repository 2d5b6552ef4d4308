package stdlib

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/fernet/fernet-go"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func encryption() []dtl.Func {
	keys := &fernetKeys{}
	return slices.Concat(pgp(), pki(), []dtl.Func{
		dtl.Func{Name: "encrypt", Args: "KEY(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Encrypts each value with a password, as a Fernet token in bytes.",
			Examples: []dtl.Example{{`["is-bytes", ["encrypt", "k", "a"]]`, `true`}, {`["encrypt", "k", null]`, `null`}},
			Call2: func(c *dtl.Ctx, key, vals value) value {
				k := keys.key(c, key)
				return c.Map(vals, func(v value) (value, bool) {
					if k == nil || v.IsNull() {
						return null, !v.IsNull()
					}
					token, err := fernet.EncryptAndSign(plaintext(v), k)
					if err != nil {
						c.FailCause("dtl/encrypt", "the value cannot be encrypted", err)
					}
					return entity.NewBytes(token), true
				})
			}},
		dtl.Func{Name: "decrypt", Args: "KEY(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Decrypts what encrypt has made with the same password.",
			Examples: []dtl.Example{{`["decrypt", "k", ["encrypt", "k", ["list", "a", 1]]]`, `["a",1]`}, {`["decrypt", "k", null]`, `null`}, {`["decrypt", "k", ["bytes", "x"]]`, `error: cannot be decrypted`}},
			Call2: func(c *dtl.Ctx, key, vals value) value {
				k := keys.key(c, key)
				return c.Map(vals, func(v value) (value, bool) {
					token, ok := cipherText(v)
					if k == nil || !ok {
						return null, false
					}
					var message []byte
					if base64.URLEncoding.DecodedLen(len(token)) >= tokenFrame { // the library needs that much
						message = fernet.VerifyAndDecrypt(token, -1, []*fernet.Key{k})
					}
					if message == nil || !utf8.Valid(message) {
						c.Fail("dtl/decrypt", "the value cannot be decrypted with this key")
						return null, false
					}
					return fromPlaintext(message), true
				})
			}}})
}

// tokenFrame is what a token has beside the message: version, time, vector, one
// block of padding and the signature, and up to two bytes that base64 may add.
const tokenFrame = 1 + 8 + 16 + 16 + sha256.Size + 2

// jsonMark begins the plaintext of what is no string: its JSON follows. A
// string that begins so is written as JSON, too.
const jsonMark = "\x00"

func plaintext(v value) []byte {
	if s, ok := text(v); ok && !strings.HasPrefix(s, jsonMark) {
		return []byte(s)
	}
	return entity.AppendJSON([]byte(jsonMark), v)
}

func fromPlaintext(message []byte) value {
	s := string(message)
	if j, ok := strings.CutPrefix(s, jsonMark); ok {
		if v, err := entity.DecodeString(j); err == nil {
			return v
		}
	}
	return entity.NewString(s)
}

// cipherText is what comes encrypted: bytes, or text as other tools write it.
func cipherText(v value) ([]byte, bool) {
	switch v.Kind() {
	case entity.Bytes:
		return v.Octets(), true
	case entity.String:
		return []byte(v.Text()), true
	default:
		return nil, false
	}
}

// fernetKeys keeps the keys made of passwords, which takes long on purpose. It
// knows the passwords by their digests only.
type fernetKeys struct {
	mu   sync.Mutex
	made map[[sha256.Size]byte]*fernet.Key
}

const (
	keyRounds = 100_000
	maxKeys   = 100
)

// key returns the key a password stands for. A password that is a Fernet key
// is taken as it is, so that tokens can be exchanged with other programs.
func (k *fernetKeys) key(c *dtl.Ctx, password value) *fernet.Key {
	s, ok := text(dtl.First(password))
	if !ok || s == "" {
		c.Fail("dtl/key", "the key must be a string that is not empty")
		return nil
	}
	if key, err := fernet.DecodeKey(s); err == nil {
		return key
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	digest := sha256.Sum256([]byte(s))
	if key := k.made[digest]; key != nil {
		return key
	}
	// The salt cannot be random: decrypting needs the same key. It keeps this
	// use of a password apart from others.
	derived, err := pbkdf2.Key(sha256.New, s, []byte("sluice dtl encrypt"), keyRounds, 32)
	if err != nil {
		c.FailCause("dtl/key", "the key cannot be used", err)
		return nil
	}
	if k.made == nil || len(k.made) >= maxKeys {
		k.made = map[[sha256.Size]byte]*fernet.Key{}
	}
	key := new(fernet.Key)
	copy(key[:], derived)
	k.made[digest] = key
	return key
}
