package jinja

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

func strEncode(c *Call) Value {
	s := c.Recv.s
	switch enc := c.encoding(); enc {
	case "utf8":
		return Value{k: kBytes, s: s}
	case "ascii", "latin1":
		return c.narrow(s, map[string]rune{"ascii": 0x7f, "latin1": 0xff}[enc])
	}
	return c.Failf("unknown encoding %q: utf-8, ascii and latin-1 are known", c.TextOr(0, ""))
}

func (c *Call) encoding() string {
	e := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(c.TextOr(0, "utf8")))
	switch e {
	case "usascii":
		return "ascii"
	case "iso88591", "l1":
		return "latin1"
	}
	return e
}

func (c *Call) narrow(s string, most rune) Value {
	b := make([]byte, 0, len(s))
	c.st.room(len(s))
	for _, r := range s {
		switch errors := c.TextOr(1, "strict"); {
		case r <= most:
			b = append(b, byte(r))
		case errors == "ignore":
		case errors == "replace":
			b = append(b, '?')
		default:
			return c.Failf("%q cannot be encoded", r)
		}
	}
	return Bytes(b)
}

func bytesDecode(c *Call) Value {
	s, errors := c.Recv.s, c.TextOr(1, "strict")
	c.st.room(2 * len(s))
	enc := c.encoding()
	switch {
	case enc == "latin1":
		var b strings.Builder
		for i := range len(s) {
			b.WriteRune(rune(s[i]))
		}
		return Str(b.String())
	case enc != "utf8" && enc != "ascii":
		return c.Failf("unknown encoding %q: utf-8, ascii and latin-1 are known", c.TextOr(0, ""))
	case enc == "ascii" && isASCII(s) || enc == "utf8" && utf8.ValidString(s):
		return Str(s)
	case errors == "ignore":
		return Str(strings.ToValidUTF8(s, ""))
	case errors == "replace":
		return Str(strings.ToValidUTF8(s, "\ufffd"))
	}
	return c.Failf("the bytes are not valid %s", enc)
}

func bytesHex(c *Call) Value {
	sep := c.TextOr(0, "")
	if !c.st.room(len(c.Recv.s) * (2 + len(sep))) {
		return Value{}
	}
	s := hex.EncodeToString([]byte(c.Recv.s))
	if sep == "" {
		return Str(s)
	}
	pairs := make([]string, 0, len(c.Recv.s))
	for ; s != ""; s = s[2:] {
		pairs = append(pairs, s[:2])
	}
	return Str(strings.Join(pairs, sep))
}

func asciiCase(s string, from, to byte) string {
	b := []byte(s)
	for i, ch := range b {
		if ch >= from && ch <= to {
			b[i] ^= 0x20
		}
	}
	return string(b)
}
