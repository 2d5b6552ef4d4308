package stdlib

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func uris() []dtl.Func {
	return []dtl.Func{
		{Name: "is-uri", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a URI.",
			Examples: []dtl.Example{{`["is-uri", "~rhttp://a"]`, `true`}, {`["is-uri", ["list", "a"]]`, `false`}, {`["is-uri", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.URI })},
		{Name: "uri", Args: "VALUES(value-expression{1})",
			Doc:      "Turns strings into URIs.",
			Examples: []dtl.Example{{`["uri", "http://a"]`, `"~rhttp://a"`}, {`["uri", ["list", 1, "x"]]`, `["~rx"]`}, {`["uri", null]`, `null`}},
			Call1: mapped(func(_ *dtl.Ctx, v value) (value, bool) {
				s, ok := text(v)
				return entity.NewURI(s), ok
			})},
		{Name: "url-quote", Args: "SAFE_CHARS(string{0|1}) VALUES(value-expression{1})",
			Doc:      "Escapes strings for a URL: all but letters, digits, the characters _.-~ and SAFE_CHARS.",
			Examples: []dtl.Example{{`["url-quote", "/foo bar"]`, `"%2Ffoo%20bar"`}, {`["url-quote", "/", ["list", "/å", 1]]`, `["/%C3%A5"]`}, {`["url-quote", null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				safe, _ := text(dtl.First(a[0]))
				return c.Map(a[1], func(v value) (value, bool) {
					s, ok := text(v)
					return quoteURL(c, s, safe), ok
				})
			}},
		{Name: "url-unquote", Args: "VALUES(value-expression{1})",
			Doc:      "Takes the escapes of a URL off strings.",
			Examples: []dtl.Example{{`["url-unquote", "a%20b"]`, `"a b"`}, {`["url-unquote", ["list", "%C3%A5", "100%", 1]]`, `["å","100%"]`}, {`["url-unquote", null]`, `null`}},
			Call1: mapped(func(_ *dtl.Ctx, v value) (value, bool) {
				s, ok := text(v)
				return entity.NewString(unquoteURL(s)), ok
			})},
	}
}

func quoteURL(c *dtl.Ctx, s, safe string) value {
	const digits = "0123456789ABCDEF"
	if !c.TextRoom(3 * len(s)) {
		return null
	}
	out := c.Arena().Text(3 * len(s))
	for i := range len(s) {
		switch b := s[i]; {
		case b|0x20 >= 'a' && b|0x20 <= 'z', b >= '0' && b <= '9', strings.IndexByte("_.-~", b) >= 0,
			b < utf8.RuneSelf && strings.IndexByte(safe, b) >= 0:
			out = append(out, b)
		default:
			out = append(out, '%', digits[b>>4], digits[b&15])
		}
	}
	return entity.NewString(c.Arena().String(out))
}

// unquoteURL leaves a percent sign without two digits as it is, and writes
// U+FFFD for what is not UTF-8, as Python does.
func unquoteURL(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return strings.ToValidUTF8(u, "\uFFFD")
	}
	var b strings.Builder
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			at = len(s)
		}
		b.WriteString(s[:at])
		s = s[at:]
		n := min(3, len(s))
		u, err := url.PathUnescape(s[:n])
		if err != nil {
			u, n = "%", 1
		}
		b.WriteString(u)
		s = s[n:]
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}
