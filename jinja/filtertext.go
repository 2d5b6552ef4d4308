package jinja

import (
	"html"
	"math"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filterInt is Python's int() with a default for what is no integer.
func filterInt(c *Call) Value {
	v, base := c.Recv, c.IntOr(1, 10)
	otherwise := Int(0)
	if c.Has(0) {
		otherwise = c.Arg(0)
	}
	switch {
	case v.k == kUndef:
		return c.st.undefined(v)
	case v.isInt():
		return Big(v.whole())
	case v.k == kFloat:
		if f := v.float(); math.IsInf(f, 0) || math.IsNaN(f) {
			return otherwise
		}
		return c.st.truncated(v)
	case v.isText():
		if v.k == kBytes {
			base = 10
		}
		if i, ok := c.parseInt(v.s, base); ok {
			return i
		}
	}
	return otherwise
}

func (c *Call) parseInt(s string, base int) (Value, bool) {
	s = strings.TrimFunc(s, isSpace)
	if len(s)*3 > c.st.t.opt.Limits.Bits {
		return c.st.fail(CodeLimit, "the integer has too many digits"), true
	}
	if i, ok := parseInt(s, base); ok {
		return Big(i), true
	}
	f, ok := parseFloat(s)
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) {
		return Value{}, false
	}
	return c.st.truncated(Float(f)), true
}

// parseInt reads an integer as Python does: prefixes only where the base
// allows them, single underscores between digits.
func parseInt(s string, base int) (*big.Int, bool) {
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 || base < 0 || base == 1 || base > 36 {
		return nil, false
	}
	if p := map[int]string{16: "0x", 8: "0o", 2: "0b"}[base]; p != "" && len(body) > 2 && strings.EqualFold(body[:2], p) {
		body = strings.TrimPrefix(body[2:], "_")
	}
	if strings.HasPrefix(body, "_") || strings.HasSuffix(body, "_") || strings.Contains(body, "__") {
		return nil, false
	}
	i, ok := new(big.Int).SetString(strings.ReplaceAll(body, "_", ""), base)
	if ok && strings.HasPrefix(s, "-") {
		i.Neg(i)
	}
	return i, ok && body != "" && body[0] != '+' && body[0] != '-'
}

func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") || strings.HasSuffix(s, "_") || strings.HasPrefix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func filterFloat(c *Call) Value {
	v := c.Recv
	switch {
	case v.k == kUndef:
		return c.st.undefined(v)
	case v.isNum():
		return Float(v.float())
	case v.isText():
		c.st.work(len(v.s))
		if f, ok := parseFloat(v.s); ok {
			return Float(f)
		}
	}
	if c.Has(0) {
		return c.Arg(0)
	}
	return Float(0)
}

func filterRound(c *Call) Value {
	v, digits, method := c.Recv, c.IntOr(0, 0), c.TextOr(1, "common")
	if !v.isNum() {
		c.badType("the operand of round", "a number", v)
		return Value{}
	}
	if digits < -400 || digits > 400 {
		return c.Failf("round cannot keep %d digits", digits)
	}
	f := v.float()
	switch method {
	case "common":
		if v.isInt() {
			return roundInt(v, digits)
		}
		if digits >= 0 {
			f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
		} else {
			p := math.Pow(10, float64(-digits))
			f = math.RoundToEven(f/p) * p
		}
	case "ceil":
		f = math.Ceil(f*math.Pow(10, float64(digits))) / math.Pow(10, float64(digits))
	case "floor":
		f = math.Floor(f*math.Pow(10, float64(digits))) / math.Pow(10, float64(digits))
	default:
		return c.Failf("round knows the methods 'common', 'ceil' and 'floor'")
	}
	return Float(f)
}

func roundInt(v Value, digits int) Value {
	if digits >= 0 {
		return Big(v.whole())
	}
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	q, m := new(big.Int).DivMod(v.whole(), p, new(big.Int))
	if c := m.Lsh(m, 1).Cmp(p); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return Big(q.Mul(q, p))
}

func filterFileSize(c *Call) Value {
	f := c.Recv.float()
	if v := filterFloat(c); !c.Recv.isNum() {
		if _, ok := parseFloat(c.Recv.s); !c.Recv.isText() || !ok {
			return c.Failf("filesizeformat needs a number")
		}
		f = v.float()
	}
	base, units := 1000.0, strings.Fields("kB MB GB TB PB EB ZB YB")
	if c.BoolOr(0, false) {
		base, units = 1024, strings.Fields("KiB MiB GiB TiB PiB EiB ZiB YiB")
	}
	switch {
	case f == 1:
		return Str("1 Byte")
	case f < base:
		return Str(strconv.FormatFloat(math.Trunc(f), 'f', 0, 64) + " Bytes")
	}
	i := 0
	for f /= base; f >= base && i < len(units)-1; i++ {
		f /= base
	}
	return Str(strconv.FormatFloat(f, 'f', 1, 64) + " " + units[i])
}

func filterIndent(c *Call) Value {
	with := ""
	if v := c.Arg(0); v.k == kStr {
		with = v.s
	} else {
		with, _ = c.st.repeated(" ", int64(c.IntOr(0, 4)))
	}
	lines := strings.Split(c.operandStr()+"\n", "\n")
	lines = lines[:len(lines)-1]
	if !c.st.room(len(lines) * len(with)) {
		return Value{}
	}
	for i, l := range lines {
		if (i > 0 || c.BoolOr(1, false)) && (l != "" || c.BoolOr(2, false) || i == 0) {
			lines[i] = with + l
		}
	}
	return c.joined(lines, "\n")
}

func filterTruncate(c *Call) Value {
	if n, ok := c.st.length(c.Recv); ok && c.Recv.k != kStr && n <= c.IntOr(0, 255)+c.IntOr(3, 5) {
		return c.Recv
	}
	s, n, end := []rune(c.operandStr()), c.IntOr(0, 255), c.TextOr(2, "...")
	leeway, tail := c.IntOr(3, 5), utf8.RuneCountInString(end)
	switch {
	case n < tail || leeway < 0:
		return c.Failf("truncate needs a length of at least %d", tail)
	case len(s) <= n+leeway:
		return Str(string(s))
	}
	cut := string(s[:n-tail])
	if !c.BoolOr(1, false) {
		if i := strings.LastIndexByte(cut, ' '); i >= 0 {
			cut = cut[:i]
		}
	}
	return c.str(cut + end)
}

func filterURLEncode(c *Call) Value {
	v := c.Recv
	if v.k == kStr || testIterable(c).n == 0 {
		return c.str(percentEncode(c.soft(), "/"))
	}
	pairs := c.st.iterate(v)
	if v.isDict() {
		pairs = c.st.viewed(&view{v, "items"})
	}
	var parts []string
	for _, p := range pairs {
		kv := c.st.iterate(p)
		if c.st.err != nil || len(kv) != 2 {
			return c.Failf("urlencode needs pairs")
		}
		k, val := c.st.str(kv[0]), c.st.str(kv[1])
		if !c.st.room(3 * (len(k) + len(val))) {
			return Value{}
		}
		parts = append(parts, url.QueryEscape(k)+"="+url.QueryEscape(val))
	}
	return c.joined(parts, "&")
}

// percentEncode keeps what RFC 3986 calls unreserved, and the safe bytes.
func percentEncode(s, safe string) string {
	var b strings.Builder
	for i := range len(s) {
		ch := s[i]
		if ch < 0x80 && (unicode.IsLetter(rune(ch)) || isDigit(ch) || strings.IndexByte("-._~"+safe, ch) >= 0) {
			b.WriteByte(ch)
		} else {
			b.WriteString("%" + strings.ToUpper(hexByte(ch)))
		}
	}
	return b.String()
}

// stripTags removes markup and joins white space.
func stripTags(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		end, size := strings.IndexByte(s[i:], '>'), 1
		if strings.HasPrefix(s[i:], "<!--") {
			end, size = strings.Index(s[i:], "-->"), 3
		}
		if end < 0 {
			b.WriteString(s[i:])
			break
		}
		s = s[i+end+size:]
	}
	return html.UnescapeString(strings.Join(strings.FieldsFunc(b.String(), isSpace), " "))
}

// titleWords is the filter title: it looks only for spaces and opening marks.
func titleWords(s string) string {
	var b strings.Builder
	start := true
	for _, r := range s {
		switch {
		case isSpace(r) || strings.ContainsRune("-({[<", r):
			b.WriteRune(r)
			start = true
			continue
		case start:
			b.WriteString(upper(string(r)))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		start = false
	}
	return b.String()
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r != '_' && !isAlnum(r) })
}

func filterWordWrap(c *Call) Value {
	width, wrap := c.IntOr(0, 79), c.TextOr(2, "\n")
	if width < 1 {
		return c.Failf("wordwrap needs a width of at least 1")
	}
	var out []string
	c.st.work(32 * len(c.soft())) // every line is a text of its own
	if c.st.err != nil {
		return Value{}
	}
	for _, line := range strings.Split(c.operandStr(), "\n") {
		out = append(out, wrapLine(line, width, c.BoolOr(1, true), wrap))
	}
	return c.joined(out, wrap)
}

// wrapLine breaks a line as Python's textwrap does: between words, and within
// one that is longer than a whole line.
func wrapLine(line string, width int, breakLong bool, wrap string) string {
	var lines []string
	cur := ""
	n := 0 // characters in cur
	flush := func() { lines, cur, n = append(lines, cur), "", 0 }
	for _, word := range strings.Fields(line) {
		w := []rune(word)
		if n > 0 && n+1+len(w) > width && !(breakLong && len(w) > width && n+1 < width) {
			flush()
		}
		if n > 0 {
			cur, n = cur+" ", n+1
		}
		for breakLong && n+len(w) > width {
			room := width - n
			cur += string(w[:room])
			w = w[room:]
			flush()
		}
		cur, n = cur+string(w), n+len(w)
	}
	return strings.Join(append(lines, cur), wrap)
}
