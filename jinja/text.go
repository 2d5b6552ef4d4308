package jinja

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// printer writes values as Python's str and repr do, within the bounds.
type printer struct {
	st     *state
	b      []byte
	secret bool
}

// text is Python's str(v), and whether it holds a secret.
func (st *state) text(v Value) (string, bool) {
	switch v.k {
	case kStr:
		return v.s, v.secret()
	case kInt:
		if v.o == nil {
			return strconv.FormatInt(v.n, 10), false
		}
	case kNone:
		return "None", false
	case kUndef:
		return st.undefinedText(v), false
	case kTime:
		return isoTime(v.time(), " "), false
	case kDate:
		return v.time().Format(time.DateOnly), false
	case kDelta:
		return deltaText(v.n), false
	}
	p := printer{st: st}
	p.repr(v)
	return string(p.b), p.secret
}

// repr is Python's repr(v).
func (st *state) repr(v Value) (string, bool) {
	p := printer{st: st}
	p.repr(v)
	return string(p.b), p.secret
}

// str is text for functions that need not know of secrets: calls mark their
// results by their arguments.
func (st *state) str(v Value) string {
	s, _ := st.text(v)
	return s
}

func (st *state) undefinedText(v Value) string {
	u := v.o.(*undef)
	switch {
	case u.soft || st.t.opt.Undefined == Lenient:
		return ""
	case st.t.opt.Undefined == Debug:
		switch {
		case u.hint != "":
			return "{{ undefined value printed: " + u.hint + " }}"
		case u.owner != "":
			name := strings.TrimPrefix(strings.TrimPrefix(u.name, "attribute "), "element ")
			return "{{ no such element: " + strings.Trim(u.owner, "'") + "[" + name + "] }}"
		}
		return "{{ " + u.name + " }}"
	}
	st.undefined(v)
	return ""
}

func (p *printer) add(s string) {
	if p.st.room(len(s)) {
		p.b = append(p.b, s...)
	}
}

func (p *printer) repr(v Value) {
	if !p.st.enter() {
		p.st.leave()
		return
	}
	defer p.st.leave()
	p.secret = p.secret || v.secret()
	switch v.k {
	case kNone:
		p.add("None")
	case kUndef:
		p.add("Undefined")
	case kBool:
		p.add(map[int64]string{0: "False", 1: "True"}[v.n])
	case kInt:
		p.st.work(v.whole().BitLen() * 4)
		p.add(v.whole().String())
	case kFloat:
		p.add(floatText(v))
	case kStr:
		p.add(quoted(v.s))
	case kBytes:
		p.add("b" + quotedBytes(v.s))
	case kTime, kDate, kDelta:
		p.time(v)
	default:
		p.container(v)
	}
}

func (p *printer) time(v Value) {
	switch v.k {
	case kDelta:
		p.add(deltaRepr(v.n))
	case kDate:
		p.add(v.time().Format("datetime.date(2006, 1, 2)"))
	default:
		p.add(timeRepr(v.time()))
	}
}

func (p *printer) container(v Value) {
	switch o := v.o.(type) {
	case *list:
		p.sequence(v, o.items)
	case *dict, *host:
		p.dict(v)
	case *intRange:
		p.add("range(" + strconv.FormatInt(o.start, 10) + ", " + strconv.FormatInt(o.stop, 10))
		if o.step != 1 {
			p.add(", " + strconv.FormatInt(o.step, 10))
		}
		p.add(")")
	case *view:
		p.add("dict_" + o.what + "(")
		p.sequence(newList(nil), p.st.viewed(o))
		p.add(")")
	case *callable:
		p.add("<function " + o.name + ">")
	case *namespace:
		p.add("<Namespace ")
		p.dict(o.d.value())
		p.add(">")
	default:
		p.add("<" + v.typeName() + " object>")
	}
}

func (p *printer) sequence(v Value, items []Value) {
	open, end := "[", "]"
	if v.k == kTuple {
		open, end = "(", ")"
		if len(items) == 1 {
			end = ",)"
		}
	}
	p.add(open)
	for i, e := range items {
		if p.st.err != nil {
			return
		}
		if i > 0 {
			p.add(", ")
		}
		p.repr(e)
	}
	p.add(end)
}

func (p *printer) dict(v Value) {
	keys, vals := p.st.members(v)
	p.add("{")
	for i := range keys {
		if p.st.err != nil {
			return
		}
		if i > 0 {
			p.add(", ")
		}
		p.repr(keys[i])
		p.add(": ")
		p.repr(vals[i])
	}
	p.add("}")
}

// floatText is the shortest text that gives the float again, in Python's form.
func floatText(v Value) string {
	if v.s != "" {
		return v.s
	}
	f := v.float()
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64)[:1], "+") + "inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if strings.IndexByte(s, '.') < 0 {
		s += ".0"
	}
	return s
}

// quoted is Python's repr of a str.
func quoted(s string) string {
	q := quoteFor(s)
	b := append(make([]byte, 0, len(s)+2), q)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == rune(q) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == utf8.RuneError && n == 1:
			b = append(b, `\udc`+hexByte(s[i-1])...)
		case r < 0x20 || r == 0x7f:
			b = append(b, controlEscape(byte(r))...)
		case r > 0x7f && !unicode.IsPrint(r):
			b = appendEscaped(b, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, q))
}

func quoteFor(s string) byte {
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		return '"'
	}
	return '\''
}

func controlEscape(c byte) string {
	switch c {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	return `\x` + hexByte(c)
}

func hexByte(c byte) string {
	const hex = "0123456789abcdef"
	return string([]byte{hex[c>>4], hex[c&15]})
}

func appendEscaped(b []byte, r rune) []byte {
	form, width := `\x`, 2
	switch {
	case r > 0xffff:
		form, width = `\U`, 8
	case r > 0xff:
		form, width = `\u`, 4
	}
	digits := strconv.FormatInt(int64(r), 16)
	b = append(b, form...)
	for range width - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}

// quotedBytes is Python's repr of bytes, without the b.
func quotedBytes(s string) string {
	q := quoteFor(s)
	b := append(make([]byte, 0, len(s)+2), q)
	for i := range len(s) {
		c := s[i]
		switch {
		case c == q || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c >= 0x7f:
			b = append(b, controlEscape(c)...)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, q))
}
