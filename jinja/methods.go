package jinja

import "math"

// methodTable holds Python's methods by the kind of value that has them. Only
// Compile names it: methods look methods up again, so they reach it through
// the template.
type methodTable [kObj + 1]map[string]*Func

var methods = methodTable{
	kStr: strMethods, kBytes: bytesMethods, kList: listMethods, kTuple: tupleMethods, kDict: dictMethods, kMap: dictMethods,
	kInt: intMethods, kBool: intMethods, kFloat: floatMethods, kTime: timeMethods, kDate: dateMethods, kDelta: deltaMethods,
}

// methodOf finds a method of Python's type of v.
func (st *state) methodOf(v Value, name string) *Func { return st.t.methods[v.k][name] }

// strMethods and the tables below are Python's methods of each type.
var strMethods = map[string]*Func{
	"capitalize":   NewFunc("", func(c *Call) Value { return c.like(capitalize(c.Recv.s)) }),
	"casefold":     NewFunc("", func(c *Call) Value { return c.like(casefold(c.Recv.s)) }),
	"center":       NewFunc("width fill?", func(c *Call) Value { return c.pad(true, true) }),
	"count":        NewFunc("sub start? end?", strCount),
	"encode":       NewFunc("encoding? errors?", strEncode),
	"endswith":     NewFunc("suffix start? end?", func(c *Call) Value { return c.affix(false) }),
	"expandtabs":   NewFunc("tabsize?", strExpandTabs),
	"find":         NewFunc("sub start? end?", func(c *Call) Value { return Int(c.find(false)) }),
	"format":       NewFunc("* **", strFormat),
	"format_map":   NewFunc("mapping", strFormatMap),
	"index":        NewFunc("sub start? end?", func(c *Call) Value { return c.found(c.find(false)) }),
	"isalnum":      NewFunc("", func(c *Call) Value { return c.all(isAlnum) }),
	"isalpha":      NewFunc("", func(c *Call) Value { return c.all(isAlpha) }),
	"isascii":      NewFunc("", func(c *Call) Value { return Bool(isASCII(c.Recv.s)) }),
	"isdecimal":    NewFunc("", func(c *Call) Value { return c.all(isDecimal) }),
	"isdigit":      NewFunc("", func(c *Call) Value { return c.all(isDecimal) }),
	"isidentifier": NewFunc("", func(c *Call) Value { return Bool(isIdentifier(c.Recv.s)) }),
	"islower":      NewFunc("", func(c *Call) Value { return Bool(isLower(c.Recv.s)) }),
	"isnumeric":    NewFunc("", func(c *Call) Value { return c.all(isNumeric) }),
	"isprintable":  NewFunc("", func(c *Call) Value { return Bool(isPrintable(c.Recv.s)) }),
	"isspace":      NewFunc("", func(c *Call) Value { return c.all(isSpace) }),
	"istitle":      NewFunc("", func(c *Call) Value { return Bool(isTitle(c.Recv.s)) }),
	"isupper":      NewFunc("", func(c *Call) Value { return Bool(isUpper(c.Recv.s)) }),
	"join":         NewFunc("iterable", strJoin),
	"ljust":        NewFunc("width fill?", func(c *Call) Value { return c.pad(false, true) }),
	"lower":        NewFunc("", func(c *Call) Value { return c.like(lower(c.Recv.s)) }),
	"lstrip":       NewFunc("chars?", func(c *Call) Value { return c.strip(true, false) }),
	"partition":    NewFunc("sep", func(c *Call) Value { return c.partition(false) }),
	"removeprefix": NewFunc("prefix", func(c *Call) Value { return c.removeAffix(true) }),
	"removesuffix": NewFunc("suffix", func(c *Call) Value { return c.removeAffix(false) }),
	"replace":      NewFunc("old new count?", strReplace),
	"rfind":        NewFunc("sub start? end?", func(c *Call) Value { return Int(c.find(true)) }),
	"rindex":       NewFunc("sub start? end?", func(c *Call) Value { return c.found(c.find(true)) }),
	"rjust":        NewFunc("width fill?", func(c *Call) Value { return c.pad(true, false) }),
	"rpartition":   NewFunc("sep", func(c *Call) Value { return c.partition(true) }),
	"rsplit":       NewFunc("sep? maxsplit?", func(c *Call) Value { return c.split(true) }),
	"rstrip":       NewFunc("chars?", func(c *Call) Value { return c.strip(false, true) }),
	"split":        NewFunc("sep? maxsplit?", func(c *Call) Value { return c.split(false) }),
	"splitlines":   NewFunc("keepends?", strSplitLines),
	"startswith":   NewFunc("prefix start? end?", func(c *Call) Value { return c.affix(true) }),
	"strip":        NewFunc("chars?", func(c *Call) Value { return c.strip(true, true) }),
	"swapcase":     NewFunc("", func(c *Call) Value { return c.like(swapcase(c.Recv.s)) }),
	"title":        NewFunc("", func(c *Call) Value { return c.like(title(c.Recv.s)) }),
	"upper":        NewFunc("", func(c *Call) Value { return c.like(upper(c.Recv.s)) }),
	"zfill":        NewFunc("width", strZfill),
}

var bytesMethods = map[string]*Func{
	"count":      strMethods["count"],
	"decode":     NewFunc("encoding? errors?", bytesDecode),
	"endswith":   strMethods["endswith"],
	"find":       strMethods["find"],
	"hex":        NewFunc("sep?", bytesHex),
	"index":      strMethods["index"],
	"join":       strMethods["join"],
	"lower":      NewFunc("", func(c *Call) Value { return c.like(asciiCase(c.Recv.s, 'A', 'Z')) }),
	"partition":  strMethods["partition"],
	"replace":    strMethods["replace"],
	"rfind":      strMethods["rfind"],
	"rpartition": strMethods["rpartition"],
	"rsplit":     NewFunc("sep? maxsplit?", func(c *Call) Value { return c.split(true) }),
	"split":      strMethods["split"],
	"startswith": strMethods["startswith"],
	"strip":      strMethods["strip"],
	"lstrip":     strMethods["lstrip"],
	"rstrip":     strMethods["rstrip"],
	"upper":      NewFunc("", func(c *Call) Value { return c.like(asciiCase(c.Recv.s, 'a', 'z')) }),
}

var listMethods = map[string]*Func{
	"append":  NewFunc("item", func(c *Call) Value { return c.insert(math.MaxInt, c.Arg(0)) }),
	"clear":   NewFunc("", func(c *Call) Value { return c.change(func(l *list) { l.items = nil }) }),
	"copy":    NewFunc("", func(c *Call) Value { return c.st.listOf(c.Recv) }),
	"count":   NewFunc("value", seqCount),
	"extend":  NewFunc("items", func(c *Call) Value { return c.insert(math.MaxInt, c.st.iterate(c.Arg(0))...) }),
	"index":   NewFunc("value", seqIndex),
	"insert":  NewFunc("index item", func(c *Call) Value { return c.insert(c.Int(0), c.Arg(1)) }),
	"pop":     NewFunc("index?", listPop),
	"remove":  NewFunc("value", listRemove),
	"reverse": NewFunc("", func(c *Call) Value { return c.change(func(l *list) { l.items = reversed(l.items) }) }),
	"sort":    NewFunc("reverse?", listSort),
}

var tupleMethods = map[string]*Func{"count": listMethods["count"], "index": listMethods["index"]}

var dictMethods = map[string]*Func{
	"clear":      NewFunc("", dictClear),
	"copy":       NewFunc("", func(c *Call) Value { return c.st.dictOf(c.Recv) }),
	"get":        NewFunc("key default?", dictGet),
	"items":      NewFunc("", func(c *Call) Value { return newView(c.Recv, "items") }),
	"keys":       NewFunc("", func(c *Call) Value { return newView(c.Recv, "keys") }),
	"pop":        NewFunc("key default?", dictPop),
	"setdefault": NewFunc("key default?", dictSetDefault),
	"update":     NewFunc("from? **", dictUpdate),
	"values":     NewFunc("", func(c *Call) Value { return newView(c.Recv, "values") }),
}

var intMethods = map[string]*Func{
	"bit_count":  NewFunc("", intBitCount),
	"bit_length": NewFunc("", func(c *Call) Value { return Int(int64(c.Recv.whole().BitLen())) }),
	"conjugate":  NewFunc("", func(c *Call) Value { return Big(c.Recv.whole()) }),
}

var floatMethods = map[string]*Func{
	"is_integer": NewFunc("", func(c *Call) Value { return Bool(isWhole(c.Recv.float())) }),
	"conjugate":  NewFunc("", func(c *Call) Value { return c.Recv }),
}
