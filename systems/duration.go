package systems

import (
	"math"
	"time"
)

// Duration is n units of time as configurations give them, with fractions; more than
// fits, which is some 292 years, is that.
func Duration(n float64, unit time.Duration) time.Duration {
	d := n * float64(unit)
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(d)
}
