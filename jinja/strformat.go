package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatter is one str.format(…): replacement fields as in Python, but only
// attributes and items a template could reach itself.
type formatter struct {
	st     *state
	args   []Value
	lookup func(name string) (Value, bool)
	auto   int
	b      []byte
	secret bool
}

func strFormat(c *Call) Value {
	f := &formatter{st: c.st, args: c.rest, lookup: func(n string) (Value, bool) {
		for _, m := range c.more {
			if m.Key == n {
				return m.Value, true
			}
		}
		return Value{}, false
	}}
	return f.run(c.Recv.s)
}

func strFormatMap(c *Call) Value {
	m := c.Arg(0)
	if !m.isDict() {
		return c.Failf("format_map needs a dict")
	}
	f := &formatter{st: c.st, lookup: func(n string) (Value, bool) { return c.st.lookup(m, Str(n)) }}
	return f.run(c.Recv.s)
}

func (f *formatter) run(s string) Value {
	f.expand(s, 0)
	v := Str(string(f.b))
	if f.secret {
		v.f = flagSecret
	}
	return v
}

func (f *formatter) add(s string) {
	if f.st.room(len(s)) {
		f.b = append(f.b, s...)
	}
}

func (f *formatter) expand(s string, depth int) {
	for s != "" && f.st.err == nil {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			f.add(s)
			return
		}
		f.add(s[:i])
		c := s[i]
		if s = s[i+1:]; s != "" && s[0] == c {
			f.add(string(c))
			s = s[1:]
			continue
		}
		end := fieldEnd(s)
		if c == '}' || end < 0 || depth > 1 {
			f.st.fail(CodeValue, "the braces of the format do not match")
			return
		}
		f.field(s[:end], depth)
		s = s[end+1:]
	}
}

// fieldEnd finds the brace that closes a field.
func fieldEnd(s string) int {
	open := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

func (f *formatter) field(s string, depth int) {
	s, format, _ := strings.Cut(s, ":")
	s, conv, _ := strings.Cut(s, "!")
	if strings.Contains(format, "{") {
		inner := &formatter{st: f.st, args: f.args, lookup: f.lookup, auto: f.auto}
		inner.auto++
		if s != "" {
			inner.auto = f.auto
		}
		inner.expand(format, depth+1)
		format = string(inner.b)
	}
	v := f.value(s)
	if f.st.err != nil {
		return
	}
	if conv != "" {
		text, secret := f.st.repr(v)
		if conv == "s" {
			text, secret = f.st.text(v)
		}
		v, f.secret = Str(text), f.secret || secret
	}
	f.format(v, format)
}

// value resolves "0.name[key]".
func (f *formatter) value(path string) Value {
	n := strings.IndexAny(path, ".[")
	if n < 0 {
		n = len(path)
	}
	v := f.first(path[:n])
	for path = path[n:]; path != "" && f.st.err == nil; {
		if path[0] == '.' {
			n := strings.IndexAny(path[1:], ".[")
			if n < 0 {
				n = len(path) - 1
			}
			v, path = f.st.attr(v, path[1:n+1]), path[n+1:]
			continue
		}
		end := strings.IndexByte(path, ']')
		if end < 0 {
			return f.st.fail(CodeValue, "a bracket of the format is not closed")
		}
		key := Str(path[1:end])
		if i, err := strconv.Atoi(key.s); err == nil {
			key = Int(int64(i))
		}
		v, path = f.st.item(v, key), path[end+1:]
	}
	return v
}

func (f *formatter) first(name string) Value {
	i, err := strconv.Atoi(name)
	if name == "" {
		i, err = f.auto, nil
		f.auto++
	}
	if err == nil {
		if i < 0 || i >= len(f.args) {
			return f.st.fail(CodeValue, "the format names argument %d, which was not given", i)
		}
		return f.args[i]
	}
	v, ok := f.lookup(name)
	if !ok {
		return f.st.fail(CodeValue, "the format names %q, which was not given", name)
	}
	return v
}

func (f *formatter) format(v Value, format string) {
	if v.k == kTime || v.k == kDate {
		if format != "" {
			c := Call{st: f.st, Recv: v}
			f.add(c.strftime(format).s)
			return
		}
	}
	text, secret := f.st.text(v)
	f.secret = f.secret || secret
	if format == "" {
		f.add(text)
		return
	}
	s, ok := parseSpec(format)
	switch {
	case !ok:
		f.st.fail(CodeValue, "%q is no format", clip(format))
	case v.isInt() && s.verb == 'c' && v.isSmall() && v.n > 0 && v.n <= utf8.MaxRune:
		f.add(f.st.padText(&s, string(rune(v.n)), '<'))
	case v.isInt() && strings.IndexByte("\x00bdoxXn", s.verb) >= 0 && s.prec < 0:
		f.add(f.st.formatInt(&s, v.whole()))
	case (v.k == kFloat || v.isInt() && s.verb != 0) && strings.IndexByte("\x00eEfFgGn%", s.verb) >= 0:
		f.float(&s, v)
	case v.k == kStr && (s.verb == 0 || s.verb == 's') && s.sign == 0 && s.group == "":
		if s.zero && s.align == 0 {
			s.fill = "0"
		}
		f.add(f.st.padText(&s, text, '<'))
	default:
		f.st.fail(CodeValue, "%q is no format for %s", clip(format), v.typeName())
	}
}

func (f *formatter) float(s *spec, v Value) {
	switch {
	case s.verb == '%':
		s.verb = 'f'
		x := *s
		x.width--
		f.add(f.st.formatFloat(&x, v.float()*100) + "%")
		return
	case s.verb == 0 && s.prec < 0:
		digits, neg := strings.CutPrefix(floatText(v), "-")
		f.add(f.st.padNumber(s, neg, "", digits, 3))
		return
	case s.verb == 0 || s.verb == 'n':
		s.verb = 'g'
	}
	f.add(f.st.formatFloat(s, v.float()))
}

// parseSpec reads [[fill]align][sign][#][0][width][,|_][.prec][type].
func parseSpec(f string) (s spec, ok bool) {
	s.fill, s.prec = " ", -1
	if _, n := utf8.DecodeRuneInString(f); len(f) > n && strings.IndexByte("<>^=", f[n]) >= 0 {
		s.fill, s.align, f = f[:n], f[n], f[n+1:]
	} else if f != "" && strings.IndexByte("<>^=", f[0]) >= 0 {
		s.align, f = f[0], f[1:]
	}
	take := func(set string) byte {
		if f == "" || strings.IndexByte(set, f[0]) < 0 {
			return 0
		}
		c := f[0]
		f = f[1:]
		return c
	}
	if c := take("+- "); c != '-' {
		s.sign = c
	}
	s.alt, s.zero = take("#") != 0, take("0") != 0
	number := func(unset int) int {
		n := digits(f)
		if n == 0 {
			return unset
		}
		w, err := strconv.ParseInt(f[:n], 10, 31)
		ok = ok && err == nil
		f = f[n:]
		return int(w)
	}
	ok = true
	s.width = number(0)
	if c := take(",_"); c != 0 {
		s.group = string(c)
	}
	if take(".") != 0 {
		s.prec = number(-2)
	}
	if f != "" {
		s.verb, f = f[0], f[1:]
	}
	return s, ok && f == "" && s.prec > -2
}
