package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// spec is one conversion of % or of format().
type spec struct {
	fill        string
	align       byte // '<', '>', '^' or '='; 0 is the kind's own
	sign        byte // '+', ' ' or 0
	alt, zero   bool
	group       string // "," or "_"
	width, prec int    // prec is -1 if not given
	verb        byte
}

// percent is `format % args`.
func (st *state) percent(format string, args Value) Value {
	p := &percenter{st: st, args: args, list: []Value{args}}
	if args.k == kTuple {
		p.list = args.items()
	}
	for format != "" && st.err == nil {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		p.add(format[:i])
		if format = format[i:]; format != "" {
			format = p.conversion(format[1:])
		}
	}
	if st.err == nil && p.used < len(p.list) && !args.isDict() && (args.k == kTuple || args.k == kStr || !isSized(args)) {
		return st.fail(CodeType, "not all arguments are used by the format")
	}
	v := Str(string(p.b))
	if p.secret {
		v.f = flagSecret
	}
	return v
}

// isSized tells what % takes for a possible dict: it may go unused.
func isSized(v Value) bool { return v.k == kList || v.k == kBytes || v.k == kRange }

type percenter struct {
	st     *state
	args   Value
	list   []Value
	used   int
	b      []byte
	secret bool
}

func (p *percenter) add(s string) {
	if p.st.room(len(s)) {
		p.b = append(p.b, s...)
	}
}

func (p *percenter) nextArg() Value {
	if p.used >= len(p.list) {
		return p.st.fail(CodeType, "there are fewer arguments than the format needs")
	}
	p.used++
	return p.list[p.used-1]
}

// conversion handles what follows a percent sign and returns the rest.
func (p *percenter) conversion(f string) string {
	var s spec
	s.prec, s.fill = -1, " "
	key, keyed := "", false
	if strings.HasPrefix(f, "(") {
		if i := strings.IndexByte(f, ')'); i > 0 {
			key, f, keyed = f[1:i], f[i+1:], true
		}
	}
	for f != "" && strings.IndexByte("-+ 0#", f[0]) >= 0 {
		s.flag(f[0])
		f = f[1:]
	}
	s.width, f = p.count(f, 0)
	if s.width < 0 {
		s.width, s.align = -s.width, '<'
	}
	if strings.HasPrefix(f, ".") {
		s.prec, f = p.count(f[1:], 0)
	}
	f = strings.TrimLeft(f, "hlL")
	if f == "" {
		p.st.fail(CodeValue, "the format ends in the middle of a conversion")
		return ""
	}
	if s.verb = f[0]; s.verb == '%' {
		p.add("%")
		return f[1:]
	}
	p.convert(&s, p.argument(key, keyed))
	return f[1:]
}

func (s *spec) flag(c byte) {
	switch c {
	case '-':
		s.align = '<'
	case '+':
		s.sign = '+'
	case ' ':
		if s.sign == 0 {
			s.sign = ' '
		}
	case '0':
		s.zero = true
	case '#':
		s.alt = true
	}
}

// count reads a width or precision, which may be an argument.
func (p *percenter) count(f string, unset int) (int, string) {
	if strings.HasPrefix(f, "*") {
		v := p.nextArg()
		if !v.isSmall() {
			p.st.fail(CodeType, "* needs an integer")
			return unset, f[1:]
		}
		return int(max(-math.MaxInt32, min(v.n, math.MaxInt32))), f[1:]
	}
	n := 0
	for n < len(f) && isDigit(f[n]) {
		n++
	}
	if n == 0 {
		return unset, f
	}
	w, err := strconv.ParseInt(f[:n], 10, 32)
	if err != nil {
		p.st.fail(CodeLimit, "the width %s is too large", clip(f[:n]))
	}
	return int(w), f[n:]
}

func (p *percenter) argument(key string, keyed bool) Value {
	if !keyed {
		return p.nextArg()
	}
	if !p.args.isDict() {
		return p.st.fail(CodeType, "the format needs a dict")
	}
	v, ok := p.st.lookup(p.args, Str(key))
	if !ok {
		return p.st.fail(CodeValue, "the format names the key %q, which the dict does not have", key)
	}
	return v
}

func (p *percenter) convert(s *spec, v Value) {
	switch s.verb {
	case 's', 'r', 'a':
		text, secret := p.st.text(v)
		if s.verb != 's' {
			text, secret = p.st.repr(v)
		}
		p.secret = p.secret || secret
		s.zero = false
		p.add(p.st.padText(s, text, '>'))
	case 'c':
		p.char(s, v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		if v.k == kFloat && strings.IndexByte("diu", s.verb) >= 0 {
			v = p.st.truncated(v)
		}
		if !v.isInt() {
			p.st.fail(CodeType, "%%%c needs a number, not %s", s.verb, v.typeName())
			return
		}
		p.add(p.st.formatInt(s, v.whole()))
	case 'e', 'E', 'f', 'F', 'g', 'G':
		if !v.isNum() {
			p.st.fail(CodeType, "%%%c needs a number, not %s", s.verb, v.typeName())
			return
		}
		p.add(p.st.formatFloat(s, v.float()))
	default:
		p.st.fail(CodeValue, "unknown conversion %%%c", s.verb)
	}
}

func (p *percenter) char(s *spec, v Value) {
	text := v.s
	if v.isSmall() && v.n >= 0 && v.n <= utf8.MaxRune {
		text = string(rune(v.n))
	}
	if utf8.RuneCountInString(text) != 1 {
		p.st.fail(CodeType, "%%c needs one character")
		return
	}
	p.add(p.st.padText(s, text, '>'))
}

// truncated is int(f).
func (st *state) truncated(v Value) Value {
	f := v.float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return st.fail(CodeValue, "%s is no integer", floatText(v))
	}
	i, _ := big.NewFloat(f).Int(nil)
	return Big(i)
}

// padText cuts text to the precision and widens it to the width.
func (st *state) padText(s *spec, text string, align byte) string {
	if s.prec >= 0 && utf8.RuneCountInString(text) > s.prec {
		text = string([]rune(text)[:s.prec])
	}
	if s.align != 0 && s.align != '=' {
		align = s.align
	}
	n := s.width - utf8.RuneCountInString(text)
	if n <= 0 {
		return text
	}
	left := 0
	switch align {
	case '>':
		left = n
	case '^':
		left = n / 2
	}
	before, _ := st.repeated(s.fill, int64(left))
	after, _ := st.repeated(s.fill, int64(n-left))
	return before + text + after
}

func (st *state) formatInt(s *spec, i *big.Int) string {
	base := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'b': 2}[s.verb]
	if base == 0 {
		base = 10
	}
	st.work(i.BitLen() * 4)
	digits := new(big.Int).Abs(i).Text(base)
	prefix := ""
	if s.alt && base != 10 {
		prefix = "0" + string(s.verb)
	}
	if s.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if n := s.prec - len(digits); n > 0 {
		zeros, _ := st.repeated("0", int64(n))
		digits = zeros + digits
	}
	return st.padNumber(s, i.Sign() < 0, prefix, digits, map[bool]int{true: 3, false: 4}[base == 10])
}

func (st *state) formatFloat(s *spec, f float64) string {
	if s.prec < 0 {
		s.prec = 6
	}
	if s.prec > 1000 {
		st.limit("a precision of %d digits is too large", s.prec)
		return ""
	}
	digits := strconv.FormatFloat(math.Abs(f), s.verb|0x20, s.prec, 64)
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		digits, s.zero = map[bool]string{true: "nan", false: "inf"}[math.IsNaN(f)], false
	case s.verb|0x20 == 'g':
		digits = general(math.Abs(f), max(1, s.prec), s.alt)
	case s.alt && s.prec == 0 && s.verb|0x20 == 'f':
		digits += "."
	}
	if s.verb < 'a' {
		digits = strings.ToUpper(digits)
	}
	return st.padNumber(s, math.Signbit(f) && !math.IsNaN(f), "", digits, 3)
}

// general is C's %g: Go drops trailing zeros by another rule for exponents.
func general(f float64, prec int, alt bool) string {
	e := strconv.FormatFloat(f, 'e', prec-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if f != 0 && (exp < -4 || exp >= prec) {
		mant, tail, _ := strings.Cut(e, "e")
		return trimZeros(mant, alt) + "e" + tail
	}
	if f == 0 {
		exp = 0
	}
	return trimZeros(strconv.FormatFloat(f, 'f', max(0, prec-1-exp), 64), alt)
}

func trimZeros(s string, alt bool) string {
	dot := strings.IndexByte(s, '.') >= 0
	if alt && !dot {
		return s + "."
	}
	if alt || !dot {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// padNumber puts sign, prefix, zeros and digits together.
func (st *state) padNumber(s *spec, negative bool, prefix, digits string, every int) string {
	sign := ""
	switch {
	case negative:
		sign = "-"
	case s.sign != 0:
		sign = string(s.sign)
	}
	if s.group != "" {
		digits = grouped(digits, s.group, every)
	}
	n := s.width - len(sign) - len(prefix) - len(digits)
	if n > 0 && (s.zero && s.align == 0 || s.align == '=') {
		fill := s.fill
		if s.zero {
			fill = "0"
		}
		zeros, _ := st.repeated(fill, int64(n))
		return sign + prefix + zeros + digits
	}
	whole := *s
	whole.prec = -1
	return st.padText(&whole, sign+prefix+digits, '>')
}

func grouped(digits, sep string, every int) string {
	whole, rest := digits, ""
	if i := strings.IndexAny(digits, ".e"); i >= 0 && every == 3 {
		whole, rest = digits[:i], digits[i:]
	}
	for i := len(whole) - every; i > 0; i -= every {
		whole = whole[:i] + sep + whole[i:]
	}
	return whole + rest
}
