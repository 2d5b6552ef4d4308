package stdlib

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

func stringFuncs() []dtl.Func {
	return []dtl.Func{
		{Name: "concat", Args: "VALUES(value-expression{>=1})",
			Doc:      "Joins all strings of all arguments into one.",
			Examples: []dtl.Example{{`["concat", "a", ["list", "b", 1], null]`, `"ab"`}, {`["concat", null]`, `""`}},
			Call:     func(c *dtl.Ctx, a []value) value { return joined(c, "", a) }},
		{Name: "is-string", Args: "VALUES(value-expression{1})",
			Doc:      "Tells whether the value, or the first of a list, is a string.",
			Examples: []dtl.Example{{`["is-string", "a"]`, `true`}, {`["is-string", ["list", "~rx"]]`, `false`}, {`["is-string", null]`, `false`}},
			Call1:    firstIs(func(v value) bool { return v.Kind() == entity.String })},
		{Name: "join", Args: "SEPARATOR(string{1}) VALUES(value-expression{1})",
			Doc:      "Joins the strings of a list with a separator.",
			Examples: []dtl.Example{{`["join", "-", ["list", "a", 1, "b"]]`, `"a-b"`}, {`["join", "-", null]`, `""`}},
			Call:     func(c *dtl.Ctx, a []value) value { return joined(c, dtl.First(a[0]).Text(), a[1:]) }},
		{Name: "length", Args: "VALUES(value-expression{1})",
			Doc:      "Returns the number of characters of each string.",
			Examples: []dtl.Example{{`["length", "æøå"]`, `3`}, {`["length", ["list", "a", 1]]`, `[1]`}, {`["length", null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				return c.Map(a[0], func(v value) (value, bool) {
					s, ok := text(v)
					return entity.NewInt(int64(utf8.RuneCountInString(s))), ok
				})
			}},
		{Name: "ljust", Args: "WIDTH(integer-expression{1}) FILL_CHARACTER(string{1}) VALUES(value-expression{1})",
			Doc:      "Fills strings up to a width on the right.",
			Examples: []dtl.Example{{`["ljust", 3, "-", "a"]`, `"a--"`}, {`["ljust", 3, "-", ["list", 1]]`, `[]`}, {`["ljust", 3, "-", null]`, `null`}},
			Call:     justify(func(s, fill string) string { return s + fill })},
		{Name: "lower", Args: "VALUES(value-expression{1})",
			Doc:      "Returns strings in lower case.",
			Examples: []dtl.Example{{`["lower", "AbC"]`, `"abc"`}, {`["lower", ["list", "A", 1]]`, `["a"]`}, {`["lower", null]`, `null`}},
			Call1:    changeCase('A', 'Z', strings.ToLower)},
		strip("lstrip", "left", strings.TrimLeft, strings.TrimLeftFunc, `"a "`),
		{Name: "matches", Args: "PATTERN(string{1}) VALUES(value-expression{1})",
			Doc:      "Tells whether all values are strings that match a pattern with * and ?.",
			Examples: []dtl.Example{{`["matches", "a*", ["list", "a", "abc"]]`, `true`}, {`["matches", "a?", "abc"]`, `false`}, {`["matches", "*", null]`, `false`}},
			Call2:    matches},
		{Name: "replace", Args: "OLD(string|dict{1}) NEW(string{0|1}) VALUES(value-expression{1})",
			Doc:      "Replaces text in strings: one old by one new, or by a dict of them.",
			Examples: []dtl.Example{{`["replace", "a", "b", "banana"]`, `"bbnbnb"`}, {`["replace", {"a": "1", "b": "2"}, ["list", "ab", 3]]`, `["12"]`}, {`["replace", "a", "b", null]`, `null`}},
			Call:     replace},
		{Name: "rjust", Args: "WIDTH(integer-expression{1}) FILL_CHARACTER(string{1}) VALUES(value-expression{1})",
			Doc:      "Fills strings up to a width on the left.",
			Examples: []dtl.Example{{`["rjust", 3, "0", "7"]`, `"007"`}, {`["rjust", "x", "0", "7"]`, `null`}, {`["rjust", 3, "0", null]`, `null`}},
			Call:     justify(func(s, fill string) string { return fill + s })},
		strip("rstrip", "right", strings.TrimRight, strings.TrimRightFunc, `" a"`),
		{Name: "split", Args: "SEPARATOR(string{0|1}) VALUES(value-expression{1})",
			Doc:      "Splits strings at a separator into one list; an empty one splits into characters, none at white space.",
			Examples: []dtl.Example{{`["split", ",", "a,b"]`, `["a","b"]`}, {`["split", "", ["list", "ab", 1]]`, `["a","b"]`}, {`["split", ",", null]`, `null`}},
			Call:     split},
		{Name: "string", Args: "VALUES(value-expression{1})",
			Doc:      "Turns values into text.",
			Examples: []dtl.Example{{`["string", 1.5]`, `"1.5"`}, {`["string", ["list", "~rx", {"a": 1}, null]]`, `["x","{\"a\": 1}",null]`}, {`["string", null]`, `null`}},
			Call1: func(c *dtl.Ctx, v value) value {
				return c.Map(v, func(v value) (value, bool) { return toText(c, v), true })
			}},
		strip("strip", "both sides", strings.Trim, strings.TrimFunc, `"a"`),
		{Name: "substring", Args: "START(integer-expression{1}) END(integer-expression{0|1}) VALUES(value-expression{1})",
			Doc:      "Returns a part of strings; END is not included, negative places count from the end.",
			Examples: []dtl.Example{{`["substring", 1, 3, "abcd"]`, `"bc"`}, {`["substring", -2, ["list", "abcd", 1]]`, `["cd"]`}, {`["substring", 0, 1, null]`, `null`}},
			Call: func(c *dtl.Ctx, a []value) value {
				return eachString(func(a []value, s string) string { return substring(s, dtl.First(a[0]), dtl.First(a[1])) })(c, a)
			}},
		{Name: "upper", Args: "VALUES(value-expression{1})",
			Doc:      "Returns strings in upper case.",
			Examples: []dtl.Example{{`["upper", "abc"]`, `"ABC"`}, {`["upper", ["list", "a", 1, "b"]]`, `["A","B"]`}, {`["upper", null]`, `null`}, {`["upper"]`, `error: got 0 arguments`}},
			Call1:    changeCase('a', 'z', strings.ToUpper)},
	}
}

// eachString maps the strings of the last argument and drops everything else.
func eachString(f func(a []value, s string) string) func(*dtl.Ctx, []value) value {
	return func(c *dtl.Ctx, a []value) value {
		return c.Map(a[len(a)-1], func(v value) (value, bool) {
			s, ok := text(v)
			if !ok || !c.TextRoom(len(s)) {
				return null, false
			}
			return entity.NewString(f(a, s)), true
		})
	}
}

// joined joins the strings of all values, in the arena.
func joined(c *dtl.Ctx, sep string, a []value) value {
	size, n := 0, 0
	each := func(f func(s string)) {
		for _, v := range a {
			if s, ok := text(v); ok {
				f(s)
				continue
			}
			for _, e := range v.Elems() {
				if s, ok := text(e); ok {
					f(s)
				}
			}
		}
	}
	each(func(s string) { size, n = size+len(s), n+1 })
	size += max(0, n-1) * len(sep)
	if !c.TextRoom(size) {
		return null
	}
	b := c.Arena().Text(size)
	left := n
	each(func(s string) {
		b = append(b, s...)
		if left--; left > 0 {
			b = append(b, sep...)
		}
	})
	return entity.NewString(c.Arena().String(b))
}

func justify(f func(s, fill string) string) func(*dtl.Ctx, []value) value {
	return func(c *dtl.Ctx, a []value) value {
		width, ok := dtl.First(a[0]).Int64()
		fill, isText := text(dtl.First(a[1]))
		if !ok || !isText || utf8.RuneCountInString(fill) != 1 || !c.TextRoom(int(max(0, min(width, 1<<40)))) {
			return null
		}
		return eachString(func(_ []value, s string) string {
			return f(s, strings.Repeat(fill, max(0, int(width)-utf8.RuneCountInString(s))))
		})(c, a)
	}
}

func strip(name, side string, set func(string, string) string, space func(string, func(rune) bool) string, example string) dtl.Func {
	return dtl.Func{Name: name, Args: "CHARACTERS(string{0|1}) VALUES(value-expression{1})",
		Doc:      "Strips white space, or any of the characters given, from strings: " + side + ".",
		Examples: []dtl.Example{{`["` + name + `", " a "]`, example}, {`["` + name + `", "-", ["list", "a", 1]]`, `["a"]`}, {`["` + name + `", null]`, `null`}},
		Call: eachString(func(a []value, s string) string {
			if cut, ok := text(dtl.First(a[0])); ok {
				return set(s, cut)
			}
			return space(s, unicode.IsSpace)
		})}
}

func replace(c *dtl.Ctx, a []value) value {
	if old, ok := text(dtl.First(a[0])); ok {
		repl, ok := text(dtl.First(a[1]))
		if !ok {
			return null
		}
		return c.Map(a[2], func(v value) (value, bool) { return replaceOne(c, v, old, repl) })
	}
	var pairs []string
	for _, m := range dtl.First(a[0]).Object().Members() {
		if s, ok := text(m.Value); ok && m.Key != "" {
			pairs = append(pairs, m.Key, s)
		}
	}
	r := strings.NewReplacer(pairs...)
	return eachString(func(_ []value, s string) string { return r.Replace(s) })(c, a)
}

func split(c *dtl.Ctx, a []value) value {
	if a[1].IsNull() {
		return null
	}
	out := c.Gather()
	dtl.EachElem(a[1], func(v value) bool {
		s, ok := text(v)
		if !ok {
			return true
		}
		sep, given := text(dtl.First(a[0]))
		if given && sep != "" {
			addParts(out, s, sep)
			return c.Room(out.Len())
		}
		parts := strings.FieldsSeq(s)
		if given {
			parts = strings.SplitSeq(s, sep)
		}
		for p := range parts {
			out.Add(entity.NewString(p))
		}
		return c.Room(out.Len())
	})
	return out.List()
}

func addParts(out dtl.Gather, s, sep string) {
	for {
		i := strings.Index(s, sep)
		if i < 0 {
			out.Add(entity.NewString(s))
			return
		}
		out.Add(entity.NewString(s[:i]))
		s = s[i+len(sep):]
	}
}

// replaceOne replaces in one string, in the arena.
func replaceOne(c *dtl.Ctx, v value, old, repl string) (value, bool) {
	s, ok := text(v)
	if !ok || old == "" || old == repl {
		return v, ok
	}
	n := strings.Count(s, old)
	size := len(s) + n*(len(repl)-len(old))
	if n == 0 || !c.TextRoom(size) {
		return v, true
	}
	b := c.Arena().Text(size)
	for range n {
		i := strings.Index(s, old)
		b = append(append(b, s[:i]...), repl...)
		s = s[i+len(old):]
	}
	return entity.NewString(c.Arena().String(append(b, s...))), true
}

// changeCase makes upper or lower: ASCII letters of the range from…to in the
// arena, everything else by general.
func changeCase(from, to byte, general func(string) string) func(*dtl.Ctx, value) value {
	one := func(c *dtl.Ctx, s string) string {
		changes := false
		for i := range len(s) {
			if s[i] >= utf8.RuneSelf {
				return general(s)
			}
			changes = changes || from <= s[i] && s[i] <= to
		}
		if !changes {
			return s
		}
		b := append(c.Arena().Text(len(s)), s...)
		for i := range b {
			if from <= b[i] && b[i] <= to {
				b[i] ^= 0x20
			}
		}
		return c.Arena().String(b)
	}
	return func(c *dtl.Ctx, v value) value {
		return c.Map(v, func(v value) (value, bool) {
			s, ok := text(v)
			if !ok || !c.TextRoom(len(s)) {
				return null, false
			}
			return entity.NewString(one(c, s)), true
		})
	}
}

// matches tells whether all values are strings that match the pattern.
func matches(c *dtl.Ctx, p, v value) value {
	pattern, ok := text(dtl.First(p))
	vals := elems(v)
	for _, v := range vals {
		s, isText := text(v)
		if !ok || !isText || !c.Step() || !dtl.Wildcard(pattern, s) {
			return boolean(false)
		}
	}
	return boolean(ok && len(vals) > 0)
}

func substring(s string, start, end value) string {
	if len(s) == utf8.RuneCountInString(s) {
		from, to := bounds(start, end, 1, int64(len(s)))
		return s[from:max(from, to)]
	}
	r := []rune(s)
	from, to := bounds(start, end, 1, int64(len(r)))
	return string(r[from:max(from, to)])
}

// toText is a value as text: containers as JSON with Python's spaces, without
// transit tags.
func toText(c *dtl.Ctx, v value) value {
	switch v.Kind() {
	case entity.Null, entity.String:
		return v
	case entity.List, entity.Dict:
		return entity.NewString(string(pyJSON(nil, v)))
	case entity.Bytes:
		return entity.NewString(strings.ToValidUTF8(string(v.Octets()), "\uFFFD"))
	case entity.Date, entity.Datetime:
		return entity.NewString(entity.FormatDatetime(v))
	case entity.UUID, entity.NI, entity.URI, entity.Decimal:
		return entity.NewString(v.Text())
	default:
		b := entity.AppendPlain(c.Arena().Text(32), v)
		return entity.NewString(c.Arena().String(b))
	}
}

// pyJSON writes JSON as Python does, with ", " and ": "
// and sorted keys.
func pyJSON(dst []byte, v value) []byte {
	switch v.Kind() {
	case entity.List:
		dst = append(dst, '[')
		for i, e := range v.Elems() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = pyJSON(dst, e)
		}
		return append(dst, ']')
	case entity.Dict:
		dst = append(dst, '{')
		for i, m := range v.Object().Sorted() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(entity.AppendPlain(dst, entity.NewString(m.Key)), ": "...)
			dst = pyJSON(dst, m.Value)
		}
		return append(dst, '}')
	default:
		return entity.AppendPlain(dst, v)
	}
}
