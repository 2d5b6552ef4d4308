package jinja

import (
	"math"
	"math/big"
	"math/bits"
	"time"
)

// arith is a binary operator.
func (st *state) arith(op string, a, b Value) Value {
	if a.isNum() && b.isNum() {
		return st.numbers(op, a, b)
	}
	for _, v := range [...]Value{a, b} {
		if v.k == kUndef {
			return st.undefined(v)
		}
	}
	switch op {
	case "+":
		if v, ok := st.join(a, b); ok {
			return v
		}
	case "*":
		if b.isSmall() {
			a, b = b, a
		}
		if v, ok := st.repeat(b, a); ok {
			return v
		}
	case "%":
		if a.k == kStr {
			return st.percent(a.s, b)
		}
	}
	if v, ok := st.times(op, a, b); ok {
		return v
	}
	return st.fail(CodeType, "operator %s is not there for '%s' and '%s'", op, a.typeName(), b.typeName())
}

// join is + of sequences.
func (st *state) join(a, b Value) (Value, bool) {
	if a.k != b.k {
		return Value{}, false
	}
	switch a.k {
	case kStr, kBytes:
		if !st.room(len(a.s) + len(b.s)) {
			return Value{}, true
		}
		return Value{k: a.k, s: a.s + b.s}, true
	case kList, kTuple:
		x, y := a.items(), b.items()
		if !st.roomList(len(x) + len(y)) {
			return Value{}, true
		}
		all := append(append(make([]Value, 0, len(x)+len(y)), x...), y...)
		return Value{k: a.k, o: &list{all, a.k == kList}}, true
	}
	return Value{}, false
}

// repeat is * of a sequence.
func (st *state) repeat(v, times Value) (Value, bool) {
	if !times.isSmall() {
		return Value{}, false
	}
	n := max(0, times.n)
	switch v.k {
	case kStr, kBytes:
		s, ok := st.repeated(v.s, n)
		return Value{k: v.k, s: s}, ok || st.err != nil
	case kList, kTuple:
		items := v.items()
		if len(items) == 0 {
			n = 0
		}
		if n > math.MaxInt32 || !st.roomList(int(n)*len(items)) {
			return Value{}, !st.limit("a list repeated %d times is too long", n)
		}
		all := make([]Value, 0, int(n)*len(items))
		for range n {
			all = append(all, items...)
		}
		return Value{k: v.k, o: &list{all, v.k == kList}}, true
	}
	return Value{}, false
}

// repeated is s, n times over, if there is room for it.
func (st *state) repeated(s string, n int64) (string, bool) {
	if s == "" || n <= 0 {
		return "", true
	}
	hi, size := bits.Mul64(uint64(len(s)), uint64(n))
	if hi != 0 || size > math.MaxInt32 {
		return "", st.limit("the text repeated %d times is too long", n)
	}
	if !st.room(int(size)) {
		return "", false
	}
	b := make([]byte, 0, size)
	for range n {
		b = append(b, s...)
	}
	return string(b), true
}

func (st *state) numbers(op string, a, b Value) Value {
	if a.k == kFloat || b.k == kFloat || op == "/" {
		if a.isInt() && b.isInt() {
			return st.trueDivide(a, b)
		}
		return st.floats(op, a.float(), b.float())
	}
	if a.o == nil && b.o == nil {
		if v, ok := smallInts(op, a.n, b.n); ok {
			return v
		}
	}
	return st.bigInts(op, a.whole(), b.whole())
}

// smallInts is the fast path; ok is false if the result may not fit.
func smallInts(op string, a, b int64) (Value, bool) {
	switch op {
	case "+":
		s := a + b
		return Int(s), (s > a) == (b > 0)
	case "-":
		d := a - b
		return Int(d), (d < a) == (b > 0)
	case "*":
		const most = 1 << 31
		return Int(a * b), a > -most && a < most && b > -most && b < most
	case "//", "%":
		if b == 0 || b == -1 {
			return Value{}, false
		}
		q, r := a/b, a%b
		if r != 0 && (r < 0) != (b < 0) {
			q, r = q-1, r+b
		}
		if op == "%" {
			return Int(r), true
		}
		return Int(q), true
	}
	return Value{}, false
}

func (st *state) bigInts(op string, a, b *big.Int) Value {
	r := new(big.Int)
	st.work((a.BitLen() + b.BitLen()) * 4)
	switch op {
	case "+":
		r.Add(a, b)
	case "-":
		r.Sub(a, b)
	case "*":
		if !st.roomBits(a.BitLen() + b.BitLen()) {
			return Value{}
		}
		r.Mul(a, b)
	case "//", "%":
		if b.Sign() == 0 {
			return st.fail(CodeValue, "division by zero")
		}
		q, m := new(big.Int), r
		q.QuoRem(a, b, m)
		if m.Sign() != 0 && m.Sign() != b.Sign() {
			q.Sub(q, big.NewInt(1))
			m.Add(m, b)
		}
		if op == "//" {
			r = q
		}
	case "**":
		return st.power(a, b)
	}
	if !st.roomBits(r.BitLen()) {
		return Value{}
	}
	return Big(r)
}

func (st *state) roomBits(n int) bool {
	if n > st.t.opt.Limits.Bits {
		return st.limit("an integer of %d bits is larger than the %d it may have", n, st.t.opt.Limits.Bits)
	}
	return st.room(n / 8)
}

func (st *state) power(a, b *big.Int) Value {
	if b.Sign() < 0 {
		if a.Sign() == 0 {
			return st.fail(CodeValue, "0 cannot be raised to a negative power")
		}
		return st.floats("**", Big(a).float(), Big(b).float())
	}
	if a.BitLen() <= 1 && b.Sign() > 0 { // -1, 0 and 1 stay small
		if a.Sign() < 0 && b.Bit(0) == 0 {
			return Int(1)
		}
		return Int(a.Int64())
	}
	most := int64(st.t.opt.Limits.Bits)
	if !b.IsInt64() || b.Int64() > most {
		st.limit("the power is larger than %d bits", most)
		return Value{}
	}
	if !st.roomBits((a.BitLen() - 1) * int(b.Int64())) {
		return Value{}
	}
	st.work(a.BitLen() * int(b.Int64()) * 4)
	return Big(new(big.Int).Exp(a, b, nil))
}

// trueDivide is / of integers: exact up to the last rounding.
func (st *state) trueDivide(a, b Value) Value {
	if b.n == 0 && b.o == nil {
		return st.fail(CodeValue, "division by zero")
	}
	if a.isSmall() && b.isSmall() && max(a.n, -a.n, b.n, -b.n) < 1<<53 {
		return Float(float64(a.n) / float64(b.n))
	}
	f, _ := new(big.Rat).SetFrac(a.whole(), b.whole()).Float64()
	if math.IsInf(f, 0) {
		return st.fail(CodeValue, "the quotient is too large for a float")
	}
	return Float(f)
}

func (st *state) floats(op string, a, b float64) Value {
	var r float64
	switch op {
	case "+":
		r = a + b
	case "-":
		r = a - b
	case "*":
		r = a * b
	case "**":
		if a == 0 && b < 0 {
			return st.fail(CodeValue, "0 cannot be raised to a negative power")
		}
		if r = math.Pow(a, b); math.IsNaN(r) && a < 0 {
			return st.fail(CodeValue, "a root of a negative number")
		}
		if math.IsInf(r, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
			return st.fail(CodeValue, "the result is too large")
		}
	default:
		return st.floatDivide(op, a, b)
	}
	return Float(r)
}

func (st *state) floatDivide(op string, a, b float64) Value {
	if b == 0 {
		return st.fail(CodeValue, "division by zero")
	}
	if op == "/" {
		return Float(a / b)
	}
	m := math.Mod(a, b)
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	} else if m == 0 {
		m = math.Copysign(0, b)
	}
	if op == "%" {
		return Float(m)
	}
	q := (a - m) / b
	if f := math.Floor(q); q-f > 0.5 {
		q = f + 1
	} else {
		q = f
	}
	if q == 0 {
		q = math.Copysign(0, a/b)
	}
	return Float(q)
}

// sign is unary + and -.
func (st *state) sign(op byte, v Value) Value {
	switch {
	case v.k == kUndef:
		return st.undefined(v)
	case v.k == kFloat && op == '-':
		return Float(-v.float())
	case v.k == kFloat:
		return Float(v.float())
	case v.k == kDelta && op == '-':
		v.n = -v.n
		return v
	case v.k == kDelta:
		return v
	case !v.isInt():
		return st.fail(CodeType, "bad operand type for unary %c: '%s'", op, v.typeName())
	case op == '+':
		return Big(v.whole())
	}
	return Big(new(big.Int).Neg(v.whole()))
}

// times is arithmetic with points in time and spans of it.
func (st *state) times(op string, a, b Value) (Value, bool) {
	point := func(v Value) bool { return v.k == kTime || v.k == kDate }
	switch {
	case op == "+" && b.k == kDelta && point(a):
		return st.shift(a, b.n), true
	case op == "+" && a.k == kDelta && point(b):
		return st.shift(b, a.n), true
	case op == "-" && b.k == kDelta && point(a):
		return st.shift(a, -b.n), true
	case op == "-" && point(a) && a.k == b.k:
		return Value{k: kDelta, n: a.time().UnixMicro() - b.time().UnixMicro()}, true
	case a.k == kDelta && b.k == kDelta:
		return st.spans(op, a.n, b.n)
	case op == "*" && a.isNum() && b.k == kDelta:
		return st.span(float64(b.n) * a.float()), true
	case a.k == kDelta && b.isNum() && (op == "*" || op == "/" || op == "//" && b.isInt()):
		f := b.float()
		if op == "*" {
			return st.span(float64(a.n) * f), true
		}
		if f == 0 {
			return st.fail(CodeValue, "division by zero"), true
		}
		if op == "/" {
			return st.span(float64(a.n) / f), true
		}
		v := st.bigInts(op, big.NewInt(a.n), b.whole())
		v.k = kDelta
		return v, true
	}
	return Value{}, false
}

func (st *state) spans(op string, a, b int64) (Value, bool) {
	switch op {
	case "+":
		return st.span(float64(a) + float64(b)).exactly(a + b), true
	case "-":
		return st.span(float64(a) - float64(b)).exactly(a - b), true
	case "/", "//", "%":
		if b == 0 {
			return st.fail(CodeValue, "division by zero"), true
		}
		if op == "/" {
			return Float(float64(a) / float64(b)), true
		}
		v, ok := smallInts(op, a, b)
		if op == "%" {
			v.k = kDelta
		}
		return v, ok
	}
	return Value{}, false
}

func (v Value) exactly(n int64) Value {
	if v.k == kDelta {
		v.n = n
	}
	return v
}

// span is a timedelta of so many microseconds.
func (st *state) span(us float64) Value {
	if math.IsNaN(us) || math.Abs(us) > 9e18 {
		return st.fail(CodeValue, "the time span is too long")
	}
	return Value{k: kDelta, n: int64(math.RoundToEven(us))}
}

func (st *state) shift(v Value, us int64) Value {
	const day = 24 * 60 * 60 * 1e6
	days := us / day
	t := v.time()
	if days > 4e6 || days < -4e6 {
		return st.fail(CodeValue, "the date is out of range")
	}
	t = t.AddDate(0, 0, int(days))
	if v.k == kTime {
		t = t.Add(time.Duration(us%day) * time.Microsecond)
	} else if us%day < 0 {
		t = t.AddDate(0, 0, -1)
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return st.fail(CodeValue, "the date is out of range")
	}
	return Value{k: v.k, o: &moment{t}}
}
