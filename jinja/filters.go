package jinja

import (
	"math/rand/v2"
	"strings"
)

// builtinFilters are the filters of the language itself. It is made by a
// function since map, select and the like look filters and tests up again.
var builtinFilters = map[string]*Func{
	"abs":            NewFunc("", filterAbs),
	"attr":           NewFunc("name", filterAttr),
	"batch":          NewFunc("linecount fill_with?", filterBatch),
	"capitalize":     NewFunc("", func(c *Call) Value { return c.str(capitalize(c.soft())) }),
	"center":         NewFunc("width?", func(c *Call) Value { return c.str(c.padded(c.soft(), " ", c.IntOr(0, 80), true, true)) }),
	"count":          NewFunc("", filterLength),
	"d":              NewFunc("default_value? boolean?", filterDefault),
	"default":        NewFunc("default_value? boolean?", filterDefault),
	"dictsort":       NewFunc("case_sensitive? by? reverse?", filterDictSort),
	"e":              NewFunc("", func(c *Call) Value { return c.escape(false) }),
	"escape":         NewFunc("", func(c *Call) Value { return c.escape(false) }),
	"filesizeformat": NewFunc("binary?", filterFileSize),
	"first":          NewFunc("", filterFirst),
	"float":          NewFunc("default?", filterFloat),
	"forceescape":    NewFunc("", func(c *Call) Value { return c.escape(true) }),
	"format":         NewFunc("* **", filterFormat),
	"groupby":        NewFunc("attribute default? case_sensitive?", filterGroupBy),
	"indent":         NewFunc("width? first? blank?", filterIndent),
	"int":            NewFunc("default? base?", filterInt),
	"items":          NewFunc("", filterItems),
	"join":           NewFunc("d? attribute?", filterJoin),
	"last":           NewFunc("", filterLast),
	"length":         NewFunc("", filterLength),
	"list":           NewFunc("", func(c *Call) Value { return c.st.listOf(c.Recv) }),
	"lower":          NewFunc("", func(c *Call) Value { return c.str(lower(c.soft())) }),
	"map":            NewFunc("* **", filterMap),
	"max":            NewFunc("case_sensitive? attribute?", func(c *Call) Value { return c.extreme(1) }),
	"min":            NewFunc("case_sensitive? attribute?", func(c *Call) Value { return c.extreme(-1) }),
	"pprint":         NewFunc("", filterRepr),
	"random": NewFunc("", func(c *Call) Value {
		items := c.st.iterate(c.Recv)
		if len(items) == 0 {
			return Value{k: kUndef, o: &undef{hint: "No random item, sequence was empty."}}
		}
		return items[rand.IntN(len(items))]
	}),
	"reject":     NewFunc("* **", func(c *Call) Value { return c.selectItems(false, false) }),
	"rejectattr": NewFunc("* **", func(c *Call) Value { return c.selectItems(true, false) }),
	"replace":    NewFunc("old new count?", filterReplace),
	"reverse":    NewFunc("", filterReverse),
	"round":      NewFunc("precision? method?", filterRound),
	"safe":       NewFunc("", func(c *Call) Value { return Value{k: kStr, s: c.soft(), f: flagSafe} }),
	"select":     NewFunc("* **", func(c *Call) Value { return c.selectItems(false, true) }),
	"selectattr": NewFunc("* **", func(c *Call) Value { return c.selectItems(true, true) }),
	"slice":      NewFunc("slices fill_with?", filterSlice),
	"sort":       NewFunc("reverse? case_sensitive? attribute?", filterSort),
	"string":     NewFunc("", func(c *Call) Value { return Value{k: kStr, s: c.soft(), f: c.Recv.f & flagSafe} }),
	"striptags":  NewFunc("", func(c *Call) Value { return c.str(stripTags(c.soft())) }),
	"sum":        NewFunc("attribute? start?", filterSum),
	"title":      NewFunc("", func(c *Call) Value { return c.str(titleWords(c.soft())) }),
	"tojson":     NewFunc("indent?", filterToJSON),
	"trim":       NewFunc("chars?", filterTrim),
	"truncate":   NewFunc("length? killwords? end? leeway?", filterTruncate),
	"unique":     NewFunc("case_sensitive? attribute?", filterUnique),
	"upper":      NewFunc("", func(c *Call) Value { return c.str(upper(c.soft())) }),
	"urlencode":  NewFunc("", filterURLEncode),
	"wordcount":  NewFunc("", func(c *Call) Value { return Int(int64(len(words(c.soft())))) }),
	"wordwrap":   NewFunc("width? break_long_words? wrapstring? break_on_hyphens?", filterWordWrap),
	"xmlattr":    NewFunc("autospace?", filterXMLAttr),
}

// operandStr is the str the filter is applied to.
func (c *Call) operandStr() string {
	if c.Recv.k == kUndef {
		return c.soft()
	}
	if c.Recv.k != kStr {
		c.badType("the operand of "+c.name, "a str", c.Recv)
	}
	return c.Recv.s
}

// soft is the text of what the filter is applied to, whatever its kind.
func (c *Call) soft() string {
	s, secret := c.st.text(c.Recv)
	if secret {
		c.Recv.f |= flagSecret
	}
	c.st.work(len(s))
	return s
}

func (c *Call) str(s string) Value {
	if !c.st.room(len(s)) {
		return Value{}
	}
	return Str(s)
}

func filterAbs(c *Call) Value {
	v := c.Recv
	switch {
	case v.k == kDelta || v.k == kFloat:
		if v.k == kFloat && v.float() >= 0 || v.k == kDelta && v.n >= 0 {
			return v
		}
		return c.st.sign('-', v)
	case v.isInt():
		if v.whole().Sign() < 0 {
			return c.st.sign('-', v)
		}
		return c.st.sign('+', v)
	}
	c.badType("the operand of abs", "a number", v)
	return Value{}
}

func filterAttr(c *Call) Value {
	if c.Recv.k == kUndef {
		return c.st.onUndefined(c.Recv)
	}
	name := c.Text(0)
	if v, ok := c.st.ownAttr(c.Recv, name); ok {
		return v
	}
	return c.st.missing(c.Recv, "attribute '"+clip(name)+"'")
}

func filterDefault(c *Call) Value {
	if c.Recv.k == kUndef || c.BoolOr(1, false) && !c.st.truth(c.Recv) {
		if !c.Has(0) {
			return Str("")
		}
		return c.Arg(0)
	}
	return c.Recv
}

func filterLength(c *Call) Value {
	n, ok := c.st.length(c.Recv)
	if !ok {
		return c.st.fail(CodeType, "'%s' has no length", c.Recv.typeName())
	}
	return Int(int64(n))
}

func filterFormat(c *Call) Value {
	if len(c.rest) > 0 && len(c.more) > 0 {
		return c.Failf("format takes plain or named arguments, not both")
	}
	if len(c.more) > 0 {
		return c.st.percent(c.soft(), Dict(c.more...))
	}
	return c.st.percent(c.soft(), Tuple(c.rest...))
}

func filterRepr(c *Call) Value {
	s, secret := c.st.repr(c.Recv)
	if secret {
		c.Recv.f |= flagSecret
	}
	return Str(s)
}

func filterReplace(c *Call) Value {
	most := c.IntOr(2, -1)
	return c.str(c.replaced(c.soft(), c.st.str(c.Arg(0)), c.st.str(c.Arg(1)), most))
}

func filterReverse(c *Call) Value {
	if c.Recv.k == kStr {
		r := []rune(c.Recv.s)
		return c.str(string(reversed(r)))
	}
	items := reversed(c.st.iterate(c.Recv))
	c.st.roomList(len(items))
	return newIter(items, "list_reverseiterator")
}

func filterTrim(c *Call) Value {
	c.Recv = Value{k: kStr, s: c.soft(), f: c.Recv.f}
	return c.strip(true, true)
}

// escapeHTML escapes as markupsafe does.
func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}

func (c *Call) escape(always bool) Value {
	s := c.soft()
	if c.Recv.f&flagSafe == 0 || always {
		if !c.st.room(5 * len(s)) {
			return Value{}
		}
		s = escapeHTML(s)
	}
	return Value{k: kStr, s: s, f: flagSafe}
}

func filterXMLAttr(c *Call) Value {
	if !c.Recv.isDict() {
		c.badType("the operand of xmlattr", "a dict", c.Recv)
		return Value{}
	}
	var b strings.Builder
	keys, vals := c.st.members(c.Recv)
	for i, k := range keys {
		if vals[i].IsNone() || vals[i].k == kUndef {
			continue
		}
		name := c.st.str(k)
		if strings.ContainsAny(name, "/>= \t\n\r\f\v") {
			return c.Failf("%q is no name for an attribute", clip(name))
		}
		val := c.st.str(vals[i])
		if !c.st.room(5*len(val) + len(name) + 4) {
			return Value{}
		}
		b.WriteString(" " + escapeHTML(name) + `="` + escapeHTML(val) + `"`)
	}
	s := b.String()
	if !c.BoolOr(0, true) {
		s = strings.TrimPrefix(s, " ")
	}
	return Value{k: kStr, s: s, f: flagSafe}
}
