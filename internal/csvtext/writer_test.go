package csvtext

import "testing"

func TestStyle(t *testing.T) {
	excel := Style{Delimiter: ",", Quote: `"`, End: "\r\n", Double: true}
	with := func(f func(s *Style)) *Style {
		s := excel
		f(&s)
		return &s
	}
	for _, c := range []struct {
		s             *Style
		in, want      string
		number, alone bool
	}{
		{s: &excel, in: "a", want: "a"},
		{s: &excel, in: "a,b", want: `"a,b"`},
		{s: &excel, in: `a"b`, want: `"a""b"`},
		{s: &excel, in: "a\nb", want: "\"a\nb\""},
		{s: &excel, in: " a", want: `" a"`},
		{s: &excel, in: "", want: ""},
		{s: &excel, in: "", want: `""`, alone: true},
		{s: &excel, in: `a\b`, want: `a\b`},
		{s: with(func(s *Style) { s.Quoting = All }), in: "1", want: `"1"`, number: true},
		{s: with(func(s *Style) { s.Quoting = NonNumeric }), in: "1", want: "1", number: true},
		{s: with(func(s *Style) { s.Quoting = NonNumeric }), in: "1", want: `"1"`},
		{s: with(func(s *Style) { s.Quoting, s.Escape = None, `\` }), in: "a,\"\n\\", want: "a\\,\\\"\\\n\\\\"},
		{s: with(func(s *Style) { s.Quoting = None }), in: `a,"`, want: `a,"`},
		{s: with(func(s *Style) { s.Double, s.Escape = false, "^" }), in: `a"^`, want: `"a^"^^"`},
		{s: with(func(s *Style) { s.Double = false }), in: `a"`, want: "error: " + errQuote.Error()},
		{s: with(func(s *Style) { s.Double = false }), in: `a,`, want: `"a,"`},
		{s: with(func(s *Style) { s.Quote = "'" }), in: `a'"`, want: `'a''"'`},
		{s: with(func(s *Style) { s.End = "~" }), in: "a~", want: `"a~"`},
	} {
		out, err := c.s.AppendField(nil, []byte(c.in), c.number, c.alone)
		got := string(out)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%q in %+v: %q, want %q", c.in, *c.s, got, c.want)
		}
	}
}
