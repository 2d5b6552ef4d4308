package jsrun

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/dop251/goja"
)

// natives are the functions that prelude.js is made of. Each gets a call and
// returns a value, or an error that the script can catch.
func (v *vm) natives() map[string]func(c goja.FunctionCall) (goja.Value, error) {
	js := v.js
	return map[string]func(c goja.FunctionCall) (goja.Value, error){
		"encode": func(c goja.FunctionCall) (goja.Value, error) {
			b, err := encode(c.Argument(0).String(), c.Argument(1).String())
			return buffer(js, b), err
		},
		"decode": func(c goja.FunctionCall) (goja.Value, error) {
			return decode(js, octets(c.Argument(0)), c.Argument(1).String())
		},
		"isEncoding": func(c goja.FunctionCall) (goja.Value, error) {
			_, err := encode("", c.Argument(0).String())
			return js.ToValue(err == nil), nil
		},
		"compare": func(c goja.FunctionCall) (goja.Value, error) {
			return js.ToValue(bytes.Compare(octets(c.Argument(0)), octets(c.Argument(1)))), nil
		},
		"same": func(c goja.FunctionCall) (goja.Value, error) {
			return js.ToValue(subtle.ConstantTimeCompare(octets(c.Argument(0)), octets(c.Argument(1))) == 1), nil
		},
		"hash": func(c goja.FunctionCall) (goja.Value, error) {
			h, err := hashNamed(c.Argument(0).String())
			if err != nil {
				return nil, err
			}
			sum := h()
			sum.Write(octets(c.Argument(1)))
			return buffer(js, sum.Sum(nil)), nil
		},
		"hmac": func(c goja.FunctionCall) (goja.Value, error) {
			h, err := hashNamed(c.Argument(0).String())
			if err != nil {
				return nil, err
			}
			mac := hmac.New(h, octets(c.Argument(1)))
			mac.Write(octets(c.Argument(2)))
			return buffer(js, mac.Sum(nil)), nil
		},
		"hashes": func(goja.FunctionCall) (goja.Value, error) {
			return js.ToValue([]any{"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}), nil
		},
		"random": func(c goja.FunctionCall) (goja.Value, error) { return random(js, c.Argument(0).ToInteger()) },
		"form": func(c goja.FunctionCall) (goja.Value, error) {
			return js.ToValue(formText(c.Argument(0).String())), nil
		},
		"unform": func(c goja.FunctionCall) (goja.Value, error) {
			return js.ToValue(unformText(c.Argument(0).String())), nil
		},
		"url":    func(c goja.FunctionCall) (goja.Value, error) { return parseURL(js, c), nil },
		"setURL": func(c goja.FunctionCall) (goja.Value, error) { return changeURL(js, c), nil },
		"log":    func(c goja.FunctionCall) (goja.Value, error) { v.log(c); return goja.Undefined(), nil },
		"ask":    func(c goja.FunctionCall) (goja.Value, error) { return v.ask(c.Argument(0).String()) },
	}
}

// native makes a function of the runtime: an error becomes an exception.
func (v *vm) native(f func(c goja.FunctionCall) (goja.Value, error)) func(c goja.FunctionCall) goja.Value {
	return func(c goja.FunctionCall) goja.Value {
		out, err := f(c)
		if err != nil {
			// The engine's way of throwing from Go is to panic with a value.
			panic(v.js.NewTypeError(err.Error()))
		}
		return out
	}
}

func buffer(js *goja.Runtime, b []byte) goja.Value { return js.ToValue(js.NewArrayBuffer(b)) }

// octets are the bytes of an ArrayBuffer; prelude.js hands over nothing else.
func octets(v goja.Value) []byte {
	if b, ok := v.Export().(goja.ArrayBuffer); ok {
		return b.Bytes()
	}
	return nil
}

func hashNamed(name string) (func() hash.Hash, error) {
	switch strings.ReplaceAll(strings.ToLower(name), "-", "") {
	case "md5":
		return md5.New, nil
	case "sha1":
		return sha1.New, nil
	case "sha224":
		return sha256.New224, nil
	case "sha256":
		return sha256.New, nil
	case "sha384":
		return sha512.New384, nil
	case "sha512":
		return sha512.New, nil
	default:
		return nil, fmt.Errorf("there is no digest %q", name)
	}
}

func random(js *goja.Runtime, n int64) (goja.Value, error) {
	const most = 64 << 10
	if n < 0 || n > most {
		return nil, fmt.Errorf("randomBytes gives 0 to %d bytes", most)
	}
	b := make([]byte, n)
	rand.Read(b)
	return buffer(js, b), nil
}

// encode makes bytes of a text.
func encode(s, encoding string) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "utf8", "utf-8":
		return []byte(s), nil
	case "hex":
		return hexPrefix(s), nil
	case "base64", "base64url":
		return looseBase64(s), nil
	case "latin1", "binary", "ascii", "latin1-strict":
		var out []byte
		for _, u := range utf16.Encode([]rune(s)) {
			if u > 255 && encoding == "latin1-strict" {
				return nil, fmt.Errorf("the text has characters beyond Latin 1")
			}
			out = append(out, byte(u))
		}
		return out, nil
	case "utf16le", "ucs2", "utf-16le", "ucs-2":
		var out []byte
		for _, u := range utf16.Encode([]rune(s)) {
			out = append(out, byte(u), byte(u>>8))
		}
		return out, nil
	default:
		return nil, fmt.Errorf("there is no encoding %q", encoding)
	}
}

// hexPrefix reads as many digits as there are in front.
func hexPrefix(s string) []byte {
	for i := range len(s) &^ 1 {
		if !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
			s = s[:i]
			break
		}
	}
	b, _ := hex.DecodeString(s[:len(s)&^1])
	return b
}

// looseBase64 reads both alphabets, with padding or without, and passes over
// everything else, as Node does.
func looseBase64(s string) []byte {
	kept := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		switch {
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		case c == '=':
			b, _ := base64.RawStdEncoding.DecodeString(string(kept[:len(kept)-cut(len(kept))]))
			return b
		case (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '+' && c != '/':
			continue
		}
		kept = append(kept, c)
	}
	b, _ := base64.RawStdEncoding.DecodeString(string(kept[:len(kept)-cut(len(kept))]))
	return b
}

// cut is 1 if the last digit of so many stands alone and means nothing.
func cut(n int) int {
	if n%4 == 1 {
		return 1
	}
	return 0
}

// decode makes a text of bytes.
func decode(js *goja.Runtime, b []byte, encoding string) (goja.Value, error) {
	switch strings.ToLower(encoding) {
	case "utf8", "utf-8":
		return js.ToValue(strings.ToValidUTF8(string(b), "\uFFFD")), nil
	case "hex":
		return js.ToValue(hex.EncodeToString(b)), nil
	case "base64":
		return js.ToValue(base64.StdEncoding.EncodeToString(b)), nil
	case "base64url":
		return js.ToValue(base64.RawURLEncoding.EncodeToString(b)), nil
	case "latin1", "binary", "ascii":
		units := make([]uint16, len(b))
		for i, c := range b {
			if units[i] = uint16(c); encoding == "ascii" {
				units[i] &= 0x7f
			}
		}
		return goja.StringFromUTF16(units), nil
	case "utf16le", "ucs2", "utf-16le", "ucs-2":
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return goja.StringFromUTF16(units), nil
	default:
		return nil, fmt.Errorf("there is no encoding %q", encoding)
	}
}

// formText writes a text as the value of a form.
func formText(s string) string {
	return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(s))
}

// unformText reads the value of a form; what is no escape stays as it is.
func unformText(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return strings.ToValidUTF8(out, "\uFFFD")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s) && len(hexPrefix(s[i+1:i+3])) == 1:
			b.WriteByte(hexPrefix(s[i+1 : i+3])[0])
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}
