package csvtext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// rows writes what a reader reads: fields between |, rows between newlines.
func rows(r *Reader) string {
	var b strings.Builder
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			return b.String() + "error: " + err.Error()
		}
		line, col := r.Start(len(fields) - 1)
		for _, f := range fields {
			fmt.Fprintf(&b, "%s|", f)
		}
		fmt.Fprintf(&b, "@%d:%d\n", line, col)
	}
}

func TestReader(t *testing.T) {
	excel, wide := Excel(), Dialect{Delimiter: "||", Quote: '\''}
	for _, c := range []struct {
		d        Dialect
		in, want string
	}{
		{excel, "a,b\n1,2\n", "a|b|@1:3\n1|2|@2:3\n"},
		{excel, "\ufeffa,b\r\n1,2\r3,4", "a|b|@1:3\n1|2|@2:3\n3|4|@3:3\n"},
		{excel, "\n\na\n\n\r\n", "a|@3:1\n"},
		{excel, `"a,""b""` + "\r\n" + `c",d`, "a,\"b\"\r\nc|d|@2:4\n"},
		{excel, `a"b,"c"d,""`, `a"b|cd||@1:10` + "\n"},
		{excel, "\"\"\n,\n", "|@1:1\n||@2:2\n"},
		{excel, "å,ø,æ\n", "å|ø|æ|@1:5\n"},
		{excel, "a\n\"b\nc", "a|@1:1\nerror: line 2, column 1: the quote is not closed before the end of the text"},
		{excel, "a,\x00", "error: line 1, column 3: a null character; set escape_null_bytes to read it"},
		{wide, "a||'b||'||c|d\n", "a|b|||c|d|@1:11\n"},
		{wide, "'a'||''''||\n", "a|'||@1:12\n"},
		{Dialect{Delimiter: ",", SkipSpace: true, Quote: '"'}, "a, \"b\",  c \n", "a|b|c |@1:8\n"},
		{Dialect{Delimiter: "\t"}, "\"a\t'b'\n", "\"a|'b'|@1:4\n"},
		{excel, "", ""},
	} {
		if got := rows(NewReader(strings.NewReader(c.in), c.d)); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.in, got, c.want)
		}
		if got := rows(NewReader(iotest.OneByteReader(strings.NewReader(c.in)), c.d)); got != c.want {
			t.Errorf("%q byte by byte\n got %q\nwant %q", c.in, got, c.want)
		}
	}
}

func TestReaderBounds(t *testing.T) {
	for _, in := range []string{strings.Repeat("x", 2000), strings.Repeat(",", 2000), `"` + strings.Repeat("\n", 2000)} {
		r := NewReader(strings.NewReader("a\n"+in), Excel())
		r.Max = 1000
		if got := rows(r); !strings.HasSuffix(got, "error: line 2, column 1: the row has more than 1000 bytes; is a quote not closed?") {
			t.Errorf("%.20q: %q", in, got)
		}
	}
	broken := io.MultiReader(strings.NewReader("a,b\nc,"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if got := rows(NewReader(broken, Excel())); got != "a|b|@1:3\nerror: unexpected EOF" {
		t.Errorf("a transfer that broke off reads as %q", got)
	}
}

func TestSniff(t *testing.T) {
	for in, want := range map[string]Dialect{
		"a,b\n1,2\n":               {",", '"', false},
		"a;b;c\n1,5;2;3\n1;2,7;\n": {";", '"', false},
		"a\tb\n1,5\t2\n":           {"\t", '"', false},
		"a|b\n1|\"x|y\"\n":         {"|", '"', false},
		"a, b\n1, 2\n":             {",", '"', true},
		"a, b\n1, \"x, y\"\n":      {",", '"', true},
		"a; b\n1,5; \"x; y\"\n":    {";", '"', true},
		"a;'b'\n'x;y';2\n":         {";", '\'', false},
		"'a';'b'\n'x;y';'2'\n":     {";", '\'', false},
		"it's;'tis\nx;y\n":         {";", '"', false},
		"name\nJim\n":              {",", '"', false},
		"a,b\n1,\"x\n2,y\n":        {",", '"', false},
		"":                         {",", '"', false},
		"a;b\n1;2\n3;":             {";", '"', false},
	} {
		if got := Sniff([]byte(in), true); got != want {
			t.Errorf("%q is %+v, want %+v", in, got, want)
		}
	}
	if got := Sniff([]byte("a;b\n1;2\n3;4;\"x"), false); got.Delimiter != ";" {
		t.Errorf("a sample cut within a row is %+v", got)
	}
}

// FuzzReader checks that what was read is read again the same once it has been
// written, in any style, and that no text brings the reader down.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"a,b\n1,\"2\"\r\n", "\"\"\n,", "a;'b'\r'c;';\n", "\x00,\ufeff\"", "a\\,\"\"\"\n\"", " a , b"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(7))
	}
	f.Fuzz(func(t *testing.T, in string, kind uint8) {
		d := []Dialect{Excel(), {"\t", '\'', false}, {"||", '"', false}, {";", '"', true}}[kind%4]
		Sniff([]byte(in), kind%2 == 0)
		first, ok := table(in, d)
		if !ok {
			return
		}
		style := &Style{Delimiter: d.Delimiter, Quote: string(d.Quote), End: []string{"\n", "\r\n"}[kind/4%2], Double: true, Quoting: Quoting(kind / 8 % 3)}
		if d.SkipSpace {
			style.Quoting = All // or a space at the start is lost
		}
		var out []byte
		for _, row := range first {
			for i, field := range row {
				if i > 0 {
					out = append(out, d.Delimiter...)
				}
				var err error
				if out, err = style.AppendField(out, []byte(field), false, len(row) == 1); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, style.End...)
		}
		again, ok := table(string(out), d)
		if !ok || fmt.Sprintf("%q", again) != fmt.Sprintf("%q", first) {
			t.Fatalf("%q was read as %q, written as %q and read as %q", in, first, out, again)
		}
	})
}

func table(in string, d Dialect) (all [][]string, ok bool) {
	r := NewReader(strings.NewReader(in), d)
	r.Nulls = []byte(`\x00`)
	for {
		fields, err := r.Read()
		if err != nil {
			return all, errors.Is(err, io.EOF)
		}
		all = append(all, strings.Split(string(bytes.Join(fields, []byte("\x00"))), "\x00"))
	}
}
