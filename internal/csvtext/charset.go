package csvtext

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// Charset is how characters stand as bytes. The zero Charset is UTF-8.
type Charset struct {
	read, write encoding.Encoding // nil is UTF-8
	mark        string            // what a text begins with
}

// ParseCharset finds a character set by its name of IANA or of Python.
func ParseCharset(name string) (Charset, error) {
	key := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
	switch key {
	case "utf-8", "utf8", "u8", "cp65001":
		return Charset{}, nil
	case "utf-8-sig":
		return Charset{mark: "\ufeff"}, nil
	case "utf-16", "utf16", "u16":
		little := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
		return Charset{unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), little, "\ufeff"}, nil
	case "utf-32", "utf32", "u32":
		little := utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
		return Charset{utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), little, "\ufeff"}, nil
	}
	e, err := ianaindex.IANA.Encoding(strings.TrimSpace(name))
	if err != nil {
		e, err = ianaindex.IANA.Encoding(ianaName(key))
	}
	// Those that switch between tables have a state that a row cannot begin in.
	if err != nil || e == nil || strings.HasPrefix(key, "iso-2022") || strings.HasPrefix(key, "hz") {
		return Charset{}, fmt.Errorf("there is no encoding %q; utf-8, utf-16, iso-8859-1 and windows-1252 are some that there are", name)
	}
	return Charset{read: e, write: e}, nil
}

// ianaName translates names that only Python has.
func ianaName(key string) string {
	switch key {
	case "latin-1", "latin", "l1", "iso8859-1", "8859":
		return "iso-8859-1"
	case "ascii", "646":
		return "us-ascii"
	case "mac-roman", "macroman":
		return "macintosh"
	case "utf-16-le":
		return "utf-16le"
	case "utf-16-be":
		return "utf-16be"
	}
	if rest, ok := strings.CutPrefix(key, "iso8859-"); ok {
		return "iso-8859-" + rest
	}
	if rest, ok := strings.CutPrefix(key, "cp125"); ok {
		return "windows-125" + rest
	}
	return key
}

// Unicode tells whether the charset has every character.
func (c Charset) Unicode() bool {
	if c.write == nil {
		return true
	}
	_, err := c.write.NewEncoder().String("\U0010ffff")
	return err == nil
}

// Decode makes UTF-8 of the bytes of r. What cannot be decoded becomes U+FFFD,
// or stays as it is where the bytes are UTF-8 already: see Wrong.
func (c Charset) Decode(r io.Reader) io.Reader {
	if c.read == nil {
		return r
	}
	return transform.NewReader(r, c.read.NewDecoder())
}

// Wrong tells whether a decoded text holds what could not be decoded.
func (c Charset) Wrong(text []byte) bool {
	if c.read == nil {
		return !utf8.Valid(text)
	}
	return bytes.Contains(text, []byte("\ufffd"))
}

// AppendStart appends what a text begins with.
func (c Charset) AppendStart(dst []byte) []byte {
	dst, _ = c.Append(dst, []byte(c.mark), nil) // a mark only stands before Unicode
	return dst
}

// Append appends text, which is UTF-8, as bytes of the charset. lost says what
// takes the place of a character that the charset does not have, in ASCII.
func (c Charset) Append(dst, text []byte, lost func(rune) string) ([]byte, error) {
	if c.write == nil {
		return append(dst, text...), nil
	}
	enc := c.write.NewEncoder()
	if b, err := enc.Bytes(text); err == nil {
		return append(dst, b...), nil
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		b, err := enc.Bytes(text[:n])
		if err != nil {
			b, err = enc.Bytes([]byte(lost(r)))
		}
		if err != nil {
			return dst, err
		}
		dst = append(dst, b...)
		text = text[n:]
	}
	return dst, nil
}

// Lost are the ways to write a character that a charset does not have, by
// their names in configurations.
func Lost(strategy string) func(rune) string {
	switch strategy {
	case "ignore":
		return func(rune) string { return "" }
	case "replace":
		return func(rune) string { return "?" }
	case "xmlcharrefreplace":
		return func(r rune) string { return fmt.Sprintf("&#%d;", r) }
	default:
		return backslash
	}
}

func backslash(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}
