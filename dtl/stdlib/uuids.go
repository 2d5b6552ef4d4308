package stdlib

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func uuids() []dtl.Func {
	return []dtl.Func{
		{Name: "is-uuid", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a UUID.",
			Examples: []dtl.Example{{`["is-uuid", "~u9f598f65-eea5-4906-a8f5-82f6d8e69726"]`, `true`}, {`["is-uuid", ["list", "x"]]`, `false`}, {`["is-uuid", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.UUID })},
		{Name: "uuid", Args: "VALUES(value-expression{0|1})", Impure: true,
			Doc:      "Turns strings into UUIDs; without an argument it makes a random one.",
			Examples: []dtl.Example{{`["uuid", "9F598F65-eea5-4906-a8f5-82f6d8e69726"]`, `"~u9f598f65-eea5-4906-a8f5-82f6d8e69726"`}, {`["uuid", ["list", "x", 1]]`, `[]`}, {`["uuid", null]`, `null`}, {`["is-uuid", ["uuid"]]`, `true`}},
			Build: func(b *dtl.Builder, a dtl.Args) dtl.Eval {
				vals := b.Optional(a.One(0))
				if vals == nil {
					return randomUUID
				}
				return func(c *dtl.Ctx) value { return c.Map(vals.Eval(c), toUUID) }
			}},
	}
}

// randomUUID is a UUID of version 4.
func randomUUID(*dtl.Ctx) value {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	v, _ := uuidOf(hex.EncodeToString(b[:]))
	return v
}

func uuidOf(digits string) (value, bool) {
	return entity.ParseUUID(digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:])
}

// toUUID reads 32 hexadecimal digits, wherever dashes stand between them, also
// in braces or behind urn:uuid:, as Python's UUID does.
func toUUID(v value) (value, bool) {
	if v.Kind() == entity.UUID {
		return v, true
	}
	s, ok := text(v)
	if !ok || len(s) > 64 {
		return null, false
	}
	s = strings.NewReplacer("urn:", "", "uuid:", "").Replace(s)
	if s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", ""); len(s) != 32 {
		return null, false
	}
	return uuidOf(s)
}
