package entity

import (
	"math/rand/v2"
	"testing"
)

// A decimal that is kept as it is written is the one that is read and written
// anew.
func TestPlainDecimals(t *testing.T) {
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := make([]byte, 1+r.IntN(12))
		for i := range text {
			text[i] = "0011259..-e+"[r.IntN(12)]
		}
		fast, ok := readDecimal(string(text))
		slow, slowOK := ParseDecimal(string(text))
		if ok != slowOK || ok && (fast.Kind() != slow.Kind() || fast.Text() != slow.Text()) {
			t.Fatalf("seed %d: %q is read as %v (%v), slowly as %v (%v)", seed, text, fast, ok, slow, slowOK)
		}
	}
	if !isPlainDecimal("-0.0") || !isPlainDecimal("12.50") || isPlainDecimal("01.5") || isPlainDecimal("1.") || isPlainDecimal(".5") {
		t.Error("plain decimals are told from others wrongly")
	}
}
