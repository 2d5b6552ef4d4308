// Package measure is what several benchmarks need: medians with quartiles, events
// to send, and the real binary with what the kernel says of its processes.
package measure

import (
	"fmt"
	"slices"
	"time"
)

// Spread is the median with its quartiles, with so many digits behind the point.
func Spread(list []float64, digits int) string {
	if len(list) == 0 {
		return "–"
	}
	s := slices.Sorted(slices.Values(list))
	n := len(s)
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s[n/2], digits, s[n/4], digits, s[n-1-n/4])
}

// Median is the middle of a list, the upper one of two; 0 if it is empty.
func Median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// Percentile is the time, in milliseconds, within which so many of a hundred are;
// 0 if there are none.
func Percentile(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)*percent/100, len(sorted)-1)]) / float64(time.Millisecond)
}
