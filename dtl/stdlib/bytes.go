package stdlib

import (
	"encoding/base64"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func octets() []dtl.Func {
	return []dtl.Func{
		{Name: "bytes", Args: "VALUES(value-expression{1})",
			Doc:      "Turns strings into the bytes of their UTF-8.",
			Examples: []dtl.Example{{`["bytes", "abc"]`, `"~bYWJj"`}, {`["bytes", ["list", "å", 1]]`, `["~bw6U="]`}, {`["bytes", null]`, `null`}},
			Call1: mapped(func(c *dtl.Ctx, v value) (value, bool) {
				s, ok := text(v)
				return entity.NewBytes([]byte(s)), ok && c.TextRoom(len(s))
			})},
		{Name: "is-bytes", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is bytes.",
			Examples: []dtl.Example{{`["is-bytes", "~bYWJj"]`, `true`}, {`["is-bytes", ["list", "a"]]`, `false`}, {`["is-bytes", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.Bytes })},
		{Name: "base64-encode", Args: "VALUES(value-expression{1})",
			Doc:      "Writes bytes as base64 text.",
			Examples: []dtl.Example{{`["base64-encode", "~bYWJj"]`, `"YWJj"`}, {`["base64-encode", ["list", "abc"]]`, `[]`}, {`["base64-encode", null]`, `null`}},
			Call1: mapped(func(c *dtl.Ctx, v value) (value, bool) {
				if v.Kind() != entity.Bytes || !c.TextRoom(base64.StdEncoding.EncodedLen(len(v.Octets()))) {
					return null, false
				}
				return entity.NewString(base64.StdEncoding.EncodeToString(v.Octets())), true
			})},
		{Name: "base64-decode", Args: "VALUES(value-expression{1})",
			Doc:      "Reads base64 texts as bytes; what is none is dropped.",
			Examples: []dtl.Example{{`["base64-decode", "YWJj"]`, `"~bYWJj"`}, {`["base64-decode", ["list", "%", 1]]`, `[]`}, {`["base64-decode", null]`, `null`}},
			Call1: mapped(func(_ *dtl.Ctx, v value) (value, bool) {
				s, ok := text(v)
				b, err := base64.StdEncoding.DecodeString(s)
				return entity.NewBytes(b), ok && err == nil
			})},
	}
}

// mapped makes a function of one value map over lists, where it drops what f
// does not take.
func mapped(f func(*dtl.Ctx, value) (value, bool)) func(*dtl.Ctx, value) value {
	return func(c *dtl.Ctx, v value) value {
		return c.Map(v, func(v value) (value, bool) { return f(c, v) })
	}
}
