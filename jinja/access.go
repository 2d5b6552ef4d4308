package jinja

import (
	"slices"
	"unicode/utf8"

	"github.com/sluiceio/sluice/internal/textdist"
)

// lenient tells whether the undefined value passes for an empty one.
func (st *state) lenient(v Value) bool {
	u, ok := v.o.(*undef)
	return st.t.opt.Undefined == Lenient || st.t.opt.Undefined == Debug || ok && u.soft
}

// undefined fails for the use of v.
func (st *state) undefined(v Value) Value {
	u := v.o.(*undef)
	switch {
	case u.hint != "":
		return st.fail(CodeUndefined, "%s", u.hint)
	case u.owner == "":
		return st.failHelp(CodeUndefined, st.suggest(u.name), "'%s' is undefined", u.name)
	}
	return st.fail(CodeUndefined, "%s has no %s", u.owner, u.name)
}

// namer is a Vars that can list its names, so that a misspelt one can be told.
type namer interface{ Names() []string }

// Names lists the variables.
func (m VarMap) Names() []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (st *state) suggest(word string) string {
	n, ok := st.vars.(namer)
	if !ok {
		return ""
	}
	if near := textdist.Nearest(word, n.Names()); near != "" {
		return "did you mean `" + near + "`?"
	}
	return ""
}

func (st *state) missing(owner Value, what string) Value {
	kind := "'" + owner.typeName() + " object'"
	if owner.k == kNone {
		kind = "'None'"
	}
	return Value{k: kUndef, o: &undef{name: what, owner: kind}}
}

// onUndefined is the answer to asking something undefined for a part.
func (st *state) onUndefined(v Value) Value {
	if st.t.opt.Undefined == ChainableStrict {
		return v
	}
	return st.undefined(v)
}

// attr is x.name: a method or attribute first, then an item of that key.
func (st *state) attr(x Value, name string) Value {
	if x.k == kUndef {
		return st.onUndefined(x)
	}
	if v, ok := st.ownAttr(x, name); ok {
		return v
	}
	if x.isDict() {
		if v, ok := st.lookup(x, Str(name)); ok {
			return v
		}
	}
	return st.missing(x, "attribute '"+name+"'")
}

// ownAttr is what Python's getattr finds.
func (st *state) ownAttr(x Value, name string) (Value, bool) {
	if f := st.methodOf(x, name); f != nil {
		return Value{k: kFunc, o: &callable{fn: f, name: name, recv: x}}, true
	}
	if a, ok := x.o.(attributed); ok {
		return a.attr(st, name)
	}
	if x.k == kTuple && x.s == groupMark && (name == "grouper" || name == "list") {
		return x.items()[boolInt(name == "list")], true
	}
	return timeAttr(x, name)
}

// item is x[key]: an item first, then a method or attribute of that name.
func (st *state) item(x, key Value) Value {
	if x.k == kUndef {
		return st.onUndefined(x)
	}
	if key.k == kUndef && !st.lenient(key) {
		return st.undefined(key)
	}
	if x.isDict() {
		if v, ok := st.lookup(x, key); ok {
			return v
		}
	} else if key.isSmall() {
		if v, ok := st.nth(x, key.n); ok {
			return v
		}
	}
	if key.k == kStr {
		if v, ok := st.ownAttr(x, key.s); ok {
			return v
		}
		if key.secret() {
			return st.missing(x, "such element")
		}
		return st.missing(x, "attribute '"+clip(key.s)+"'")
	}
	if key.k == kBytes {
		return st.missing(x, "such element")
	}
	s, _ := st.text(key)
	return st.missing(x, "element "+clip(s))
}

// nth is the element at an index, which may count from the end.
func (st *state) nth(x Value, i int64) (Value, bool) {
	switch x.k {
	case kList, kTuple:
		items := x.items()
		if i = wrap(i, len(items)); i >= 0 {
			return items[i], true
		}
	case kStr:
		s, ok := st.char(x.s, i)
		return Value{k: kStr, f: x.f, s: s}, ok
	case kBytes:
		if i = wrap(i, len(x.s)); i >= 0 {
			return Int(int64(x.s[i])), true
		}
	case kRange:
		r := x.o.(*intRange)
		if i = wrap(i, int(r.len())); i >= 0 {
			return Int(r.start + i*r.step), true
		}
	}
	return Value{}, false
}

func wrap(i int64, n int) int64 {
	if i < 0 {
		i += int64(n)
	}
	if i >= int64(n) {
		return -1
	}
	return max(i, -1)
}

func (st *state) char(s string, i int64) (string, bool) {
	st.work(len(s))
	if i = wrap(i, utf8.RuneCountInString(s)); i < 0 {
		return "", false
	}
	for at := range s {
		if i == 0 {
			_, n := utf8.DecodeRuneInString(s[at:])
			return s[at : at+n], true
		}
		i--
	}
	return "", false
}

// slice is x[low:high:step].
func (st *state) slice(x, low, high, step Value) Value {
	switch x.k {
	case kUndef:
		return st.onUndefined(x)
	case kStr, kBytes, kList, kTuple, kRange:
	default:
		return st.missing(x, "slices")
	}
	by := int64(1)
	if !step.IsNone() {
		by = step.n
	}
	for _, v := range [...]Value{low, high, step} {
		if !v.IsNone() && !v.isSmall() {
			return st.fail(CodeType, "the bounds of a slice are integers, not %s", v.typeName())
		}
	}
	if by == 0 {
		return st.fail(CodeValue, "the step of a slice must not be zero")
	}
	if r, ok := x.o.(*intRange); ok {
		from, to := sliceBounds(low, high, by, int(r.len()))
		return Value{k: kRange, o: &intRange{r.start + int64(from)*r.step, r.start + int64(to)*r.step, r.step * by}}
	}
	if x.k == kStr && by == 1 && isASCII(x.s) || x.k == kBytes && by == 1 {
		from, to := sliceBounds(low, high, 1, len(x.s))
		return Value{k: x.k, f: x.f, s: x.s[from:max(from, to)]}
	}
	return st.sliceItems(x, low, high, by)
}

func (st *state) sliceItems(x, low, high Value, by int64) Value {
	items := st.elements(x)
	if st.err != nil {
		return Value{}
	}
	from, to := sliceBounds(low, high, by, len(items))
	var picked []Value
	for i := from; by > 0 && i < to || by < 0 && i > to; i += int(by) {
		picked = append(picked, items[i])
		if i > 0 && by > int64(len(items)) || by < -int64(len(items)) {
			break
		}
	}
	st.work(valueSize * len(picked))
	switch x.k {
	case kStr, kBytes:
		return st.joined(x, picked)
	case kTuple:
		return Tuple(picked...)
	}
	return newList(picked)
}

// joined puts characters or octets together again.
func (st *state) joined(x Value, parts []Value) Value {
	b := make([]byte, 0, len(parts))
	for _, p := range parts {
		if x.k == kBytes {
			b = append(b, byte(p.n))
		} else {
			b = append(b, p.s...)
		}
	}
	return Value{k: x.k, f: x.f, s: string(b)}
}

// sliceBounds applies Python's rules for bounds outside of the sequence.
func sliceBounds(low, high Value, step int64, n int) (from, to int) {
	clamp := func(v Value, unset int) int {
		if v.IsNone() {
			return unset
		}
		i := v.n
		if i < 0 {
			i = max(i, -int64(n)-1) + int64(n)
		}
		if step < 0 {
			return int(min(max(i, -1), int64(n)-1))
		}
		return int(min(max(i, 0), int64(n)))
	}
	if step < 0 {
		return clamp(low, n-1), clamp(high, -1)
	}
	return clamp(low, 0), clamp(high, n)
}

// iterate gives the elements a for statement walks over. The result must not
// be changed.
func (st *state) iterate(v Value) []Value {
	if it, ok := v.o.(*iter); ok {
		items := it.items
		it.items = nil
		return items
	}
	return st.elements(v)
}

func (st *state) elements(v Value) []Value {
	switch v.k {
	case kList, kTuple:
		st.work(len(v.items()))
		return slices.Clip(v.items())
	case kDict, kMap:
		keys, _ := st.members(v)
		return slices.Clip(keys)
	case kStr, kBytes:
		return st.letters(v)
	case kRange:
		return st.counted(v.o.(*intRange))
	case kView:
		return st.viewed(v.o.(*view))
	case kUndef:
		if !st.lenient(v) {
			st.undefined(v)
		}
		return nil
	}
	st.fail(CodeType, "'%s' object is not iterable", v.typeName())
	return nil
}

func (st *state) letters(v Value) []Value {
	n := len(v.s)
	if v.k == kStr {
		n = utf8.RuneCountInString(v.s)
	}
	if !st.roomList(n) {
		return nil
	}
	items := make([]Value, 0, n)
	if v.k == kBytes {
		for i := range n {
			items = append(items, Int(int64(v.s[i])))
		}
		return items
	}
	for i := 0; i < len(v.s); {
		_, size := utf8.DecodeRuneInString(v.s[i:])
		items = append(items, Value{k: kStr, f: v.f, s: v.s[i : i+size]})
		i += size
	}
	return items
}

func (st *state) counted(r *intRange) []Value {
	n := r.len()
	if !st.roomList(int(n)) {
		return nil
	}
	items := make([]Value, n)
	for i := range items {
		items[i] = Int(r.start + int64(i)*r.step)
	}
	return items
}

func (st *state) viewed(w *view) []Value {
	keys, vals := st.members(w.of)
	switch {
	case w.what == "keys":
		return slices.Clip(keys)
	case w.what == "values":
		return slices.Clip(vals)
	case !st.roomList(3 * len(keys)):
		return nil
	}
	pairs := make([]Value, len(keys))
	for i := range keys {
		pairs[i] = Tuple(keys[i], vals[i])
	}
	return pairs
}

// length is Python's len.
func (st *state) length(v Value) (int, bool) {
	switch v.k {
	case kStr:
		st.work(len(v.s))
		return utf8.RuneCountInString(v.s), true
	case kBytes:
		return len(v.s), true
	case kList, kTuple:
		return len(v.items()), true
	case kDict, kMap:
		return st.dictLen(v), true
	case kRange:
		return int(v.o.(*intRange).len()), true
	case kView:
		return st.dictLen(v.o.(*view).of), true
	case kUndef:
		if !st.lenient(v) {
			st.undefined(v)
		}
		return 0, true
	}
	return 0, false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
