package jsonpos

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	cases := []struct {
		name, src string
		line, col int
		code      string
	}{
		{"brace too many", "{\n  \"a\": 1\n}\n}\n", 4, 1, "json/unbalanced"},
		{"wrong closer", "{\"a\": [1, 2}", 1, 12, "json/unbalanced"},
		{"trailing comma", "{\"a\": 1,\n}", 1, 8, "json/comma"},
		{"missing comma", "{\"a\": 1\n \"b\": 2}", 2, 2, "json/comma"},
		{"missing colon", "{\"a\" 1}", 1, 6, "json/colon"},
		{"single quotes", "{'a': 1}", 1, 2, "json/quotes"},
		{"bare key", "{a: 1}", 1, 2, "json/key"},
		{"comment", "{\n // x\n}", 2, 2, "json/comment"},
		{"python", "[True]", 1, 2, "json/word"},
		{"unclosed", "{\"a\": [1", 1, 9, "json/unclosed"},
		{"empty", "  \n", 2, 1, "json/empty"},
		{"duplicate", "{\"a\":1,\n\"a\":2}", 2, 1, "json/duplicate-key"},
		{"leading zero", "[01]", 1, 3, "json/number"},
		{"bad escape", `["\x"]`, 1, 3, "json/escape"},
		{"lone surrogate", `["\ud800"]`, 1, 3, "json/escape"},
		{"newline in string", "[\"a\nb\"]", 1, 4, "json/control"},
		{"not utf8", "[\"\xff\"]", 1, 3, "json/utf8"},
		{"two values", "{} {}", 1, 4, "json/trailing"},
		{"column counts characters", "[\"æøå\" x]", 1, 8, "json/comma"},
		{"too deep", strings.Repeat("[", 1000), 1, 513, "json/depth"},
	}
	for _, c := range cases {
		_, errs := Parse("f", []byte(c.src))
		if len(errs) == 0 {
			t.Errorf("%s: no error", c.name)
			continue
		}
		e := errs[0]
		if e.Code != c.code || e.Span.Start != (Pos{c.line, c.col}) {
			t.Errorf("%s: got %s at %v (%s), want %s at %d:%d", c.name, e.Code, e.Span.Start, e.Msg, c.code, c.line, c.col)
		}
	}
}

func TestParseKeepsPlaces(t *testing.T) {
	n, errs := Parse("f", []byte("\uFEFF{\r\n  \"a\": [1, {\"b\": \"x\"}]\r\n}"))
	if errs != nil {
		t.Fatal(errs[0])
	}
	b := n.Get("a").Elems[1].Get("b")
	if want := (Span{"f", Pos{2, 18}, Pos{2, 21}}); b.Span != want {
		t.Errorf("got %v, want %v", b.Span, want)
	}
	if got := string(n.AppendJSON(nil)); got != `{"a":[1,{"b":"x"}]}` {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\u00e9\n",true,null]}`, `[`, `{"a" 1}`, "\"\\ud83d\\ude00\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, errs := Parse("f", []byte(s))
		if (n == nil) == (len(errs) == 0) {
			t.Fatal("neither a value nor an error, or both")
		}
		if n == nil {
			return
		}
		out := n.AppendJSON(nil)
		if !json.Valid(out) {
			t.Fatalf("wrote invalid JSON %q", out)
		}
		if again, errs := Parse("f", out); len(errs) > 0 || string(again.AppendJSON(nil)) != string(out) {
			t.Fatalf("does not round trip: %q", out)
		}
	})
}
