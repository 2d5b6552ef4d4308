package entity

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// stringValue reads a string, and what its transit tag says it is.
func (d *decoder) stringValue() Value {
	s, clean := d.str()
	if len(s) > 0 && s[0] == '~' && !d.o.Plain {
		if v, ok := parseTag(d.arena, s); ok {
			d.tagged = true
			return v
		}
	}
	v := textValue(String, s)
	if clean {
		v.flags |= flagClean
	}
	return v
}

// str reads a string whose quote stands at pos. clean tells that it stood
// there as it is, without escapes.
func (d *decoder) str() (s string, clean bool) {
	begin := d.pos + 1
	end, ascii := scanText(d.src, begin)
	if end < len(d.src) && d.src[end] == '"' {
		d.pos = end + 1
		s = d.src[begin:end]
		if !ascii && !d.o.Stored && !utf8.ValidString(s) {
			d.badUTF8(begin, s)
		}
		return s, true
	}
	return d.escaped(begin, end), false
}

// scanText returns where a quote, backslash or control character stands, and
// whether all before it is ASCII. It looks at eight bytes at a time.
func scanText(s string, i int) (end int, ascii bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var high uint64
	for i+8 <= len(s) {
		w := *(*uint64)(unsafe.Pointer(uintptr(unsafe.Pointer(unsafe.StringData(s))) + uintptr(i)))
		quote := w ^ (ones * '"')
		slash := w ^ (ones * '\\')
		stop := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - ones*0x20) &^ w)
		if stop &= highs; stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			high |= w & (1<<(8*n) - 1)
			return i + n, high&highs == 0
		}
		high |= w
		i += 8
	}
	for ; i < len(s); i++ {
		c := s[i]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		high |= uint64(c)
	}
	return i, high&highs == 0
}

// plain tells whether a text is ASCII and needs no escapes. It looks at eight
// octets at a time, at the last ones once more rather than at each of them.
func plain(s string) bool {
	n := len(s)
	if n < 8 {
		return plainShort(s)
	}
	at := unsafe.Pointer(unsafe.StringData(s))
	for i := 0; i < n-8; i += 8 {
		if special(*(*uint64)(unsafe.Add(at, i))) {
			return false
		}
	}
	return !special(*(*uint64)(unsafe.Add(at, n-8)))
}

func plainShort(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' || c < 0x20 || c >= 0x80 {
			return false
		}
	}
	return true
}

// special tells whether one of eight octets is not plain.
func special(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^(ones*'"'), w^(ones*'\\')
	return (w|(quote-ones)|(slash-ones)|(w-ones*0x20))&highs != 0
}

func (d *decoder) badUTF8(begin int, s string) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size <= 1 {
			d.fail(begin+i, "json/utf8", "the text is not UTF-8 here")
			return
		}
		i += size
	}
}

// escaped reads on a string that does not stand as it is, from at.
func (d *decoder) escaped(begin, at int) string {
	b := append(d.arena.Text(d.textSize(at)+at-begin), d.src[begin:at]...)
	from := begin
	for at < len(d.src) {
		switch d.src[at] {
		case '"':
			d.pos = at + 1
			s := d.arena.String(b)
			if !d.o.Stored && !utf8.ValidString(s) {
				d.badUTF8(begin, d.src[begin:at])
			}
			return s
		case '\\':
			r, size := unescape(d.src[at:])
			if size == 0 {
				d.fail(at, "json/escape", "an invalid escape in a string")
				return ""
			}
			b = utf8.AppendRune(b, r)
			at += size
		default:
			d.fail(at, "json/control", "a control character inside a string")
			return ""
		}
		from = at
		at, _ = scanText(d.src, at)
		b = append(b, d.src[from:at]...)
	}
	d.fail(len(d.src), "json/unclosed", "the text ends inside a string")
	return ""
}

// textSize bounds what is left of the string at the given place.
func (d *decoder) textSize(at int) int {
	size := 0
	for i := at; i < len(d.src); {
		end, _ := scanText(d.src, i)
		size += end - i
		if end >= len(d.src) || d.src[end] != '\\' {
			break
		}
		size += 6
		i = end + 2
	}
	return size
}

// unescape reads the escape at the beginning of s; size 0 if it is none.
func unescape(s string) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, ok := hex4(s[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
