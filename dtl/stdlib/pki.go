package stdlib

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func pki() []dtl.Func {
	return []dtl.Func{
		{Name: "encrypt-pki", Args: "PUBLIC_KEY(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Encrypts short strings for the owner of an RSA key in PEM form, as bytes (OAEP with SHA-256).",
			Examples: []dtl.Example{{`["encrypt-pki", "no key", "a"]`, `error: no RSA public key`}},
			Call2: func(c *dtl.Ctx, key, vals value) value {
				k, err := publicKey(dtl.First(key).Text())
				if err != nil {
					c.FailCause("dtl/key", "this is no RSA public key in PEM form", err)
					return null
				}
				return c.Map(vals, func(v value) (value, bool) {
					s, ok := text(v)
					if !ok {
						return null, false
					}
					out, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k, []byte(s), nil)
					if err != nil {
						c.FailCause("dtl/encrypt", "the string is too long for the key", err)
					}
					return entity.NewBytes(out), err == nil
				})
			}},
		{Name: "decrypt-pki", Args: "PRIVATE_KEY(string{1}) VALUES(value-expression{1})", Impure: true,
			Doc:      "Decrypts bytes with an RSA key in PEM form into strings.",
			Examples: []dtl.Example{{`["decrypt-pki", "no key", "a"]`, `error: no RSA private key`}},
			Call2: func(c *dtl.Ctx, key, vals value) value {
				k, err := privateKey(dtl.First(key).Text())
				if err != nil {
					// The cause could show a part of the key.
					c.Fail("dtl/key", "this is no RSA private key in PEM form")
					return null
				}
				return c.Map(vals, func(v value) (value, bool) {
					if v.Kind() != entity.Bytes {
						return null, false
					}
					out, err := rsa.DecryptOAEP(sha256.New(), nil, k, v.Octets(), nil)
					if err != nil {
						c.Fail("dtl/decrypt", "the value cannot be decrypted with this key")
					}
					return entity.NewString(string(out)), err == nil
				})
			}},
	}
}

var errNoKey = errors.New("no PEM block with an RSA key")

func publicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errNoKey
	}
	if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return k, nil
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if k, ok := parsed.(*rsa.PublicKey); ok {
		return k, nil
	}
	return nil, errNoKey
}

func privateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errNoKey
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if k, ok := parsed.(*rsa.PrivateKey); ok {
		return k, nil
	}
	return nil, errNoKey
}
