package entity

import (
	"testing"
)

// FuzzPick compares what Pick takes out of a dict with what Decode finds there.
func FuzzPick(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":"x\\\"}","b":[{"a":2},"]"],"c":null}`, `{"a\"":1,"b":2}`, `{"b":"~:n:a","a":{"b":{"c":[]}}}`} {
		f.Add(s, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, first, second string) {
		v, err := DecodeString(text)
		if err != nil || v.Object() == nil {
			return
		}
		stored := AppendJSON(nil, v)
		names := []string{first, second}
		got, err := Pick(NewArena(), stored, names, DecodeOptions{})
		if err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		for _, n := range names {
			want, had := v.Object().Get(n)
			have, has := got.Object().Get(n)
			if had != has || had && !Equal(want, have) {
				t.Errorf("%q of %s is %v, want %v", n, stored, have, want)
			}
		}
	})
}
