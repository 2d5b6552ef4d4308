package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestDecodeRefuses(t *testing.T) {
	cases := []struct {
		src, code string
		col       int
	}{
		{`{"a":1,"b":2,"a":3}`, "json/duplicate-key", 14},
		{`{"a":{"x":1,"x":2}}`, "json/duplicate-key", 13},
		{`[1,]`, "json/value", 4}, {`[01]`, "json/number", 2}, {`[1.]`, "json/number", 4},
		{`[1e]`, "json/number", 4}, {`[1e99999]`, "json/number", 4}, {`["\ud800"]`, "json/escape", 3},
		{"[\"\x01\"]", "json/control", 3}, {"[\"a\xff\"]", "json/utf8", 4}, {`[tru]`, "json/value", 2},
		{`{"a" 1}`, "json/colon", 6}, {`{a:1}`, "json/key", 2}, {`[1] 2`, "json/trailing", 5},
		{`"abc`, "json/unclosed", 5}, {``, "json/end", 1}, {`{"a":1,}`, "json/key", 8},
		{strings.Repeat("[", 1000), "json/depth", 513},
	}
	for _, c := range cases {
		_, err := DecodeString(c.src)
		var s *SyntaxError
		if !errors.As(err, &s) || s.Code != c.code || s.Col != c.col {
			t.Errorf("%.40s: got %v (%+v), want %s at column %d", c.src, err, s, c.code, c.col)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	same := []string{
		`null`, `true`, `-1`, `9223372036854775808`, `1.0`, `1e-7`, `"a\"b\\c\n\u0001"`, `"æ😀"`,
		`{"b":1,"a":[1,{"x":null}],"":""}`, `"~t2015-01-02T03:04:05.1Z"`, `"~t2015-12-31"`, `"~rhttp://x"`,
		`"~:a:b"`, `"~bAAEC"`, `"~u531a379e-0000-0000-0000-000000000001"`, `"~f1.50"`, `"~zunknown"`, `"~tnever"`, `"~"`, `[]`, `{}`,
	}
	for _, s := range same {
		v, err := DecodeString(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if got := v.Clone().String(); got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
	v, _ := DecodeString(`{"d":"~f1.50","t":["~t2015-12-31"],"u":"~rx"}`)
	if got := string(AppendPlain(nil, v)); got != `{"d":1.50,"t":["2015-12-31"],"u":"x"}` {
		t.Error(got)
	}
	spaced, _ := DecodeString(" { \"a\" : [ 1 , 2 ] } ")
	if got := spaced.String(); got != `{"a":[1,2]}` {
		t.Error(got)
	}
}

func TestNumberOptions(t *testing.T) {
	o := DecodeOptions{FloatAsDecimal: true, FloatAsInt: true}
	v, err := Decode(nil, []byte(`[1.50,2.00,3,-0.0,1e2]`), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.String(); got != `["~f1.50",2,3,0,"~f100"]` {
		t.Error(got)
	}
}

func TestHashIgnoresOrderAndReserved(t *testing.T) {
	hash := func(s string) [16]byte {
		v, err := DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return Hash(v)
	}
	base := hash(`{"_id":"1","a":1,"b":{"x":1,"y":[1,2]}}`)
	for _, s := range []string{
		`{"b":{"y":[1,2],"x":1},"_id":"1","a":1,"_updated":7,"_deleted":false}`,
		`{"_id":"1","a":1,"b":{"x":1,"y":[1,2]},"_hash":"x"}`,
	} {
		if hash(s) != base {
			t.Errorf("%s differs", s)
		}
	}
	for _, s := range []string{
		`{"_id":"1","a":1.0,"b":{"x":1,"y":[1,2]}}`, `{"_id":"1","a":1,"b":{"x":1,"y":[2,1]}}`,
		`{"_id":"1","a":1,"b":{"x":1,"y":[1,2]},"_deleted":true}`, `{"_id":"2","a":1,"b":{"x":1,"y":[1,2]}}`,
		`{"_id":"1","a":{"x":1,"y":[1,2]},"b":1}`,
	} {
		if hash(s) == base {
			t.Errorf("%s is the same", s)
		}
	}
}

func TestCompareOrder(t *testing.T) {
	inOrder := []string{
		`null`, `false`, `true`, `-2`, `"~f-1.5"`, `0.5`, `1`, `9007199254740993`, `1e300`, `"~t2015-01-01"`, `"~t2015-01-01T00:00:01Z"`,
		`"~u531a379e-0000-0000-0000-000000000001"`, `"~:a:b"`, `"~rx"`, `"a"`, `"b"`, `{"a":2}`, `{"b":1}`, `[1]`, `[1,0]`, `[2]`, `"~bAA=="`,
	}
	for i, x := range inOrder {
		for j, y := range inOrder {
			a, _ := DecodeString(x)
			b, _ := DecodeString(y)
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", x, y, got, want)
			}
		}
	}
	one, _ := DecodeString(`[1,1.0,"~f1.00"]`)
	for _, e := range one.Elems() {
		if !Equal(e, NewInt(1)) {
			t.Errorf("%v is not 1", e)
		}
	}
}

func TestTexts(t *testing.T) {
	cases := map[string]string{
		`[1, {"a":"]\""} ,[2]]`: `1|{"a":"]\""}|[2]`, "{\"a\":1}\n{\"b\":2}\n": `{"a":1}|{"b":2}`, ` [] `: ``, ``: ``, `3`: `3`,
		`[1 2]`: `1|!`, `[1,2`: `1|2|!`, `[1] x`: `1|!`,
	}
	for src, want := range cases {
		var got []string
		for b, err := range Texts(iotestOneByte{strings.NewReader(src)}, 1000) {
			if err != nil {
				got = append(got, "!")
				break
			}
			got = append(got, string(b))
		}
		if joined := strings.Join(got, "|"); joined != want {
			t.Errorf("%q: got %q, want %q", src, joined, want)
		}
	}
}

// iotestOneByte reads byte by byte, to meet every split.
type iotestOneByte struct{ r *strings.Reader }

func (o iotestOneByte) Read(b []byte) (int, error) { return o.r.Read(b[:1]) }

func TestWideAndLongAreLinear(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"_id":"x"`)
	for i := range 100_000 {
		b.WriteString(`,"key`)
		b.WriteString(strings.Repeat("0", i%3))
		b.WriteString(string(json.Number(rune('a' + i%26))))
		b.WriteString(strings.TrimSpace(NewInt(int64(i)).String()))
		b.WriteString(`":1`)
	}
	b.WriteString(`,"long":"` + strings.Repeat("æ\\n", 2_000_000) + `"}`)
	v, err := Decode(NewArena(), b.Bytes(), DecodeOptions{})
	if err != nil || v.Len() != 100_002 {
		t.Fatal(err, v.Len())
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	line, _ := os.ReadFile("../testdata/perf/orders.ndjson")
	line = line[:bytes.IndexByte(line, '\n')]
	a, dst := NewArena(), make([]byte, 0, 1<<16)
	once := func() {
		a.Reset()
		v, err := Decode(a, line, DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		dst = AppendJSON(dst[:0], v)
		Hash(v)
	}
	for range 10 {
		once() // shapes are learnt from the outside inwards, a level a time
	}
	n := testing.AllocsPerRun(100, once)
	if n != 0 {
		t.Errorf("%v allocations an entity", n)
	}
}

func genValue(depth int) *rapid.Generator[Value] {
	leaf := rapid.OneOf(
		rapid.Just(Value{}), rapid.Map(rapid.Bool(), NewBool), rapid.Map(rapid.Int64(), NewInt),
		rapid.Map(rapid.Float64(), NewFloat), rapid.Map(rapid.String(), NewString),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(genValue(depth-1), 0, 4), func(v []Value) Value { return NewList(v...) }),
		rapid.Map(rapid.MapOfN(rapid.String(), genValue(depth-1), 0, 4), func(m map[string]Value) Value {
			o := &Object{}
			for k, v := range m {
				o.Set(k, v)
			}
			return o.Value()
		}))
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(3).Draw(t, "v")
		text := AppendJSON(nil, v)
		back, err := Decode(NewArena(), text, DecodeOptions{Plain: true})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again := AppendJSON(nil, back.Clone()); !bytes.Equal(text, again) {
			t.Fatalf("%s became %s", text, again)
		}
		if Hash(v) != Hash(back) {
			t.Fatalf("hash of %s changed on the way", text)
		}
		w := genValue(2).Draw(t, "w")
		if Compare(v, w) != -Compare(w, v) || (Compare(v, w) == 0) != Equal(v, w) {
			t.Fatalf("order of %v and %v", v, w)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\u00e9\n",true,null],"b":{}}`, `{"a":1,"a":2}`, `"\ud83d\ude00"`, `[1e400,-0,0.10]`, `"~t2015-12-31"`, `"~f1_0"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(NewArena(), slices.Clone(data), DecodeOptions{})
		if ref := reference(data); ref != (err == nil) {
			t.Fatalf("%q: reference accepts: %v, we: %v", data, ref, err)
		}
		if err != nil {
			return
		}
		text := AppendJSON(nil, v)
		again, err := Decode(nil, slices.Clone(text), DecodeOptions{})
		if err != nil || Hash(again) != Hash(v) || Compare(again, v) != 0 {
			t.Fatalf("%q was written as %q, which reads as %v, %v", data, text, again, err)
		}
		if cloned := AppendJSON(nil, v.Clone()); !json.Valid(cloned) {
			t.Fatalf("%q cloned and written is %q", data, cloned)
		}
	})
}

// reference is the strict reader we agree with: valid for encoding/json, UTF-8,
// no lone surrogate, no duplicate key, and within our bounds.
func reference(data []byte) bool {
	if !json.Valid(data) || !utf8.Valid(data) {
		return false
	}
	return soundEscapes(data) && uniqueKeys(data)
}

func soundEscapes(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		r, ok := hex4(string(data[i:]))
		i++
		if !ok || !utf16.IsSurrogate(r) {
			continue
		}
		low, ok := hex4(string(data[i+5:]))
		if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return false
		}
		i += 10
	}
	return true
}

func uniqueKeys(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return uniqueIn(dec, 0)
}

func uniqueIn(dec *json.Decoder, depth int) bool {
	tok, err := dec.Token()
	if err != nil || depth > 512 {
		return false
	}
	if n, ok := tok.(json.Number); ok {
		return exponentInRange(string(n))
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return true
	}
	if depth >= 512 {
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		if d == '{' {
			k, _ := dec.Token()
			if key, _ := k.(string); seen[key] {
				return false
			} else {
				seen[key] = true
			}
		}
		if !uniqueIn(dec, depth+1) {
			return false
		}
	}
	_, err = dec.Token()
	return err == nil
}

func exponentInRange(n string) bool {
	i := strings.IndexAny(n, "eE")
	if i < 0 {
		return true
	}
	digits := strings.TrimLeft(n[i+1:], "+-0")
	return len(digits) < 4 || len(digits) == 4 && digits <= "6144"
}

func BenchmarkCodec(b *testing.B) {
	data, _ := os.ReadFile("../testdata/perf/orders.ndjson")
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for _, mode := range []struct {
		name string
		o    DecodeOptions
	}{{"foreign", DecodeOptions{}}, {"stored", DecodeOptions{Stored: true}}} {
		b.Run(mode.name, func(b *testing.B) {
			a, dst := NewArena(), []byte(nil)
			b.SetBytes(int64(len(data) / len(lines)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				a.Reset()
				v, err := Decode(a, lines[i%len(lines)], mode.o)
				if err != nil {
					b.Fatal(err)
				}
				dst = AppendJSON(dst[:0], v)
			}
		})
	}
	b.Run("hash", func(b *testing.B) {
		v, _ := Decode(nil, lines[0], DecodeOptions{})
		b.ReportAllocs()
		for b.Loop() {
			Hash(v)
		}
	})
}

func TestAppendBare(t *testing.T) {
	for in, want := range map[string]string{
		`null`: "", `"a\"\n"`: "a\"\n", `"~rhttp://x"`: "http://x", `"~:a:b"`: "a:b", `"~f1.50"`: "1.50", `1.5`: "1.5", `12`: "12", `true`: "true",
		`"~t2020-01-02"`: "2020-01-02", `"~t2020-01-02T03:04:05.1Z"`: "2020-01-02T03:04:05.1Z", `"~bAAE="`: "AAE=",
		`"~u00000000-0000-0000-0000-000000000001"`: "00000000-0000-0000-0000-000000000001", `["~t2020-01-02",{"a":"b"}]`: `["2020-01-02",{"a":"b"}]`,
	} {
		v, err := DecodeString(in)
		if err != nil {
			t.Fatal(in, err)
		}
		if got := string(AppendBare(nil, v)); got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
}
