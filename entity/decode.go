package entity

import (
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// DecodeOptions bound and shape what [Decode] reads. The zero value reads the
// wire form with the default bounds.
type DecodeOptions struct {
	MaxDepth int // levels of lists and dicts; 0 means 512
	MaxBytes int // of the text; 0 means 104857600
	// FloatAsDecimal makes numbers with a fraction Decimals; FloatAsInt makes
	// those whose fraction is zero Ints.
	FloatAsDecimal, FloatAsInt bool
	// Plain leaves strings that begin with a transit tag as they are.
	Plain bool
	// Stored promises bytes written by AppendJSON: they are not validated.
	Stored bool
}

const (
	defaultMaxDepth = 512
	defaultMaxBytes = 104857600
)

// SyntaxError tells why a text is no acceptable JSON, and where.
type SyntaxError struct {
	Code      string // "json/…"
	Offset    int    // in bytes, from 0
	Line, Col int    // from 1, columns in characters
	Msg       string
}

// Error says what is wrong with line and column.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Col, e.Msg)
}

// Decode reads exactly one JSON value with transit tags. The value refers to
// data, which must not change while it is in use, and to memory of the arena.
// It accepts what a strict RFC 8259 reader accepts, except duplicate keys and
// what exceeds the bounds. Errors are *SyntaxError.
func Decode(a *Arena, data []byte, o DecodeOptions) (Value, error) {
	return decode(a, StringIn(data), o)
}

// DecodeText is [Decode] of a string.
func DecodeText(a *Arena, s string, o DecodeOptions) (Value, error) { return decode(a, s, o) }

// DecodeString is [Decode] of a string onto the heap with default options.
func DecodeString(s string) (Value, error) { return decode(nil, s, DecodeOptions{}) }

func decode(a *Arena, src string, o DecodeOptions) (Value, error) {
	if o.MaxDepth == 0 {
		o.MaxDepth = defaultMaxDepth
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if a == nil {
		d := &decoder{src: src, o: o}
		return d.run()
	}
	d := &a.decoder
	*d = decoder{arena: a, src: src, o: o, values: d.values[:0], members: d.members[:0], root: d.root, shapes: d.shapes}
	d.slot = &d.root
	v, err := d.run()
	d.src = ""
	return v, err
}

// decoder is the state of one Decode. Elements and members gather on stacks
// until their container ends, so that containers take exactly their size.
type decoder struct {
	arena   *Arena
	src     string
	pos     int
	depth   int
	o       DecodeOptions
	values  []Value
	members []Member
	loose   bool // white space since the current container began
	tagged  bool // a transit value since the current container began
	err     *SyntaxError
	root    *shape  // of the outermost dict
	slot    **shape // where the shape of the next dict is kept, or nil
	shapes  int     // keys of all shapes
}

func (d *decoder) run() (Value, error) {
	if len(d.src) > d.o.MaxBytes {
		d.fail(0, "json/size", fmt.Sprintf("the text has %d bytes, more than %d", len(d.src), d.o.MaxBytes))
		return Value{}, d.err
	}
	d.space()
	v := d.value()
	if d.err == nil {
		if d.space(); d.pos < len(d.src) {
			d.fail(d.pos, "json/trailing", "more text after the end of the value")
		}
	}
	if d.err != nil {
		return Value{}, d.err
	}
	return v, nil
}

// fail records the first error and moves to the end, which stops every loop.
func (d *decoder) fail(at int, code, msg string) {
	if d.err != nil {
		return
	}
	before := d.src[:at]
	line := 1 + strings.Count(before, "\n")
	col := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	d.err = &SyntaxError{Code: code, Offset: at, Line: line, Col: col, Msg: msg}
	d.pos = len(d.src)
}

// space steps over white space. Compact text has none, so the first look is
// cheap enough to be inlined.
func (d *decoder) space() {
	if d.pos < len(d.src) && d.src[d.pos] <= ' ' {
		d.spaces()
	}
}

func (d *decoder) spaces() {
	for d.pos < len(d.src) {
		switch d.src[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
			d.loose = true
		default:
			return
		}
	}
}

func (d *decoder) value() Value {
	if d.pos >= len(d.src) {
		d.fail(len(d.src), "json/end", "the text ends where a value is expected")
		return Value{}
	}
	switch c := d.src[d.pos]; c {
	case '"':
		return d.stringValue()
	case '{':
		return d.nested((*decoder).object)
	case '[':
		return d.nested((*decoder).array)
	case 't':
		return d.word("true", Value{tag: tag{kind: Bool}, num: 1})
	case 'f':
		return d.word("false", Value{tag: tag{kind: Bool}})
	case 'n':
		return d.word("null", Value{})
	default:
		if c == '-' || (c >= '0' && c <= '9') {
			return d.number()
		}
		d.fail(d.pos, "json/value", fmt.Sprintf("the character %q where a value is expected", c))
		return Value{}
	}
}

func (d *decoder) word(w string, v Value) Value {
	if !strings.HasPrefix(d.src[d.pos:], w) {
		d.fail(d.pos, "json/value", "an unknown word where a value is expected")
		return Value{}
	}
	d.pos += len(w)
	return v
}

// nested reads a container and notes whether its bytes can be copied back:
// they can if no white space stands between tokens.
func (d *decoder) nested(read func(*decoder, int) Value) Value {
	if d.depth++; d.depth > d.o.MaxDepth {
		d.fail(d.pos, "json/depth", fmt.Sprintf("nested deeper than %d levels", d.o.MaxDepth))
		return Value{}
	}
	loose, tagged, start := d.loose, d.tagged, d.pos
	d.loose, d.tagged = false, false
	d.pos++
	v := read(d, start)
	d.loose, d.tagged = d.loose || loose, d.tagged || tagged
	d.depth--
	return v
}

func (d *decoder) array(start int) Value {
	base, slot := len(d.values), d.slot
	d.space()
	if d.peek() != ']' {
		for {
			d.slot = slot
			v := d.value()
			d.values = append(d.values, v)
			if d.space(); d.peek() != ',' {
				break
			}
			d.pos++
			d.space()
		}
	}
	if d.peek() != ']' {
		d.fail(d.pos, "json/list", "a comma or ] is expected in the list that begins at offset "+fmt.Sprint(start))
		return Value{}
	}
	d.pos++
	n := len(d.values) - base
	elems := d.arena.Values(n + 1)
	elems = append(elems, d.values[base:]...)
	d.values = d.values[:base]
	v := Value{tag: tag{kind: List}, n: uint32(n), num: uint64(saturated(uint64(d.pos - start)))}
	if !d.loose {
		elems = append(elems, textValue(String, d.src[start:d.pos]))
		v.flags |= flagRaw
	}
	if d.tagged {
		v.flags |= flagTagged
	}
	v.p = unsafe.Pointer(unsafe.SliceData(elems))
	return v
}

func (d *decoder) peek() byte {
	if d.pos < len(d.src) {
		return d.src[d.pos]
	}
	return 0
}

func (d *decoder) object(start int) Value {
	base, slot := len(d.members), d.slot
	var expected *shape
	if slot != nil {
		expected = *slot
	}
	var bloom uint64
	suspect, fits, at := false, true, 0
	d.space()
	if d.peek() != '}' {
		for {
			known, key := expected.key(d, &at)
			var bit uint64
			if known != nil {
				bit, d.slot = known.bit, &known.inner
			} else {
				if key = d.key(); d.err != nil {
					return Value{}
				}
				bit, d.slot, fits = keyBit(key), nil, false
			}
			suspect = suspect || bloom&bit != 0
			bloom |= bit
			d.space()
			v := d.value()
			d.members = append(d.members, Member{key, v})
			if d.space(); d.peek() != ',' {
				break
			}
			d.pos++
			d.space()
		}
	}
	if d.peek() != '}' {
		d.fail(d.pos, "json/dict", "a comma or } is expected in the dict that begins at offset "+fmt.Sprint(start))
		return Value{}
	}
	d.pos++
	o := d.arena.NewObject(len(d.members) - base)
	o.members = append(o.members, d.members[base:]...)
	d.members = d.members[:base]
	// Keys that came in the order of a shape are all different.
	d.finish(o, start, suspect && !fits)
	if slot != nil && d.err == nil {
		d.noteShape(slot, o.members, fits)
	}
	return o.Value()
}

// key reads a key and its colon.
func (d *decoder) key() string {
	if d.peek() != '"' {
		d.fail(d.pos, "json/key", "a key in double quotes is expected")
		return ""
	}
	key, _ := d.str()
	if d.space(); d.peek() != ':' {
		d.fail(d.pos, "json/colon", "a colon is expected after the key")
		return ""
	}
	d.pos++
	return key
}

// finish gives a dict its index and its bytes, and looks for a repeated key if
// the Bloom filter saw one coming.
func (d *decoder) finish(o *Object, start int, suspect bool) {
	o.buildIndex()
	if suspect && !d.o.Stored && o.repeats() {
		d.fail(d.repeated(start), "json/duplicate-key", "a key stands twice in this dict")
	}
	if !d.loose {
		o.raw = d.src[start:d.pos]
	}
	o.tagged = d.tagged
}

// keyBit spreads keys over 64 bits by what usually tells them apart.
func keyBit(k string) uint64 {
	if k == "" {
		return 1
	}
	h := uint(len(k))*5 + uint(k[0])*3 + uint(k[len(k)-1])*7 + uint(k[len(k)/2])*11
	return 1 << (h & 63)
}

// repeated finds the second occurrence of a key in the dict whose brace stands
// at start; it is only called when there is one.
func (d *decoder) repeated(start int) int {
	again := &decoder{src: d.src, pos: start + 1, o: d.o, depth: d.depth}
	seen := map[string]bool{}
	for {
		again.space()
		at := again.pos
		key, _ := again.str()
		if seen[key] || again.err != nil {
			return at
		}
		seen[key] = true
		again.space()
		again.pos++
		again.space()
		again.value()
		again.space()
		if again.peek() != ',' {
			return at
		}
		again.pos++
	}
}
