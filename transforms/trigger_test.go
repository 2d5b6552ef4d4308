package transforms

import (
	"testing"

	"github.com/sluiceio/sluice/entity"
)

func TestTriggerMatches(t *testing.T) {
	for _, c := range []struct {
		want, value string
		ok          bool
	}{
		{`"lookup"`, `"lookup"`, true}, {`"look*"`, `"lookup"`, true}, {`"*up"`, `"lookup"`, true}, {`"*"`, `""`, true},
		{`"l*o*p"`, `"lookup"`, true}, {`"l*k*o*"`, `"lookup"`, false}, {`"lookup*lookup"`, `"lookup"`, false},
		{`"a?c"`, `"abc"`, false}, {`"a?c"`, `"a?c"`, true}, {`"**x**"`, `"axb"`, true}, {`""`, `""`, true}, {`""`, `"a"`, false},
		{`false`, `false`, true}, {`false`, `null`, false}, {`"false"`, `false`, false}, {`1`, `1`, true}, {`1`, `"1"`, false},
		{`null`, `null`, false}, {`["a"]`, `["a"]`, true}, {`{"a":1}`, `{"a":1}`, true},
	} {
		if got := matches(value(t, c.want), value(t, c.value)); got != c.ok {
			t.Errorf("%s against %s: %v", c.value, c.want, got)
		}
	}
}

func value(t *testing.T, s string) entity.Value {
	t.Helper()
	v, err := entity.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func FuzzWildcard(f *testing.F) {
	f.Add("a*b*", "axbx")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !wildcard("*", s) || !wildcard(s, s) && !contains(s, '*') {
			t.Errorf("%q does not match itself or *", s)
		}
		if wildcard(pattern, s) && !wildcard(pattern+"*", s) {
			t.Errorf("%q matches %q but not with one more *", s, pattern)
		}
	})
}

func contains(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}
