package jinja

import (
	"math"
	"slices"
	"strings"
)

// jsonWriter writes JSON as Jinja's tojson does: ASCII only, safe in HTML,
// keys sorted.
type jsonWriter struct {
	st     *state
	b      []byte
	indent string // "" for one line
	secret bool
}

func filterToJSON(c *Call) Value {
	w := jsonWriter{st: c.st}
	if !c.Arg(0).IsNone() {
		n := c.Int(0)
		if n < 0 || n > 32 {
			return c.Failf("tojson cannot indent by %d", n)
		}
		w.indent = strings.Repeat(" ", n)
	}
	w.value(c.Recv, "\n", !c.Arg(0).IsNone())
	v := Value{k: kStr, s: string(w.b), f: flagSafe}
	if w.secret {
		v.f |= flagSecret
	}
	return v
}

func (w *jsonWriter) add(s string) {
	if w.st.room(len(s)) {
		w.b = append(w.b, s...)
	}
}

func (w *jsonWriter) value(v Value, nl string, pretty bool) {
	defer w.st.leave()
	if !w.st.enter() {
		return
	}
	w.secret = w.secret || v.secret()
	switch v.k {
	case kNone:
		w.add("null")
	case kBool:
		w.add(strings.ToLower(w.st.str(v)))
	case kInt:
		w.add(w.st.str(v))
	case kFloat:
		w.add(jsonFloat(v))
	case kStr:
		w.add(jsonText(v.s))
	case kList, kTuple:
		w.list(v.items(), nl, pretty)
	case kDict, kMap:
		w.dict(v, nl, pretty)
	default:
		w.st.fail(CodeType, "an object of type %s cannot be written as JSON", v.typeName())
	}
}

func jsonFloat(v Value) string {
	f := v.float()
	if math.IsNaN(f) {
		return "NaN"
	}
	if math.IsInf(f, 0) {
		return map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]
	}
	return floatText(v)
}

// split writes what stands between elements.
func (w *jsonWriter) split(first bool, nl string, pretty bool) {
	switch {
	case pretty && first:
		w.add(nl)
	case pretty:
		w.add("," + nl)
	case !first:
		w.add(", ")
	}
}

func (w *jsonWriter) list(items []Value, nl string, pretty bool) {
	w.add("[")
	inner := nl + w.indent
	for i, e := range items {
		if w.st.err != nil {
			return
		}
		w.split(i == 0, inner, pretty)
		w.value(e, inner, pretty)
	}
	if pretty && len(items) > 0 {
		w.add(nl)
	}
	w.add("]")
}

func (w *jsonWriter) dict(v Value, nl string, pretty bool) {
	keys, vals := w.st.members(v)
	at := make([]int, len(keys))
	names := make([]string, len(keys))
	for i, k := range keys {
		at[i] = i
		switch k.k {
		case kStr:
			names[i] = k.s
		case kNone, kBool, kInt, kFloat:
			s := jsonWriter{st: w.st}
			s.value(k, "", false)
			names[i] = string(s.b)
		default:
			w.st.fail(CodeType, "a key of type %s cannot be written as JSON", k.typeName())
		}
	}
	slices.SortStableFunc(at, func(a, b int) int { n, _ := w.st.order(keys[a], keys[b], "<"); return n })
	w.st.work(len(keys) * 64)
	w.add("{")
	inner := nl + w.indent
	for i, j := range at {
		if w.st.err != nil {
			return
		}
		w.split(i == 0, inner, pretty)
		w.add(jsonText(names[j]) + ": ")
		w.value(vals[j], inner, pretty)
	}
	if pretty && len(keys) > 0 {
		w.add(nl)
	}
	w.add("}")
}

// jsonText quotes for JSON inside of HTML.
func jsonText(s string) string {
	b := append(make([]byte, 0, len(s)+2), '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r < 0x20 || r > 0x7e || strings.ContainsRune("<>&'", r):
			b = appendUTF16(b, r)
		default:
			b = append(b, byte(r))
		}
	}
	return string(append(b, '"'))
}

func appendUTF16(b []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		b = appendUTF16(b, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return append(append(append(b, `\u`...), hexByte(byte(r>>8))...), hexByte(byte(r))...)
}
