package stdlib

import (
	"errors"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// maxMessage bounds a decrypted message: packed data can unfold to any size.
const maxMessage = 100 << 20

func pgp() []dtl.Func {
	return []dtl.Func{
		{Name: "encrypt-pgp", Args: "PUBLIC_KEY(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Encrypts strings for the owner of a PGP key, as armoured messages.",
			Examples: []dtl.Example{{`["encrypt-pgp", "no key", "a"]`, `error: no PGP public key`}},
			Call2: func(c *dtl.Ctx, key, vals value) value {
				ring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(dtl.First(key).Text()))
				if err != nil {
					c.FailCause("dtl/key", "this is no PGP public key", err)
					return null
				}
				return c.Map(vals, func(v value) (value, bool) {
					s, ok := text(v)
					if !ok {
						return null, false
					}
					out, err := sealed(s, ring)
					if err != nil {
						c.FailCause("dtl/encrypt", "the string cannot be encrypted for this key", err)
					}
					return entity.NewString(out), err == nil
				})
			}},
		{Name: "decrypt-pgp", Args: "PRIVATE_KEY(string{1}) PASSPHRASE(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Decrypts armoured PGP messages with a private key and its passphrase.",
			Examples: []dtl.Example{{`["decrypt-pgp", "no key", "x", "a"]`, `error: no PGP private key`}},
			Call: func(c *dtl.Ctx, a []value) value {
				ring, err := unlocked(dtl.First(a[0]).Text(), dtl.First(a[1]).Text())
				if err != nil {
					c.Fail("dtl/key", "this is no PGP private key that the passphrase opens")
					return null
				}
				return c.Map(a[2], func(v value) (value, bool) {
					s, ok := text(v)
					if !ok {
						return null, false
					}
					out, err := opened(s, ring)
					if err != nil {
						c.Fail("dtl/decrypt", "the value is no PGP message for this key")
					}
					return entity.NewString(out), err == nil
				})
			}},
	}
}

func sealed(s string, to openpgp.EntityList) (string, error) {
	var b strings.Builder
	outer, err := armor.Encode(&b, "PGP MESSAGE", nil)
	if err != nil {
		return "", err
	}
	inner, err := openpgp.Encrypt(outer, to, nil, nil, nil)
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(inner, s)
	err = errors.Join(err, inner.Close(), outer.Close())
	return b.String(), err // whole only now
}

func unlocked(key, passphrase string) (openpgp.EntityList, error) {
	ring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(key))
	if err != nil {
		return nil, err
	}
	for _, e := range ring {
		if e.PrivateKey == nil {
			return nil, errNoKey
		}
		if err := e.DecryptPrivateKeys([]byte(passphrase)); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

func opened(message string, ring openpgp.EntityList) (string, error) {
	block, err := armor.Decode(strings.NewReader(message))
	if err != nil {
		return "", err
	}
	md, err := openpgp.ReadMessage(block.Body, ring, nil, nil)
	if err != nil {
		return "", err
	}
	out, err := io.ReadAll(io.LimitReader(md.UnverifiedBody, maxMessage+1))
	if err == nil && len(out) > maxMessage {
		err = errors.New("the message is too long")
	}
	return string(out), err
}
