package systems

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		n    float64
		unit time.Duration
		want time.Duration
	}{
		{0, time.Second, 0},
		{1.5, time.Second, 1500 * time.Millisecond},
		{0.25, time.Hour, 15 * time.Minute},
		{9223372036, time.Second, 9223372036 * time.Second},
		{9999999999, time.Second, math.MaxInt64},
		{1e300, time.Hour, math.MaxInt64},
	} {
		if got := Duration(c.n, c.unit); got != c.want {
			t.Errorf("%g times %s is %s, want %s", c.n, c.unit, got, c.want)
		}
	}
}
