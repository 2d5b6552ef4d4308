package entity

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// What a decoder remembers of earlier texts changes nothing: one that has seen
// many reads each as a fresh one does, repeated keys and all.
func TestShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	a := NewArena()
	refused := 0
	for i := range 5_000 {
		a.Reset()
		text := randomDict(r, 3)
		got, gotErr := Decode(a, []byte(text), DecodeOptions{})
		want, wantErr := DecodeString(text)
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Fatalf("text %d, %s: %v, a fresh decoder says %v", i, text, gotErr, wantErr)
		}
		if gotErr != nil {
			refused++
			continue
		}
		if !Equal(got, want) || got.String() != want.String() || got.Len() != want.Len() {
			t.Fatalf("text %d, %s is read as %v", i, text, got)
		}
	}
	if refused < 100 {
		t.Errorf("only %d texts with repeated keys", refused)
	}
}

// randomDict is a dict of keys mostly in order, some missing, strange, out of
// order or twice there.
func randomDict(r *rand.Rand, depth int) string {
	var b strings.Builder
	b.WriteByte('{')
	first := true
	for _, k := range []string{"_id", "a", "bb", "ccc", `d\u0061`, "é", "f", "g"} {
		switch r.IntN(12) {
		case 0:
			continue
		case 1:
			k = "extra"
		case 2:
			if r.IntN(8) == 0 {
				k = "a"
			}
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(strings.Repeat(" ", r.IntN(20)/19) + `"` + k + `"` + strings.Repeat(" ", r.IntN(20)/19) + ":")
		switch n := r.IntN(6); {
		case n < 2 && depth > 0:
			b.WriteString(randomDict(r, depth-1))
		case n == 2 && depth > 0:
			b.WriteString("[" + randomDict(r, depth-1) + "," + randomDict(r, depth-1) + "]")
		default:
			fmt.Fprint(&b, r.IntN(100))
		}
	}
	b.WriteByte('}')
	return b.String()
}
