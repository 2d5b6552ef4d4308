package csvtext

import (
	"io"
	"strings"
	"testing"
)

func TestCharset(t *testing.T) {
	for name, want := range map[string]string{
		"UTF-8": "å€", "utf8": "å€", "utf-8-sig": "\ufeffå€",
		"iso-8859-1": "\xe5\\u20ac", "latin-1": "\xe5\\u20ac", "latin_1": "\xe5\\u20ac", "iso8859_15": "\xe5\xa4",
		"windows-1252": "\xe5\x80", "cp1252": "\xe5\x80", "ascii": "\\xe5\\u20ac", "US-ASCII": "\\xe5\\u20ac",
		"utf-16": "\xff\xfe\xe5\x00\xac\x20", "utf-16-be": "\x00\xe5\x20\xac", "utf-16le": "\xe5\x00\xac\x20",
		"utf-32": "\xff\xfe\x00\x00\xe5\x00\x00\x00\xac\x20\x00\x00", "cp850": "\x86\\u20ac", "mac_roman": "\x8c\xdb",
		"cp437": "\x86\\u20ac", "koi8-r": "\\xe5\\u20ac", "shift_jis": "\\xe5\\u20ac",
	} {
		c, err := ParseCharset(name)
		if err != nil {
			t.Error(err)
			continue
		}
		out, err := c.Append(c.AppendStart(nil), []byte("å€"), Lost("backslashreplace"))
		if err != nil || string(out) != want {
			t.Errorf("%s: %q %v, want %q", name, out, err, want)
		}
		back, err := io.ReadAll(c.Decode(strings.NewReader(string(out))))
		if text := strings.TrimPrefix(string(back), "\ufeff"); err != nil || !strings.Contains(want, `\`) && text != "å€" {
			t.Errorf("%s: read back as %q %v", name, back, err)
		}
	}
	for _, name := range []string{"utf-9", "", "iso-2022-jp", "hz-gb-2312"} {
		if c, err := ParseCharset(name); err == nil {
			t.Errorf("%q is %+v", name, c)
		}
	}
}

func TestLost(t *testing.T) {
	c, err := ParseCharset("ascii")
	if err != nil {
		t.Fatal(err)
	}
	for strategy, want := range map[string]string{"ignore": "ab", "replace": "a??b", "xmlcharrefreplace": "a&#281;&#128512;b", "backslashreplace": `a\u0119\U0001f600b`} {
		if out, err := c.Append(nil, []byte("aę😀b"), Lost(strategy)); err != nil || string(out) != want {
			t.Errorf("%s: %q %v, want %q", strategy, out, err, want)
		}
	}
}

func TestWrong(t *testing.T) {
	utf8, _ := ParseCharset("utf-8")
	ascii, _ := ParseCharset("ascii")
	if utf8.Wrong([]byte("\ufffdå")) || !utf8.Wrong([]byte("\xe5")) {
		t.Error("UTF-8 is judged by its bytes")
	}
	text, err := io.ReadAll(ascii.Decode(strings.NewReader("a\xe5")))
	if err != nil || !ascii.Wrong(text) {
		t.Errorf("%q %v has what ASCII has not", text, err)
	}
}
