package entity

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// Floats are written as the shortest text that reads back as the same double,
// and read as the nearest double, whichever way it is done.
func TestFloats(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"0.1", "-0.0", "0.0", "1.0", "123456.789012", "999999999.999999", "1000000000.0", "0.000001", "0.0000001",
		"9007199254740991.0", "9007199254740993.0", "0.30000000000000004", "123456789012345678.5", "-1.5", "4503599627370497.5",
		"0.1234567890123456789012", "1.00000000000000000000000"}
	for range 50_000 {
		whole, decimals := r.Uint64()>>(r.IntN(63)+1), r.IntN(12)
		digits := strconv.FormatUint(whole, 10)
		texts = append(texts, digits+"."+strings.Repeat("0", r.IntN(3))+strconv.FormatUint(r.Uint64()>>uint(64-3*decimals-1), 10))
	}
	for _, text := range texts {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		v, err := DecodeString(text)
		if err != nil || math.Float64bits(v.Float64()) != math.Float64bits(want) {
			t.Fatalf("%s is read as %v, %v", text, v.Float64(), err)
		}
		for _, f := range []float64{want, -want, want * 1.25, want / 3} {
			checkText(t, f)
		}
	}
	for range 50_000 {
		checkText(t, math.Float64frombits(r.Uint64()))
	}
}

func checkText(t *testing.T, f float64) {
	t.Helper()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	got := NewFloat(f).String()
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	want := strconv.FormatFloat(f, format, -1, 64)
	if !strings.ContainsAny(want, ".e") {
		want += ".0"
	}
	if got != want {
		t.Fatalf("%v is written %s", f, got)
	}
}
