package ntriples

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite what the cases expect")

// written writes statements so that whatever is read of them shows.
func written(text string) string {
	var b strings.Builder
	for s, err := range Read(text) {
		if err != nil {
			return b.String() + "error: " + err.Error() + "\n"
		}
		fmt.Fprintf(&b, "%d: %s <%s> %s\n", s.Subject.Offset+1, term(s.Subject), s.Predicate, term(s.Object))
	}
	return b.String()
}

func term(t Term) string {
	switch {
	case t.Kind == IRI:
		return "<" + t.Text + ">"
	case t.Kind == Blank:
		return "_:" + t.Text
	case t.Language != "":
		return fmt.Sprintf("%q @%s", t.Text, t.Language)
	case t.Datatype != "":
		return fmt.Sprintf("%q ^^%s", t.Text, t.Datatype)
	}
	return fmt.Sprintf("%q", t.Text)
}

func TestCases(t *testing.T) {
	const path = "testdata/cases.txtar"
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(a.Files); i += 2 {
		in, out := a.Files[i], &a.Files[i+1]
		if strings.TrimSuffix(in.Name, ".nt") != strings.TrimSuffix(out.Name, ".out") {
			t.Fatalf("%s is followed by %s", in.Name, out.Name)
		}
		got := written(string(in.Data))
		if *update {
			out.Data = []byte(got)
		} else if got != string(out.Data) {
			t.Errorf("%s: got\n%swant\n%s", in.Name, got, out.Data)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What a text file cannot show: its end, line ends, and what is no UTF-8.
func TestBytes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"# \xff", "error: line 1, column 3: this is not UTF-8\n"},
		{"<a:b> <a:p> \"1\".\r<a:b> <a:p> \"2\".\r\n\r\n<a:b> <a:p> x", "1: <a:b> <a:p> \"1\"\n18: <a:b> <a:p> \"2\"\n" +
			"error: line 4, column 13: expected an object, which is an IRI in angle brackets, a blank node or a text in double quotes, found 'x'\n"},
		{"<a:b> <a:p> \"\xe6\".", "error: line 1, column 14: this is not UTF-8\n"},
		{"<a:b> <a:p> \"\x00\x7f\u2028\".", "1: <a:b> <a:p> \"\\x00\\x7f\\u2028\"\n"},
		{"<a:b> <a:p> \"æ", "error: line 1, column 13: a text that begins here does not end\n"},
		{"<a:b> <a:p> \"\\", "error: line 1, column 14: this is no escape that a text may have\n"},
		{"<a:b> <a:p> \"\\u12", "error: line 1, column 14: \\u has 4 digits after it\n"},
		{"<a:b", "error: line 1, column 1: an IRI that begins here does not end\n"},
		{"<a:b> <a:p> <a:c>", "error: line 1, column 18: expected the . that ends a statement, found the end\n"},
		{"<a:b>", "error: line 1, column 6: expected a predicate, which is an IRI in angle brackets, found the end\n"},
		{"\ufeff<a:b>", "error: line 1, column 1: expected a subject, which is an IRI in angle brackets or a blank node, found '\\ufeff'\n"},
	} {
		if got := written(c.in); got != c.want {
			t.Errorf("%q: got\n%swant\n%s", c.in, got, c.want)
		}
	}
}

// FuzzRead writes what was read once more: it says the same, and nothing that is
// read has in it what N-Triples cannot have. Errors have a place in the text.
func FuzzRead(f *testing.F) {
	a, err := txtar.ParseFile("testdata/cases.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(a.Files); i += 2 {
		f.Add(string(a.Files[i].Data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b strings.Builder
		for s, err := range Read(text) {
			if err != nil {
				e := err.(*Error)
				if lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1; e.Line < 1 || e.Line > lines || e.Col < 1 {
					t.Fatalf("%v in %d lines", err, lines)
				}
				break
			}
			if !Absolute(s.Predicate) || !utf8.ValidString(s.Object.Text) {
				t.Fatalf("%+v", s)
			}
			fmt.Fprintf(&b, "%s <%s> %s .\n", again(s.Subject), s.Predicate, again(s.Object))
		}
		once := b.String()
		b.Reset()
		for s, err := range Read(once) {
			if err != nil {
				t.Fatalf("%q became %q: %v", text, once, err)
			}
			fmt.Fprintf(&b, "%s <%s> %s .\n", again(s.Subject), s.Predicate, again(s.Object))
		}
		if b.String() != once {
			t.Fatalf("%q became %q and then %q", text, once, b.String())
		}
	})
}

// again writes a term as N-Triples with everything escaped.
func again(t Term) string {
	if t.Kind != Literal {
		return term(t)
	}
	var b strings.Builder
	for _, c := range t.Text {
		fmt.Fprintf(&b, `\U%08X`, c)
	}
	switch {
	case t.Language != "":
		return `"` + b.String() + `"@` + t.Language
	case t.Datatype != "":
		return `"` + b.String() + `"^^<` + t.Datatype + ">"
	}
	return `"` + b.String() + `"`
}
