package stdlib

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func jsons() []dtl.Func {
	write := func(name, doc string, examples []dtl.Example, scalar func([]byte, value) []byte) dtl.Func {
		return dtl.Func{Name: name, Args: "VALUES(value-expression{1})", Doc: doc, Examples: examples,
			Call1: mapped(func(c *dtl.Ctx, v value) (value, bool) {
				out := appendSpaced(c.Arena().Text(0), v, scalar)
				return entity.NewString(c.Arena().String(out)), c.TextRoom(len(out))
			})}
	}
	read := func(name, doc string, examples []dtl.Example, o entity.DecodeOptions) dtl.Func {
		return dtl.Func{Name: name, Args: "DEFAULT(default-value-expression{0|1}) VALUES(value-expression{1})", Doc: doc, Examples: examples,
			Build: cast(func(c *dtl.Ctx, v value) (value, bool) {
				s, ok := text(v)
				if !ok {
					return null, false
				}
				parsed, err := entity.DecodeText(c.Arena(), s, o)
				return parsed, err == nil && c.TextRoom(len(s))
			})}
	}
	return []dtl.Func{
		write("json", "Writes values as JSON texts, keys sorted, without transit tags.",
			[]dtl.Example{{`["json", {"b": 1, "a": ["x", 1.5]}]`, `"{\"a\": [\"x\", 1.5], \"b\": 1}"`}, {`["json", ["list", 1, "~rhttp://a"]]`, `["1","\"http://a\""]`}, {`["json", null]`, `"null"`}}, entity.AppendPlain),
		write("json-transit", "Writes values as JSON texts, keys sorted, with transit tags.",
			[]dtl.Example{{`["json-transit", {"b": "~rhttp://a"}]`, `"{\"b\": \"~rhttp://a\"}"`}, {`["json-transit", ["list", 1, "a"]]`, `["1","\"a\""]`}, {`["json-transit", null]`, `"null"`}}, entity.AppendJSON),
		read("json-parse", "Reads JSON texts; what is none is dropped, or replaced by DEFAULT.",
			[]dtl.Example{{`["json-parse", "{\"a\": 1}"]`, `{"a":1}`}, {`["json-parse", "none", ["list", "x", "null"]]`, `["none",null]`}, {`["json-parse", null]`, `null`}}, entity.DecodeOptions{Plain: true}),
		read("json-transit-parse", "Reads JSON texts with transit tags; what is none is dropped, or replaced by DEFAULT.",
			[]dtl.Example{{`["is-uri", ["json-transit-parse", "\"~rhttp://a\""]]`, `true`}, {`["json-transit-parse", ["list", "x", "1"]]`, `[1]`}, {`["json-transit-parse", null]`, `null`}}, entity.DecodeOptions{}),
	}
}

// appendSpaced writes JSON as Python's json.dumps with sorted keys, but for
// characters outside ASCII, which stay as they are.
func appendSpaced(dst []byte, v value, scalar func([]byte, value) []byte) []byte {
	switch v.Kind() {
	case entity.List:
		dst = append(dst, '[')
		for i, e := range v.Elems() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendSpaced(dst, e, scalar)
		}
		return append(dst, ']')
	case entity.Dict:
		dst = append(dst, '{')
		members := slices.SortedFunc(slices.Values(v.Object().Members()), func(a, b entity.Member) int { return strings.Compare(a.Key, b.Key) })
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(scalar(dst, entity.NewString(m.Key)), ": "...)
			dst = appendSpaced(dst, m.Value, scalar)
		}
		return append(dst, '}')
	default:
		return scalar(dst, v)
	}
}
