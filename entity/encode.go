package entity

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the wire form of v to dst: JSON with transit tags, members
// in order, no white space. Subtrees nobody touched since they were read are
// copied as they stood.
func AppendJSON(dst []byte, v Value) []byte { return appendJSON(dst, v, true) }

// AppendPlain appends v as ordinary JSON without transit tags: dates as ISO
// text, decimals as numbers, bytes as base64, identifiers as text.
func AppendPlain(dst []byte, v Value) []byte { return appendJSON(dst, v, false) }

// AppendBare appends v as text for people and other formats: as AppendPlain, but
// without quotes around a text and without escapes in it, and nothing for null.
func AppendBare(dst []byte, v Value) []byte {
	switch v.kind {
	case Null:
		return dst
	case String, URI, NI, UUID:
		return append(dst, v.text()...)
	case Date, Datetime:
		return appendTime(dst, v)
	case Bytes:
		return base64.StdEncoding.AppendEncode(dst, v.Octets())
	default:
		return AppendPlain(dst, v)
	}
}

// String returns the wire form.
func (v Value) String() string { return string(AppendJSON(nil, v)) }

func appendJSON(dst []byte, v Value, tags bool) []byte {
	switch v.kind {
	case Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.num == 1)
	case Int:
		if v.flags&flagBig != 0 {
			return append(dst, v.text()...)
		}
		return strconv.AppendInt(dst, int64(v.num), 10)
	case Float:
		return appendFloat(dst, v)
	case String:
		if v.flags&flagClean != 0 {
			return append(append(append(dst, '"'), v.text()...), '"')
		}
		return appendText(dst, v.text())
	case Dict:
		return appendDict(dst, v.Object(), tags)
	case List:
		return appendList(dst, v, tags)
	default:
		return appendTagged(dst, v, tags)
	}
}

// appendFloat keeps a float a float: "1.0", never "1".
func appendFloat(dst []byte, v Value) []byte {
	if v.flags&flagText != 0 {
		return append(dst, v.text()...)
	}
	from := len(dst)
	f := v.Float64()
	if out, ok := appendShort(dst, f); ok {
		return out
	}
	format := byte('f')
	if abs := max(f, -f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	for _, c := range dst[from:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendShort appends a float that has at most six decimals and fifteen digits,
// which takes a fraction of the general search for the shortest text: among
// doubles, decimals that short are all different, so no shorter one is meant.
func appendShort(dst []byte, f float64) ([]byte, bool) {
	const scale, most = 1_000_000, 1_000_000_000_000_000
	m := math.Abs(f) * scale
	if !(m >= 1 && m < most) {
		return dst, false
	}
	n := uint64(m + 0.5)
	if float64(n)/scale != math.Abs(f) {
		return dst, false
	}
	if f < 0 {
		dst = append(dst, '-')
	}
	dst = append(strconv.AppendUint(dst, n/scale, 10), '.')
	digits := n % scale
	for unit := uint64(scale / 10); ; unit /= 10 {
		dst = append(dst, '0'+byte(digits/unit))
		if digits %= unit; digits == 0 {
			return dst, true
		}
	}
}

func appendDict(dst []byte, o *Object, tags bool) []byte {
	if o.raw != "" && (tags || !o.tagged) {
		return append(dst, o.raw...)
	}
	dst = append(dst, '{')
	for i := range o.members {
		m := &o.members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(AppendKey(dst, m.Key), m.Value, tags)
	}
	return append(dst, '}')
}

func appendList(dst []byte, v Value, tags bool) []byte {
	if raw, ok := v.rawList(); ok && (tags || v.flags&flagTagged == 0) {
		return append(dst, raw...)
	}
	dst = append(dst, '[')
	for i, e := range v.Elems() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, e, tags)
	}
	return append(dst, ']')
}

var tagChars = [...]string{Decimal: "~f", Date: "~t", Datetime: "~t", UUID: "~u", NI: "~:", URI: "~r", Bytes: "~b"}

func appendTagged(dst []byte, v Value, tags bool) []byte {
	if v.kind == Decimal && !tags {
		return append(dst, v.text()...)
	}
	dst = append(dst, '"')
	if tags {
		dst = append(dst, tagChars[v.kind]...)
	}
	switch v.kind {
	case Date, Datetime:
		dst = appendTime(dst, v)
	case Bytes:
		dst = base64.StdEncoding.AppendEncode(dst, v.Octets())
	default:
		dst = appendEscaped(dst, v.text())
	}
	return append(dst, '"')
}

func appendText(dst []byte, s string) []byte {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	return append(appendEscaped(append(dst, '"'), s), '"')
}

// AppendKey appends the key of a member and its colon.
func AppendKey(dst []byte, key string) []byte { return append(appendText(dst, key), ':') }

// appendEscaped appends s with the escapes JSON demands and no others. What is
// not UTF-8 becomes U+FFFD, since no reader would take it.
func appendEscaped(dst []byte, s string) []byte {
	for {
		end, ascii := scanText(s, 0)
		if ascii || utf8.ValidString(s[:end]) {
			dst = append(dst, s[:end]...)
		} else {
			dst = appendValid(dst, s[:end])
		}
		if end == len(s) {
			return dst
		}
		dst = appendEscape(dst, s[end])
		s = s[end+1:]
	}
}

func appendValid(dst []byte, s string) []byte {
	for _, r := range s {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}
