package jinja

// builtinTests are the tests of the language itself: what may follow `is`.
var builtinTests = map[string]*Func{
	"boolean":     isTest(func(v Value) bool { return v.k == kBool }),
	"callable":    isTest(isCallable),
	"defined":     isTest(func(v Value) bool { return v.k != kUndef }),
	"divisibleby": NewFunc("num", func(c *Call) Value { return c.remainder(c.Arg(0), 0) }),
	"escaped":     isTest(func(v Value) bool { return v.f&flagSafe != 0 }),
	"even":        NewFunc("", func(c *Call) Value { return c.remainder(Int(2), 0) }),
	"false":       isTest(func(v Value) bool { return v.k == kBool && v.n == 0 }),
	"filter":      NewFunc("", func(c *Call) Value { return Bool(c.st.t.filters[c.Recv.s] != nil) }),
	"float":       isTest(func(v Value) bool { return v.k == kFloat }),
	"integer":     isTest(func(v Value) bool { return v.k == kInt }),
	"iterable":    NewFunc("", testIterable),
	"lower":       NewFunc("", func(c *Call) Value { return Bool(isLower(c.soft())) }),
	"mapping":     isTest(Value.isDict),
	"none":        isTest(Value.IsNone),
	"number":      isTest(Value.isNum),
	"odd":         NewFunc("", func(c *Call) Value { return c.remainder(Int(2), 1) }),
	"sameas":      NewFunc("other", testSame),
	"sequence":    NewFunc("", testSequence),
	"string":      isTest(func(v Value) bool { return v.k == kStr }),
	"test":        NewFunc("", func(c *Call) Value { return Bool(c.st.t.tests[c.Recv.s] != nil) }),
	"true":        isTest(func(v Value) bool { return v.k == kBool && v.n == 1 }),
	"undefined":   isTest(func(v Value) bool { return v.k == kUndef }),
	"upper":       NewFunc("", func(c *Call) Value { return Bool(isUpper(c.soft())) }),

	"==": compareTest("=="), "eq": compareTest("=="), "equalto": compareTest("=="),
	"!=": compareTest("!="), "ne": compareTest("!="),
	"<": compareTest("<"), "lt": compareTest("<"), "lessthan": compareTest("<"),
	"<=": compareTest("<="), "le": compareTest("<="),
	">": compareTest(">"), "gt": compareTest(">"), "greaterthan": compareTest(">"),
	">=": compareTest(">="), "ge": compareTest(">="),
	"in": compareTest("in"),
}

func isTest(is func(Value) bool) *Func {
	return NewFunc("", func(c *Call) Value { return Bool(is(c.Recv)) })
}

func compareTest(op string) *Func {
	return NewFunc("other", func(c *Call) Value { return Bool(c.st.compare(op, c.Recv, c.Arg(0))) })
}

func isCallable(v Value) bool {
	_, ok := v.o.(caller)
	return ok || v.k == kFunc || v.k == kUndef // Python's Undefined has a __call__
}

func (c *Call) remainder(by Value, want int64) Value {
	return Bool(c.st.equal(c.st.arith("%", c.Recv, by), Int(want)))
}

func testIterable(c *Call) Value {
	switch c.Recv.k {
	case kUndef:
		c.st.iterate(c.Recv)
		return Bool(true)
	case kStr, kBytes, kList, kTuple, kDict, kMap, kIter, kRange, kView:
		return Bool(true)
	}
	return Bool(false)
}

func testSequence(c *Call) Value {
	switch c.Recv.k {
	case kUndef:
		return Bool(c.st.lenient(c.Recv))
	case kStr, kBytes, kList, kTuple, kDict, kMap, kRange:
		return Bool(true)
	}
	return Bool(false)
}

func testSame(c *Call) Value {
	a, b := c.Recv, c.Arg(0)
	return Bool(a.k == b.k && a.n == b.n && a.o == b.o && constantTimeEqual(a.s, b.s))
}
