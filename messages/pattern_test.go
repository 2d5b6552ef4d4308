package messages

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// patternCase is one pattern, with keys that fit and keys that do not.
type patternCase struct {
	Pattern, Error string
	Yes, No        []string
}

func patternCases(t testing.TB) []patternCase {
	t.Helper()
	data, err := os.ReadFile("../testdata/messages/patterns.json")
	var all []patternCase
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil || len(all) == 0 {
		t.Fatal("no cases", err)
	}
	return all
}

func TestPatterns(t *testing.T) {
	for _, c := range patternCases(t) {
		p, err := ParsePattern(c.Pattern)
		if err != nil || c.Error != "" {
			if err == nil || err.Error() != c.Error {
				t.Errorf("%q: error %v, want %q", c.Pattern, err, c.Error)
			}
			continue
		}
		for _, key := range c.Yes {
			if !p.Match(key) {
				t.Errorf("%q does not match %q", c.Pattern, key)
			}
		}
		for _, key := range c.No {
			if p.Match(key) {
				t.Errorf("%q matches %q", c.Pattern, key)
			}
		}
		if p.Exact() != !strings.ContainsAny(c.Pattern, "*#") {
			t.Errorf("%q: exact is %v", c.Pattern, p.Exact())
		}
	}
}

// fits is what a pattern means, written down as it is said.
func fits(pattern, key []string) bool {
	switch {
	case len(pattern) == 0:
		return len(key) == 0
	case pattern[0] == "#":
		return fits(pattern[1:], key) || len(key) > 0 && fits(pattern, key[1:])
	case len(key) == 0:
		return false
	default:
		return (pattern[0] == "*" || pattern[0] == key[0]) && fits(pattern[1:], key[1:])
	}
}

// Whatever the pattern, it matches what its meaning says.
func FuzzPattern(f *testing.F) {
	for _, c := range patternCases(f) {
		for _, key := range append(c.Yes, c.No...) {
			f.Add(c.Pattern, key)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		p, err := ParsePattern(pattern)
		if err != nil || len(key) > longestKey {
			return
		}
		if len(p.words) > 10 || strings.Count(key, ".") > 10 {
			p.Match(key) // the plain way would take too long
			return
		}
		if got, want := p.Match(key), fits(split(pattern), split(key)); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, key, got, want)
		}
	})
}
