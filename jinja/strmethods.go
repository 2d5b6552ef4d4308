package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// like is text of the receiver's kind, with its room asked for.
func (c *Call) like(s string) Value {
	if !c.st.room(len(s)) {
		return Value{}
	}
	return Value{k: c.Recv.k, s: s}
}

// sameText is an argument that must be of the receiver's own kind.
func (c *Call) sameText(i int) string {
	if v := c.Arg(i); v.k != c.Recv.k {
		c.badType(c.param(i), c.Recv.typeName(), v)
		return ""
	}
	return c.args[i].s
}

func (c *Call) all(is func(rune) bool) Value {
	for _, r := range c.Recv.s {
		if !is(r) {
			return Bool(false)
		}
	}
	return Bool(c.Recv.s != "")
}

// window is the part of the receiver between optional bounds, counted in
// characters, and the number of characters before it.
func (c *Call) window(low, high int) (s string, before int, ok bool) {
	s = c.Recv.s
	c.st.work(len(s))
	if !c.Has(low) && !c.Has(high) {
		return s, 0, true
	}
	n := c.runes(s)
	from, to := sliceBounds(c.Arg(low), c.Arg(high), 1, n)
	if c.Has(low) && c.Arg(low).n > int64(n) || from > to {
		return "", 0, false
	}
	v := c.st.slice(c.Recv, Int(int64(from)), Int(int64(to)), Value{})
	return v.s, from, c.st.err == nil
}

func (c *Call) runes(s string) int {
	if c.Recv.k == kBytes {
		return len(s)
	}
	return utf8.RuneCountInString(s)
}

func (c *Call) find(last bool) int64 {
	sub := c.sameText(0)
	s, before, ok := c.window(1, 2)
	if !ok || c.st.err != nil {
		return -1
	}
	i := strings.Index(s, sub)
	if last {
		i = strings.LastIndex(s, sub)
	}
	if i < 0 {
		return -1
	}
	return int64(before + c.runes(s[:i]))
}

func (c *Call) found(i int64) Value {
	if i < 0 {
		return c.Failf("substring not found")
	}
	return Int(i)
}

func strCount(c *Call) Value {
	sub := c.sameText(0)
	s, _, ok := c.window(1, 2)
	if !ok || c.st.err != nil {
		return Int(0)
	}
	if sub == "" {
		return Int(int64(c.runes(s) + 1))
	}
	return Int(int64(strings.Count(s, sub)))
}

// affix is startswith and endswith; secrets are compared in constant time.
func (c *Call) affix(prefix bool) Value {
	s, _, ok := c.window(1, 2)
	tries := []Value{c.Arg(0)}
	if c.Arg(0).k == kTuple {
		tries = c.Arg(0).items()
	}
	for _, t := range tries {
		if t.k != c.Recv.k {
			c.badType(c.param(0), c.Recv.typeName(), t)
			return Value{}
		}
		if c.st.probe != nil {
			c.st.probe.contained(c.Recv, t)
		}
		part := s
		if len(t.s) <= len(s) {
			if part = s[len(s)-len(t.s):]; prefix {
				part = s[:len(t.s)]
			}
		}
		if ok && constantTimeEqual(part, t.s) {
			return Bool(true)
		}
	}
	return Bool(false)
}

func (c *Call) strip(left, right bool) Value {
	s := c.Recv.s
	c.st.work(len(s))
	in := isSpace
	if c.Has(0) && !c.Arg(0).IsNone() {
		chars := c.sameText(0)
		in = func(r rune) bool { return strings.ContainsRune(chars, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, in)
	}
	if right {
		s = strings.TrimRightFunc(s, in)
	}
	return Value{k: c.Recv.k, s: s}
}

func (c *Call) pad(left, right bool) Value {
	s, fill := c.Recv.s, c.TextOr(1, " ")
	if utf8.RuneCountInString(fill) != 1 {
		return c.Failf("the fill character must be exactly one character long")
	}
	return c.like(c.padded(s, fill, c.Int(0), left, right))
}

// padded widens s to width characters. Where both sides are filled the odd
// one goes where Python puts it.
func (c *Call) padded(s, fill string, width int, left, right bool) string {
	n := width - utf8.RuneCountInString(s)
	if n <= 0 {
		return s
	}
	l := 0
	switch {
	case left && right:
		l = n/2 + n&width&1
	case left:
		l = n
	}
	before, ok := c.st.repeated(fill, int64(l))
	after, ok2 := c.st.repeated(fill, int64(n-l))
	if !ok || !ok2 {
		return ""
	}
	return before + s + after
}

func strZfill(c *Call) Value {
	s, sign := c.Recv.s, ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	return c.like(sign + c.padded(s, "0", c.Int(0)-len(sign), true, false))
}

func (c *Call) partition(last bool) Value {
	s, sep := c.Recv.s, c.sameText(0)
	if sep == "" {
		return c.Failf("empty separator")
	}
	c.st.work(len(s))
	i := strings.Index(s, sep)
	if last {
		i = strings.LastIndex(s, sep)
	}
	parts := [3]string{s, "", ""}
	switch {
	case i >= 0:
		parts = [3]string{s[:i], sep, s[i+len(sep):]}
	case last:
		parts = [3]string{"", "", s}
	}
	k := c.Recv.k
	return Tuple(Value{k: k, s: parts[0]}, Value{k: k, s: parts[1]}, Value{k: k, s: parts[2]})
}

func (c *Call) removeAffix(prefix bool) Value {
	if prefix {
		return c.like(strings.TrimPrefix(c.Recv.s, c.sameText(0)))
	}
	return c.like(strings.TrimSuffix(c.Recv.s, c.sameText(0)))
}

func strReplace(c *Call) Value {
	return c.like(c.replaced(c.Recv.s, c.sameText(0), c.sameText(1), c.IntOr(2, -1)))
}

// replaced asks for room before it replaces.
func (c *Call) replaced(s, old, with string, most int) string {
	c.st.work(len(s))
	n := strings.Count(s, old)
	if most >= 0 {
		n = min(n, most)
	}
	if grow := n * (len(with) - len(old)); grow > 0 && !c.st.room(grow) || c.st.err != nil {
		return ""
	}
	return strings.Replace(s, old, with, n)
}

// split is split and rsplit.
func (c *Call) split(right bool) Value {
	s, most := c.Recv.s, c.IntOr(1, -1)
	c.st.work(len(s))
	if most < 0 {
		most = len(s) + 1
	}
	var parts []string
	if !c.Has(0) || c.Arg(0).IsNone() {
		parts = splitSpace(s, most, right)
	} else if sep := c.sameText(0); sep != "" {
		parts = splitBy(s, sep, most, right)
	} else {
		return c.Failf("empty separator")
	}
	if !c.st.roomList(len(parts)) {
		return Value{}
	}
	items := make([]Value, len(parts))
	for i, p := range parts {
		items[i] = Value{k: c.Recv.k, s: p}
	}
	return newList(items)
}

func splitBy(s, sep string, most int, right bool) []string {
	if !right {
		return strings.SplitN(s, sep, most+1)
	}
	var tail []string
	for ; most > 0; most-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		tail = append(tail, s[i+len(sep):])
		s = s[:i]
	}
	return reversed(append(tail, s))
}

func splitSpace(s string, most int, right bool) []string {
	var parts []string
	for ; ; most-- {
		if right {
			s = strings.TrimRightFunc(s, isSpace)
		} else {
			s = strings.TrimLeftFunc(s, isSpace)
		}
		i := strings.IndexFunc(s, isSpace)
		if right {
			i = strings.LastIndexFunc(s, isSpace)
		}
		switch {
		case s == "":
		case i < 0 || most <= 0:
			parts = append(parts, s)
			s = ""
		case right:
			_, n := utf8.DecodeRuneInString(s[i:])
			parts, s = append(parts, s[i+n:]), s[:i]
			continue
		default:
			parts, s = append(parts, s[:i]), s[i:]
			continue
		}
		if right {
			return reversed(parts)
		}
		return parts
	}
}

func strSplitLines(c *Call) Value {
	var items []Value
	keep := c.BoolOr(0, false)
	c.st.work(len(c.Recv.s))
	for s := c.Recv.s; s != ""; {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			i = len(s)
		}
		end := i
		if i < len(s) {
			_, n := utf8.DecodeRuneInString(s[i:])
			if end = i + n; strings.HasPrefix(s[i:], "\r\n") {
				end++
			}
		}
		line := s[:i]
		if keep {
			line = s[:end]
		}
		items, s = append(items, Str(line)), s[end:]
	}
	c.st.roomList(len(items))
	return newList(items)
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

func strJoin(c *Call) Value {
	items := c.st.iterate(c.Arg(0))
	texts := make([]string, len(items))
	secret := false
	for i, v := range items {
		if v.k != c.Recv.k {
			c.badType("item "+c.st.str(Int(int64(i)))+" of join", c.Recv.typeName(), v)
			return Value{}
		}
		secret = secret || v.secret()
		texts[i] = v.s
	}
	v := c.joined(texts, c.Recv.s)
	v.k = c.Recv.k
	if secret {
		v.f |= flagSecret
	}
	return v
}

// joined asks for room before it joins.
func (c *Call) joined(texts []string, sep string) Value {
	n := len(sep) * max(0, len(texts)-1)
	for _, t := range texts {
		n += len(t)
	}
	if !c.st.room(n) {
		return Value{}
	}
	return Str(strings.Join(texts, sep))
}

func strExpandTabs(c *Call) Value {
	size := c.IntOr(0, 8)
	if !c.st.room(strings.Count(c.Recv.s, "\t") * max(0, min(size, 1<<31))) {
		return Value{}
	}
	var b strings.Builder
	col := 0
	for _, r := range c.Recv.s {
		switch {
		case r == '\t' && size > 0:
			n := size - col%size
			b.WriteString(strings.Repeat(" ", n))
			col += n
		case r == '\t':
		case r == '\n' || r == '\r':
			b.WriteRune(r)
			col = 0
		default:
			b.WriteRune(r)
			col++
		}
	}
	return c.like(b.String())
}

func isAlpha(r rune) bool   { return unicode.IsLetter(r) }
func isDecimal(r rune) bool { return unicode.IsDigit(r) }
func isNumeric(r rune) bool { return unicode.IsNumber(r) }
func isAlnum(r rune) bool   { return unicode.IsLetter(r) || unicode.IsNumber(r) }
